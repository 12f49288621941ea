namespace Attribution.Core

open TorchSharp

/// What methods that draw several points for each instance have in common.
[<RequireQualifiedAccess>]
module internal Samples =
    /// Standard normal numbers for pairs of an instance (by its place in the batch) and a draw: two int64 vectors → m×….
    let normal (seed: int64) (batch: Batch) (instance: Tensor) (draw: Tensor) : Tensor =
        let one (i: int64) draw =
            Noise.normal seed draw {
                Rows = batch.Rows.narrow (0L, i, 1L)
                Numbers = [| batch.Numbers[int i] |]
                X = batch.X.narrow (0L, i, 1L)
            }

        Scope.run (fun () -> torch.cat (Array.map2 one (Tensor.toArray<int64> instance) (Tensor.toArray<int64> draw)))

    /// Numbers between 0 and 1 (n×shape, float64), one draw for each of n numbers.
    let uniform (seed: int64) (shape: int64[]) (numbers: int64[]) : Tensor =
        Noise.uniform seed 0L {
            Rows = torch.tensor numbers
            Numbers = numbers
            X = torch.empty (Array.append [| numbers.LongLength |] shape, torch.float64)
        }

    /// Pairs of an instance and one of its `count` draws, in full batches: f receives both (two int64 vectors), and what
    /// gives the target's gradient at a point for each pair (m×… → m×…).
    let iter (count: int) (target: Target) (batch: Batch) (f: Tensor -> Tensor -> (Tensor -> Tensor) -> unit) =
        let explained = Target.explained target batch
        let size = target.BatchSize Gradient (Instances.ofTensor batch.X)
        let counts = Array.create (int batch.X.shape[0]) (int64 count)

        Instances.tile size counts batch.X.device (fun instance draw ->
            f instance draw (Diff.gradEach (Target.along target explained instance)))
