namespace Attribution.Core

open TorchSharp

/// Images near others, and how far the maps of the ones are from those of the others.
[<RequireQualifiedAccess>]
module Nearby =
    /// Uniform noise in [-radius, radius] on every number of the instances.
    let perturbed (radius: float) seed draw (instances: Instances) : Instances = {
        instances with
            Read =
                fun start length ->
                    Scope.run (fun () ->
                        let batch = Instances.read instances start length
                        let noise = Noise.uniform seed draw batch * Number.Of 2. |> Tensor.shift -1.
                        Tensor.add batch.X (noise * Number.Of radius))
    }

    /// The same of a batch's images (n×…).
    let noisy radius seed draw (batch: Batch) : Tensor =
        (perturbed radius seed draw (Instances.ofBatch batch)).Read 0 (int batch.X.shape[0])

    /// The Euclidean norm of each instance's numbers (n×… → n, float64), whose derivative at 0 is 0.
    let norms (t: Tensor) : Tensor = t.``to``(torch.float64).flatten(1L).norm 1

    /// <summary>How maps are made of images (n×…) in the place of a batch's: what the target takes from an image stays that of the
    /// batch's.</summary>
    let explaining (explain: Target -> Batch -> Tensor) (target: Target) (batch: Batch) : Tensor -> Tensor =
        let target = Target.anchored target batch target.Model
        let size = target.BatchSize Gradient (Instances.ofBatch batch)

        // Images are counted from 0, wherever in the set they stand.
        let some (part: Batch) = explain target { part with Rows = Sweep.pick part.Rows batch.Rows }
        fun x -> Instances.map size some (Instances.ofBatch { batch with X = x })

    /// The maps of images and of others in their place, read alike: by pixel attribution where either are.
    let alike (attributions: Tensor) (found: Tensor) : struct (Tensor * Tensor) =
        let read = if found.ndim = attributions.ndim then id else Tensor.pixels
        let before, after = read attributions, read found
        Tensor.requireShape "The attribution of the changed instances" before.shape after
        struct (before, after)

    /// <summary>A number of each instance (n) at each of `count` changes of them: count×n.</summary>
    /// <param name="near">The instances after the k-th change.</param>
    /// <param name="explain">Their maps.</param>
    /// <param name="measure">The number, of the changed instances, of the maps before and of those after.</param>
    let each count (near: int64 -> 'x) (explain: 'x -> Tensor) measure (attributions: Tensor) : Tensor =
        let one k =
            Scope.run (fun () ->
                let x = near k
                let struct (before, after) = alike attributions (explain x)
                measure x before after)

        Scope.run (fun () -> torch.stack [| for k in 0L .. int64 count - 1L -> one k |])

    /// The largest over the changes (K×n → n) of those that are numbers; NaN where none is.
    let largest (each: Tensor) : Tensor =
        let isUndefined = each.isnan ()
        let largest = each.masked_fill(isUndefined, Number.Of System.Double.NegativeInfinity).amax [| 0L |]
        largest.masked_fill (isUndefined.all 0L, Number.Of nan)

    /// <summary>‖A(x') - A(x)‖ / ‖x' - x‖ of each instance, the first by `size`, the second Euclidean; with `isScaled` of maps as
    /// shares of ‖A(x)‖, and of images as shares of white. NaN where there is nothing to divide by.</summary>
    let slope
        (size: Tensor -> Tensor)
        isScaled
        (white: float)
        (x: Tensor)
        (near: Tensor)
        (before: Tensor)
        (after: Tensor)
        : Tensor =
        let move, distance = size (after - before), norms (near - x)
        let isMoved = Tensor.isPositive distance

        if isScaled then
            let whole = size before
            let isDefined = (Tensor.isPositive whole).logical_and isMoved
            Tensor.ratio isDefined (move * Number.Of white) (whole * distance)
        else
            Tensor.ratio isMoved move distance
