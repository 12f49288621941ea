namespace Attribution.Core

open Attribution
open TorchSharp

/// <summary>Expected gradients: integrated gradients averaged over baselines that are drawn from a background.</summary>
/// <remarks>Erion, Janizek, Sturmfels, Lundberg and Lee, arXiv 1906.10670. Complete in expectation: the attributions of an
/// instance sum to t(x) less the background's mean t. An instance is left out of its own background, where it would only
/// shrink its map.</remarks>
[<RequireQualifiedAccess>]
module ExpectedGradients =
    /// <summary>(1/N) Σₖ (x - bₖ) ⊙ ∇ₓ t(bₖ + αₖ(x - bₖ)), k = 1…N, bₖ drawn from the background and αₖ from [0, 1]; the mean
    /// is over the bₖ that are not x.</summary>
    /// <exception cref="T:Attribution.AttributionException">All that were drawn for an instance are it itself.</exception>
    let attribute (count: int) (background: Instances) (seed: int64) (target: Target) (batch: Batch) : Tensor =
        Scope.runQuietly (fun () ->
            let x = batch.X
            let drawn = (Noise.uniformOf seed [| 3L; int64 count |] batch.Ids).``to`` x.device

            // A Latin hypercube (McKay, Beckman and Conover, 1979): α, and the place in the background, lie once in each of N
            // equal parts of their ranges, paired at random. Each draw is uniform as before, and their mean varies less.
            let order = drawn.select(1L, 2L).argsort(1L).``to`` torch.float64
            let position = Tensor.add order (drawn.select (1L, 0L)) / Number.Of(float count)
            let which = Background.places count background (drawn.select (1L, 1L))

            let at (t: Tensor) (i: Tensor) (k: Tensor) =
                t.flatten () |> Sweep.pick (Tensor.add (i * Number.Of(int64 count)) k)

            let points i k =
                let start = Background.read background (at which i k) x
                let difference = Sweep.pick i x - start
                let along = Tensor.likeInstances x ((at position i k).``to`` x.dtype)
                Tensor.add start (along * difference), difference

            // The part of each draw, and whether it is of another image.
            let each (difference: Tensor) (gradient: Tensor) =
                let part = (difference * gradient).``to``(torch.float64).flatten 1L
                let isOther = (difference.flatten 1L).any(1L, true).``to`` torch.float64
                torch.cat ([| part; isOther |], 1L)

            let all = Array.create (int x.shape[0]) true
            let one = torch.ones (int64 count, torch.float64)

            let sums = Sweep.gradientsAmong (Sweep.explained target batch) all one points each target batch

            let others = sums.narrow (1L, -1L, 1L)
            Background.requireOthers "Expected gradients" batch.Rows (others.detach ())
            (sums.narrow (1L, 0L, sums.shape[1] - 1L) / others).reshape(x.shape).``to`` x.dtype)
