using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using Attribution.Core;

namespace Attribution;

internal static class ModuleInitializer
{
    [ModuleInitializer]
    [SuppressMessage(
        "Usage",
        "CA2255",
        Justification = "TorchSharp must find its repaired native library before a program makes its first tensor."
    )]
    internal static void Start() => Runtime.start();
}
