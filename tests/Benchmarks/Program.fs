/// The small pieces, each timed by itself: `dotnet run -c Release --project tests/Benchmarks`. Whole methods and metrics are
/// what `attribution bench` times.
module Benchmarks

open System.IO
open BenchmarkDotNet.Attributes
open BenchmarkDotNet.Configs
open BenchmarkDotNet.Jobs
open BenchmarkDotNet.Running
open BenchmarkDotNet.Toolchains.InProcess.Emit
open TorchSharp
open Attribution
open Attribution.Core

/// Orders of pixels, and images without some of them: a batch of 16 images of 224×224.
[<MemoryDiagnoser>]
type Ranks() =
    let maps = torch.randn (16L, 224L, 224L)
    let images = torch.rand (16L, 3L, 224L, 224L)
    let order = Ranking.ofPositive maps
    let counts = torch.full ([| 16L |], Number.Of 1000L, torch.int64)

    let freed (work: unit -> Tensor) =
        use _ = torch.NewDisposeScope()
        work () |> ignore

    let without (mask: Tensor) = Relax.blend (mask.reshape (16L, 1L, 224L, 224L)) (torch.zeros_like images) images

    [<Benchmark>]
    member _.Order() = freed (fun () -> (Ranking.ofPositive maps).Ranks)

    [<Benchmark>]
    member _.Positives() = Ranking.positives maps

    [<Benchmark>]
    member _.Mask() = freed (fun () -> without (Tensor.isPositive maps))

    [<Benchmark>]
    member _.Remove() = freed (fun () -> without (Relax.first Relaxation.Exact order counts))

/// Files of arrays, from a warm file cache.
[<MemoryDiagnoser>]
type Files() =
    let path = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName() + ".npz")

    [<GlobalSetup>]
    member _.Write() =
        use writer = new NpzWriter(path, false)
        use weights = torch.randn (4096L, 4096L)
        use images = torch.zeros (64L, 224L, 224L, 3L, torch.uint8)
        writer.Add("weights", weights)
        writer.Add("X", images)
        writer.Commit()

    [<Benchmark(Description = "read 64 MiB of weights")>]
    member _.Weights() =
        use file = NpzFile.Open path
        (file.Read "weights").Dispose()

    [<Benchmark(Description = "read 16 images of 224×224")>]
    member _.Images() =
        use images = ImageSet.LoadNpz path
        (images.Take [ 0..15 ]).Images().Dispose()

    [<GlobalCleanup>]
    member _.Delete() = File.Delete path

[<EntryPoint>]
let main argv =
    TorchRuntime.Start()

    // In this process: a project that is generated elsewhere would not find the native libraries.
    let config = DefaultConfig.Instance.AddJob(Job.ShortRun.WithToolchain InProcessEmitToolchain.Instance)

    BenchmarkSwitcher.FromTypes([| typeof<Ranks>; typeof<Files> |]).Run(argv, config) |> ignore

    0
