namespace Attribution.Core

open Attribution
open TorchSharp

/// <summary>The map that a metric likes best: what it rewards when nothing else restrains it.</summary>
[<RequireQualifiedAccess>]
module MetricOptimal =
    /// The length of a first step, as a share of a map's largest magnitude.
    [<Literal>]
    let private Rate = 0.5

    /// Whether a metric has a derivative in the map, where it is relaxed.
    let exists (row: Metric) =
        match row.Smoothness Argument.Map with
        | Smoothness.Smooth
        | Smoothness.AlmostEverywhere -> true
        | _ -> List.contains Argument.Map row.Relaxes

    /// Maps of noise (n×h×w, -1 to 1), each image its own.
    let noise (seed: int64) (batch: Batch) : Tensor =
        let x = batch.X
        let plane = { batch with X = x.detach().narrow(1L, 0L, 1L) }
        (Noise.uniform seed 0L plane * Number.Of 2. |> Tensor.shift -1.).squeeze 1L

    /// <summary>Of the maps on the way down (or up, where higher scores are better) the slope of a metric's relaxed score from some
    /// maps, each image's best, the first one among them: of the same shape.</summary>
    /// <param name="row">The metric.</param>
    /// <param name="settings">Its settings; the relaxation must not be exact where the metric ranks pixels, or counts them.</param>
    /// <param name="steps">How many steps.</param>
    /// <param name="start">The first maps: n×c×h×w or n×h×w.</param>
    /// <exception cref="T:Attribution.AttributionException">The metric has no derivative in the map, or has none as it is asked
    /// for.</exception>
    let find
        (row: Metric)
        (settings: MetricSettings)
        (steps: int)
        (start: Tensor)
        (target: Target)
        (batch: Batch)
        : Tensor =
        if not (exists row) then
            fail $"The metric '{row.Name}' has no derivative in the map, so that no best one can be found."

        if settings.Relaxation = Relaxation.Exact && row.Smoothness Argument.Map = Smoothness.PiecewiseConstant then
            fail $"The metric '{row.Name}' has a derivative in the map where it is relaxed: ask for Relaxation.Soft."

        let sign = if row.Better = Better.Higher then -1. else 1.

        let valued (maps: Tensor) =
            let loss (maps: Tensor) = row.Scores settings target maps batch * Number.Of sign
            let losses, pull = Diff.evalReverseDiff loss maps
            losses, pull (torch.ones_like losses)

        let scale = Tensor.likeInstances start (Relax.scale (start.flatten 1L))

        let moved (rate: Tensor) = valued (rate * scale) |> fun (loss, slope) -> loss, slope * scale

        Scope.runQuietly (fun () -> Optimise.lowest steps Rate id moved (start / scale) * scale)
