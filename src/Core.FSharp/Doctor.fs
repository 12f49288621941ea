namespace Attribution.Core

open System
open System.Diagnostics
open System.Globalization
open System.Runtime
open System.Runtime.InteropServices
open TorchSharp

/// What there is to know of the machine before its numbers are believed.
[<NoComparison>]
type Examination = {
    /// What is there, by name: the processor, libtorch, memory and so on.
    Facts: (string * string)[]
    /// Convolutions that oneDNN gets wrong: the case, how it is wrong, what computes it instead.
    Faults: (string * string * string)[]
    /// What it all comes to, in a sentence.
    Verdict: string
    IsSound: bool
}

/// Examines the machine: its hardware and libraries, whether its kernels are right, and how fast they are.
[<RequireQualifiedAccess>]
module Doctor =
    let private text (format: string) (number: float) = number.ToString(format, CultureInfo.InvariantCulture)

    let private gibibytes (bytes: int64) = $"""{text "0.0" (float bytes / float (1L <<< 30))} GiB"""

    /// The least milliseconds of three runs after a first.
    let private time (work: unit -> Tensor) =
        let once () =
            use _ = torch.NewDisposeScope()
            let watch = Stopwatch.StartNew()
            work () |> ignore
            watch.Elapsed.TotalMilliseconds

        once () |> ignore
        List.init 3 (fun _ -> once ()) |> List.min

    /// "213 GFLOP/s (12.3 ms)".
    let private speed (operations: float) (work: unit -> Tensor) =
        let milliseconds = time work
        $"""{text "0" (operations / milliseconds / 1e6)} GFLOP/s"""

    let private speeds () =
        use _ = torch.NewDisposeScope()
        use _ = torch.no_grad ()

        let convolution inputs outputs side kernel (dtype: torch.ScalarType) =
            let arranged (t: Tensor) = Tensor.channelsLast (t.``to`` dtype)

            let c = {
                Weight = arranged (torch.randn [| outputs; inputs; kernel; kernel |])
                Bias = None
                Stride = [| 1L; 1L |]
                Padding = [| kernel / 2L; kernel / 2L |]
                Dilation = [| 1L; 1L |]
                Groups = 1L
            }

            let x = arranged (torch.randn [| 4L; inputs; side; side |])
            speed (8. * float (inputs * outputs * side * side * kernel * kernel)) (fun () -> Kernels.convolve c x)

        let product (dtype: torch.ScalarType) =
            let a = torch.randn([| 768L; 768L |]).``to`` dtype
            speed (2. * 768. ** 3.) (fun () -> torch.nn.functional.linear (a, a))

        [|
            "convolution 3×3, 256 channels, float32", convolution 256L 256L 28L 3L torch.float32
            "convolution 1×1, 512 to 1024, float32", convolution 512L 1024L 14L 1L torch.float32
            "convolution 3×3, 256 channels, bfloat16", convolution 256L 256L 28L 3L torch.bfloat16
            "matrix product, float32", product torch.float32
            "matrix product, float64", product torch.float64
        |]

    let private cuda () =
        if torch.cuda.is_available () then
            $"{torch.cuda.device_count ()} device(s)"
        else
            "none (this build of libtorch is for the processor alone, or there is no device)"

    let private allocator () =
        if not (OperatingSystem.IsLinux()) then
            "the system's"
        elif Environment.GetEnvironmentVariable "ATTRIBUTION_ALLOCATOR" = "default" then
            "as it is (ATTRIBUTION_ALLOCATOR=default)"
        else
            "keeps memory between batches"

    let examine () : Examination =
        let trust = Kernels.machine ()
        let wrong = Kernels.wrong ()

        let answer dtype =
            let isOf (case: ConvolutionCase) = case.Type = dtype
            let all = Kernels.triedOf dtype
            let bad = wrong |> List.filter (fst >> isOf) |> List.length

            match trust with
            | Kernels.Untried -> "not tried: no process could be started, so convolutions are matrix products"
            | _ when bad = 0 -> $"right in all of {all} cases"
            | _ -> $"wrong in {bad} of {all} cases, which take another path"

        let couldTry = trust <> Kernels.Untried

        {
            Facts = [|
                "system",
                $"{RuntimeInformation.OSDescription.Trim()}, {RuntimeInformation.RuntimeIdentifier}, .NET {Environment.Version}"
                "processor", Machine.processorName.Value
                "features", String.Join(", ", Machine.features.Value)
                "caches",
                (match Machine.caches.Value with
                 | "" -> "not told (a hypervisor may hide them)"
                 | caches -> caches)
                "threads", $"{torch.get_num_threads ()} of {Environment.ProcessorCount} processors"
                "libtorch", string torch.__version__
                "memory",
                $"{gibibytes (Runtime.freeMemory ())} free of {gibibytes (GC.GetGCMemoryInfo().TotalAvailableMemoryBytes)}"
                "allocator", allocator ()
                "CUDA", cuda ()
                "oneDNN in float32", answer torch.float32
                "oneDNN in bfloat16", answer torch.bfloat16
                "tried once, kept in", $"{Kernels.tableFile.Value} (delete it to have it tried anew)"
                match Kernels.chosen.Value with
                | Kernels.Choice.Probe -> ()
                | choice -> "ATTRIBUTION_KERNELS", $"{choice}".ToLowerInvariant() + ", whatever was found"
                yield! speeds ()
            |]
            Faults = [| for case, verdict in wrong -> string case, verdict.Native, string verdict.Kernel |]
            Verdict =
                (match wrong with
                 | _ when not couldTry ->
                     "This machine's kernels could not be tried, so convolutions take a path that is right everywhere, but slower."
                 | [] ->
                     "Nothing is wrong: this machine's convolutions in float32 and bfloat16 are as exact as their numbers allow."
                 | _ ->
                     "oneDNN is wrong on this machine, so what it computes wrongly takes another path: results can be trusted, but some networks are slower; other programs that use oneDNN (PyTorch among them) give wrong numbers here.")
            IsSound = couldTry && wrong.IsEmpty
        }
