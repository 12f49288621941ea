namespace Attribution.Core

open TorchSharp

/// What is taken off instances: `Draw seed draws batch` gives each of them the I of a draw of its own, of their shape.
[<NoComparison; NoEquality>]
type Perturbation = { Draw: int64 -> int64[] -> Batch -> Tensor }

[<RequireQualifiedAccess>]
module Perturbation =
    /// Gaussian noise of mean 0.
    let noise (standardDeviation: float) = {
        Draw = fun seed draws batch -> Noise.normals seed draws batch * Number.Of standardDeviation
    }

    /// (x - b) ⊙ M: a square of pixels anywhere in the image becomes the baseline.
    let square (side: int) (baseline: Baseline) = {
        Draw =
            fun seed draws batch ->
                let x = batch.X

                let place = Noise.uniforms seed draws { batch with X = x.new_empty (x.shape[0], 2L) }

                let inside axis =
                    let size = x.shape[2 + axis]
                    let side = min (int64 side) size

                    let first = (place.narrow (1L, int64 axis, 1L) * Number.Of(float (size - side + 1L))).floor()

                    let after = (Number.Range(0L, size, x.device)).``to`` x.dtype - first
                    (after.ge (Number.Of 0.)).logical_and(after.lt (Number.Of(float side)))

                let isInside = (inside 0).unsqueeze(2L).logical_and((inside 1).unsqueeze 1L)
                (x - baseline.Of batch) * isInside.unsqueeze 1L
    }

/// <summary>Infidelity: how badly a map foretells what perturbations do to the score. Lower is better.</summary>
/// <remarks>Yeh et al., arXiv 1901.09392.</remarks>
[<RequireQualifiedAccess>]
module Infidelity =
    /// Attributions of the instances' shape, pixel maps spread equally over the channels.
    let private spread (x: Tensor) (attributions: Tensor) =
        Ranking.requireMaps x attributions |> ignore
        let wide = attributions.``to`` torch.float64

        if attributions.ndim = 3L then
            (wide / Number.Of x.shape[1]).unsqueeze(1L)
        else
            Tensor.requireShape "The attribution" x.shape attributions
            wide

    /// <summary>A ⊘ (x - b), A itself where x = b: for maps that are multiplied with x - b already, as those of integrated
    /// gradients are. A perturbation (x - b) ⊙ M then finds M ⊙ A.</summary>
    let perUnit (baseline: Baseline) (batch: Batch) (attributions: Tensor) : Tensor =
        let difference = batch.X - baseline.Of batch

        spread batch.X attributions / difference.masked_fill (Tensor.isZero difference, Number.Of 1.)

    /// <summary>meanₖ (β Iₖᵀ A - (t(x) - t(x - Iₖ)))² of each instance (n) over samples of a perturbation. β is 1, or where
    /// `isScaled` the number that makes the score lowest: E[IᵀA (t(x) - t(x - I))] / E[(IᵀA)²], and 0 where IᵀA is.</summary>
    let scores
        (perturbation: Perturbation)
        samples
        seed
        isScaled
        (target: Target)
        attributions
        (batch: Batch)
        : Tensor =
        let attributions = spread batch.X attributions

        let points i k =
            let some = Batch.pick i batch
            let taken = perturbation.Draw seed (Tensor.toArray k) some
            some.X - taken, Tensor.sumEach (taken * Sweep.pick i attributions)

        let own, without, foretold = Sweep.scoresBeside (Sweep.each samples batch) points target batch

        let changes = own.unsqueeze 1L - without

        let error =
            if isScaled then
                let squares = (Tensor.square foretold).sum(1L, true)

                let beta = Tensor.ratio (Tensor.isPositive squares) ((foretold * changes).sum(1L, true)) squares

                beta.nan_to_num 0. * foretold - changes
            else
                foretold - changes

        (Tensor.square error).mean [| 1L |]
