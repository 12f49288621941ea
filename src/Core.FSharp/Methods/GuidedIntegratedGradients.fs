namespace Attribution.Core

open System
open TorchSharp

/// <summary>Guided integrated gradients: a path from a baseline on which the pixels of least gradient move first, so that it keeps out of
/// where the target bends.</summary>
/// <remarks>Kapishnikov et al., arXiv 2106.09788. At each of the steps the path is to be a step nearer to the image in the sum of
/// magnitudes; the tenth of the pixels that have the least gradient move towards it, as far as the straight line allows, until it is.
/// Complete: the attributions sum to t(x) - t(b) as the steps grow.</remarks>
[<RequireQualifiedAccess>]
module GuidedIntegratedGradients =
    /// The share of the numbers that moves at a time.
    [<Literal>]
    let private Fraction = 0.1

    /// How far from the straight line, as a share of it, a number may be; the authors' default.
    [<Literal>]
    let private Slack = 0.02

    let private infinity = Number.Of Double.PositiveInfinity

    /// <summary>Σₖ ∇ₓ t(xₖ) ⊙ (xₖ₊₁ - xₖ) along the path: n×….</summary>
    /// <exception cref="T:System.ArgumentException">There is less than one step.</exception>
    let attribute (steps: int) (baseline: Baseline) (target: Target) (batch: Batch) : Tensor =
        if steps < 1 then
            invalidArg "steps" $"A path has at least 1 step, but {steps} were asked for."

        Scope.runQuietly (fun () ->
            let stop = batch.X.flatten(1L).``to`` torch.float64
            let start = (baseline.Of batch).flatten(1L).``to`` torch.float64
            let difference = stop - start
            let whole = difference.abs().sum(1L, true)
            let explained = Sweep.explained target batch
            let all = Array.create (int stop.shape[0]) true
            let one = torch.ones (1L, torch.float64)

            let gradient (at: Tensor) =
                let points i _ =
                    (Sweep.pick i at).reshape(Array.append [| -1L |] batch.X.shape[1..]).``to`` batch.X.dtype, ()

                (Sweep.gradientsAmong explained all one points (fun () g -> g) target batch).flatten(1L).``to``
                    torch.float64

            let line (share: float) = Tensor.add start (difference * Number.Of(min 1. (max 0. share)))

            // Towards the image at most: to `far`, where that is nearer than the image.
            let behind (a: Tensor) (b: Tensor) = ((stop - a).abs()).gt((stop - b).abs())

            let step (at: Tensor, sum: Tensor) k =
                let slope = gradient at
                let share = float (k + 1) / float steps
                let near, far = line (share - Slack), line (share + Slack)
                let goal = whole * Number.Of(1. - share)
                let left (at: Tensor) = (stop - at).abs().sum(1L, true)

                // Those that lag behind the line move up.
                let at' = torch.where (behind at near, near, at)

                let rec move (at: Tensor) rounds =
                    let room = (far - at).abs()
                    let isFree = behind at far
                    let surplus = left at - goal
                    let isShort = surplus.gt (whole * Number.Of 1e-9)
                    let some = isFree.logical_and isShort

                    if rounds = 0 || not (Tensor.isAny some) then
                        at
                    else
                        let size = slope.detach().abs().masked_fill(isFree.logical_not (), infinity)
                        let count = isFree.sum(1L, true).``to`` torch.float64

                        // The fraction of those that are free, of least gradient.
                        let wanted = (count * Number.Of Fraction).ceil().clamp_min(Number.Of 1.)
                        let place = size.argsort(1L).argsort(1L).``to`` torch.float64
                        let chosen = some.logical_and (place.lt wanted)
                        let moving = (room * chosen).sum(1L, true)

                        let part =
                            (surplus / moving.masked_fill (Tensor.isZero moving, Number.Of 1.)).clamp_max(Number.Of 1.)

                        move (torch.where (chosen, Tensor.add at (part * (far - at)), at)) (rounds - 1)

                let most = int (ceil (1. / Fraction)) * 3 + 30
                let next = if k = steps - 1 then stop else move at' most
                next, Tensor.add sum (slope * (next - at))

            let _, sum = Seq.fold step (start, torch.zeros_like start) [ 0 .. steps - 1 ]
            sum.reshape(batch.X.shape).``to`` batch.X.dtype)
