namespace Attribution.Core

open TorchSharp

/// <summary>The efficient model parameter randomisation test: how much more complex a map becomes when all of the network's weights
/// are random. Higher means that the map depends on what the network has learnt.</summary>
/// <remarks>Hedström et al., Sanity checks revisited, arXiv 2401.06465.</remarks>
[<RequireQualifiedAccess>]
module EfficientParameterRandomisation =
    /// The share of a map's pixels in each of so many bins of equal width (1×bins), of places from 0 to 1 (1×p).
    let private shares relaxation (bins: int) (places: Tensor) =
        let edges = [| for b in 1 .. bins - 1 -> float b / float bins |]

        let exact () =
            let struct (sorted, _) = places.detach().sort 1L
            let upTo = torch.searchsorted (sorted, torch.tensor(edges).unsqueeze 0L, right = true)
            upTo.``to`` torch.float64 / Number.Of(float places.shape[1])

        let soft (tau: float) =
            let upTo (edge: float) =
                Scope.run (fun () -> ((places |> Tensor.shift -edge) / Number.Of -tau).sigmoid().mean([| 1L |], true))

            torch.cat (Array.map upTo edges, 1L)

        let upTo = Relax.choose relaxation exact soft
        let ends = torch.zeros (1L, 1L, torch.float64)
        torch.cat ([| upTo; Tensor.shift 1. ends |], 1L) - torch.cat ([| ends; upTo |], 1L)

    /// <summary>-Σ_b p_b ln p_b of each map (n, float64), p_b the share of its pixels' attributions in a bin of so many of equal width
    /// from the least to the largest: 0 where all are the same.</summary>
    /// <exception cref="T:System.ArgumentException">There are less than 2 bins.</exception>
    let complexities relaxation (bins: int) (attributions: Tensor) : Tensor =
        if bins < 2 then
            invalidArg "bins" $"A histogram has at least 2 bins, but {bins} were asked for."

        // Map by map: a soft histogram takes a map's memory for each bin.
        let one (i: int64) =
            Scope.run (fun () ->
                let pixels =
                    (Tensor.pixels (attributions.narrow (0L, i, 1L))).``to``(torch.float64, torch.CPU).flatten 1L

                let low = pixels.amin ([| 1L |], true)
                let range = pixels.amax ([| 1L |], true) - low
                let isFlat = Tensor.isZero range
                let shares = shares relaxation bins ((pixels - low) / range.masked_fill (isFlat, Number.Of 1.))
                // The logarithm of 0 counts as 0, and has no part in the derivative.
                let isNone = (Tensor.isPositive shares).logical_not()
                let logarithms = shares.masked_fill(isNone, Number.Of 1.).log()
                (-(shares * logarithms).sum 1L).masked_fill(isFlat.squeeze 1L, Number.Of 0.))

        Scope.runQuietly (fun () -> torch.cat [| for i in 0L .. attributions.shape[0] - 1L -> one i |])

    /// <summary>(ξ(A_f') - ξ(A_f)) / ξ(A_f) of each instance (n, float64), ξ the entropy of a map's histogram, f' the model with random
    /// weights in every layer. NaN where A_f is constant.</summary>
    /// <param name="relaxation">How numbers are counted.</param>
    /// <param name="bins">How many bins a histogram has.</param>
    /// <param name="seed">Decides on the weights.</param>
    /// <param name="explain">How maps are made.</param>
    /// <param name="target">What is explained of f.</param>
    /// <param name="attributions">A_f(x).</param>
    /// <param name="batch">x.</param>
    let scores
        relaxation
        bins
        seed
        (explain: Target -> Batch -> Tensor)
        (target: Target)
        (attributions: Tensor)
        (batch: Batch)
        : Tensor =
        Scope.runQuietly (fun () ->
            let anchored = Target.anchored target batch
            let layers = ParameterRandomisation.layers target.Model
            let random = ParameterRandomisation.randomised seed layers target.Model

            let after =
                Scope.run (fun () ->
                    try
                        complexities relaxation bins (explain (anchored random) batch)
                    finally
                        Model.dispose random)

            let before = complexities relaxation bins attributions
            Tensor.ratio (Tensor.isPositive before) (after - before) before)
