namespace Attribution.Core

open System
open System.IO
open System.Runtime.InteropServices
open System.Security.Cryptography
open System.Text
open TorchSharp

/// The machine that the process runs on, and libtorch's switch for oneDNN, whose kernels are wrong on some.
[<RequireQualifiedAccess>]
module Machine =
    let private linesOf file =
        try
            File.ReadAllLines file
        with _ -> [||]

    /// What Linux tells of the first processor: "model name", "flags" and so on.
    let private processor =
        lazy
            (linesOf "/proc/cpuinfo"
             |> Seq.takeWhile (fun line -> line <> "")
             |> Seq.map (fun line -> line.Split(':', 2, StringSplitOptions.TrimEntries))
             |> Seq.filter (fun parts -> parts.Length = 2)
             |> Seq.map (fun parts -> parts[0], parts[1])
             |> Map.ofSeq)

    let private fact name = processor.Value |> Map.tryFind name |> Option.defaultValue "?"

    /// "AMD EPYC, family 25, model 17, stepping 1".
    let processorName: Lazy<string> =
        lazy
            (if processor.Value.IsEmpty then
                 // Windows tells it here.
                 Environment.GetEnvironmentVariable "PROCESSOR_IDENTIFIER"
                 |> Option.ofObj
                 |> Option.defaultValue $"{RuntimeInformation.ProcessArchitecture}"
             else
                 $"""{fact "model name"}, family {fact "cpu family"}, model {fact "model"}, stepping {fact "stepping"}""")

    /// Those of the processor's features that choose kernels.
    let features: Lazy<string list> =
        lazy
            (let has = Set.ofArray ((fact "flags").Split ' ')

             [ "avx2"; "fma"; "avx512f"; "avx512_vnni"; "avx512_bf16"; "amx_bf16" ] |> List.filter has.Contains)

    /// "L1d 32K, L2 1024K, L3 32M", as Linux tells; empty where it tells nothing, as behind some hypervisors.
    let caches: Lazy<string> =
        lazy
            (let folder = "/sys/devices/system/cpu/cpu0/cache"
             let first name = String.Join("", linesOf name)

             if Directory.Exists folder then
                 let each = [
                     for index in Directory.GetDirectories(folder, "index*") |> Array.sort do
                         let part name = first (Path.Combine(index, name))
                         $"""L{part "level"} {part "type"} {part "size"}"""
                 ]

                 String.Join(", ", each)
             else
                 "")

    /// A short name for some bytes.
    let internal digest (bytes: byte[]) = Convert.ToHexString(SHA256.HashData bytes).Substring(0, 16)

    /// What decides which kernels run and how, as one name: the processor, its features and caches, the number of threads,
    /// libtorch's version, and oneDNN's own variables.
    let key: Lazy<string> =
        lazy
            (let variables =
                [ "ONEDNN_MAX_CPU_ISA"; "DNNL_MAX_CPU_ISA"; "ATEN_CPU_CAPABILITY" ]
                |> List.map Environment.GetEnvironmentVariable

             let facts =
                 [
                     processorName.Value
                     fact "flags"
                     fact "microcode"
                     fact "cache size"
                     caches.Value
                     string (torch.get_num_threads ())
                     string torch.__version__
                     string RuntimeInformation.OSArchitecture
                 ]
                 @ variables

             digest (Encoding.UTF8.GetBytes(String.Join('\n', facts))))

    /// What decides the last digits of results, for people: libtorch, the processor and those of its features that choose
    /// kernels, the number of threads, and variables that change their choice.
    let arithmetic: Lazy<string> =
        lazy
            (let variables = [
                for name in [ "ONEDNN_MAX_CPU_ISA"; "DNNL_MAX_CPU_ISA"; "ATEN_CPU_CAPABILITY"; "MKL_CBWR" ] do
                    match Environment.GetEnvironmentVariable name with
                    | null
                    | "" -> ()
                    | value -> $"{name}={value}"
             ]

             String.Join(
                 ", ",
                 [ $"libtorch {torch.__version__}"; processorName.Value; $"{torch.get_num_threads ()} threads" ]
                 @ features.Value
                 @ variables
             ))

    [<UnmanagedFunctionPointer(CallingConvention.Cdecl)>]
    type private Global = delegate of unit -> nativeint

    [<UnmanagedFunctionPointer(CallingConvention.Cdecl)>]
    type private Switch = delegate of nativeint * byte -> unit

    let private oneDnn =
        lazy
            (let library = Runtime.tryFind "libtorch_cpu.so" |> Option.defaultValue "libtorch_cpu"

             let export name (handle: nativeint) =
                 match NativeLibrary.TryGetExport(handle, name) with
                 | true, address -> Some address
                 | _ -> None

             match NativeLibrary.TryLoad library with
             | true, handle ->
                 match
                     export "_ZN2at13globalContextEv" handle, export "_ZN2at7Context20setUserEnabledMkldnnEb" handle
                 with
                 | Some context, Some set ->
                     let context = Marshal.GetDelegateForFunctionPointer<Global>(context).Invoke()

                     let set = Marshal.GetDelegateForFunctionPointer<Switch> set
                     Some(fun isOn -> set.Invoke(context, (if isOn then 1uy else 0uy)))
                 | _ -> None
             | _ -> None)

    /// Turns oneDNN on or off for the whole process; false where this build of libtorch has no such switch.
    let useOneDnn (isOn: bool) : bool =
        match oneDnn.Value with
        | Some set ->
            set isOn
            true
        | None -> false
