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
}
