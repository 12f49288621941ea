namespace Attribution.Core

open TorchSharp

/// <summary>Any method, on average over copies of each instance that should be explained alike: what is explained stays what it is of the
/// instance itself.</summary>
[<RequireQualifiedAccess>]
module Steadied =
    // The copies' draws, far from those that a method makes of each of them.
    [<Literal>]
    let private Copies = 0x40000000L

    /// How many copies `augment` takes.
    [<Literal>]
    let Augmented = 6L

    let private mean
        (copies: ((Tensor -> Tensor) * (Tensor -> Tensor)) list)
        explain
        (target: Target)
        (batch: Batch)
        : Tensor =
        Scope.runQuietly (fun () ->
            let anchored = Target.anchored target batch target.Model

            let map (change, back) =
                Scope.run (fun () -> back (explain anchored { batch with X = change batch.X }: Tensor))

            let sum = copies |> Seq.map map |> Seq.reduce Tensor.add
            sum / Number.Of(float copies.Length))

    /// <summary>(1/N) Σₖ A(x + εₖ), εₖ ~ N(0, σ²) and σ the share `noise` of max x - min x.</summary>
    /// <remarks>Smilkov et al., arXiv 1706.03825, of any method: Captum's noise tunnel.</remarks>
    /// <param name="explain">The method, A.</param>
    /// <exception cref="T:System.ArgumentException">There is less than one copy.</exception>
    let smooth
        (count: int)
        (noise: float)
        (seed: int64)
        (explain: Target -> Batch -> Tensor)
        (target: Target)
        (batch: Batch)
        =
        if count < 1 then
            invalidArg "count" $"A mean is over at least 1 noisy copy, but {count} were asked for."

        let copy k =
            let change (x: Tensor) =
                let flat = x.flatten 1L
                let sigma = Tensor.likeInstances x ((flat.amax [| 1L |] - flat.amin [| 1L |]) * Number.Of noise)
                Tensor.add x (sigma * Noise.normal seed (Copies + int64 k) batch)

            change, id

        mean [ for k in 0 .. count - 1 -> copy k ] explain target batch

    /// <summary>The mean over the image and its mirror image, each as it is, a tenth darker and a tenth brighter, maps turned back.</summary>
    /// <remarks>Test-time augmentation as pytorch-grad-cam's aug_smooth has it.</remarks>
    /// <exception cref="T:Attribution.AttributionException">The instances are no images.</exception>
    let augment (explain: Target -> Batch -> Tensor) (target: Target) (batch: Batch) : Tensor =
        Images.require "Mirroring is" batch.X
        let mirror (t: Tensor) = t.flip (t.ndim - 1L)

        let copies = [
            for strength in [ 0.9; 1.; 1.1 ] do
                let scale (x: Tensor) = x * Number.Of strength
                scale, id
                scale >> mirror, mirror
        ]

        mean copies explain target batch
