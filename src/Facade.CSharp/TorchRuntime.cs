using System;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using Attribution.Core;

namespace Attribution;

/// <summary>TorchSharp's native library, made to load on older Linux, with an allocator that keeps memory between batches.</summary>
public static class TorchRuntime
{
    /// <summary>
    /// Prepares the process. The first use of any type of this library does so by itself: a program needs this call only
    /// where it makes a tensor before that, on Debian 12, Ubuntu 22.04 or RHEL 9. Any further call does nothing.
    /// </summary>
    [ModuleInitializer]
    [SuppressMessage(
        "Usage",
        "CA2255",
        Justification = "TorchSharp's library must be loaded before any tensor is made."
    )]
    public static void Start() => Runtime.start();

    /// <summary>
    /// Hands a listener every sentence that a person should know of this machine's kernels: that they are being tried, once a
    /// machine, and what of them is avoided. On some machines oneDNN computes convolutions in float32 wrongly; those take
    /// another path, so that results are right. <see cref="Doctor"/> tells the whole.
    /// </summary>
    /// <param name="listener">Takes a sentence.</param>
    public static void WhenSaid(Action<string> listener) => Interop.WhenSaid(listener);

    /// <summary>The path of a file of those bytes in the user's cache, written where it is not there yet.</summary>
    internal static string Keep(string name, byte[] bytes) => Interop.Keep(name, bytes);
}
