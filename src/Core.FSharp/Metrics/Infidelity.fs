namespace Attribution.Core

open TorchSharp

/// What is taken off instances: `Draw seed draw batch` gives I, of their shape.
[<NoComparison; NoEquality>]
type Perturbation = {
    Draw: int64 -> int64 -> Batch -> Tensor
}

[<RequireQualifiedAccess>]
module Perturbation =
    /// Gaussian noise of mean 0.
    let noise (standardDeviation: float) = {
        Draw = fun seed draw batch -> Noise.normal seed draw batch * standardDeviation.ToScalar()
    }

    /// (x - b) ⊙ M: a square of pixels anywhere in the image becomes the baseline.
    let square (side: int) (baseline: Baseline) = {
        Draw =
            fun seed draw batch ->
                let x = batch.X

                let place =
                    Noise.uniform seed draw {
                        batch with
                            X = x.new_empty (x.shape[0], 2L)
                    }

                let inside axis =
                    let size = x.shape[2 + axis]
                    let side = min (int64 side) size
                    let first = (place.narrow (1L, int64 axis, 1L) * float (size - side + 1L)).floor()
                    let after = torch.arange (size, x.dtype, x.device) - first
                    (after.ge (0.0.ToScalar())).logical_and(after.lt ((float side).ToScalar()))

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
            (wide / x.shape[1].ToScalar()).unsqueeze(1L)
        else
            Tensor.requireShape "The attribution" x.shape attributions
            wide

    /// <summary>A ⊘ (x - b), A itself where x = b: for maps that are multiplied with x - b already, as those of integrated
    /// gradients are. A perturbation (x - b) ⊙ M then finds M ⊙ A.</summary>
    let perUnit (baseline: Baseline) (batch: Batch) (attributions: Tensor) : Tensor =
        let difference = batch.X - baseline.Of batch

        spread batch.X attributions
        / difference.masked_fill (difference.eq (0.0.ToScalar()), 1.0.ToScalar())

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

        Scope.forwardOnly (fun () ->
            let explained = Target.explained target batch
            let all = torch.arange (batch.X.shape[0], torch.int64, batch.X.device)
            let before = target.Quantity.Of explained (explained.Outputs.Force())

            let sample draw =
                Scope.run (fun () ->
                    let i = perturbation.Draw seed draw batch
                    let change = before - Target.along target explained all (batch.X - i)
                    torch.stack [| Tensor.sumEach (i * attributions); change.``to`` torch.float64 |])

            let drawn = torch.stack [| for draw in 0L .. int64 samples - 1L -> sample draw |]
            let foretold, changes = drawn.select (1L, 0L), drawn.select (1L, 1L)

            let error =
                if isScaled then
                    let beta = (foretold * changes).sum 0L / foretold.square().sum 0L
                    beta.nan_to_num 0. * foretold - changes
                else
                    foretold - changes

            error.square().mean [| 0L |])
