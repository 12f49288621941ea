namespace Attribution.Core

open TorchSharp

/// <summary>Score-CAM: a layer's channels, weighed by what the target is where each of them lets the image be seen.</summary>
/// <remarks>Wang et al., arXiv 1910.01279: L = ReLU(Σ_c α_c A_c), α = softmax_c t(b + H_c ⊙ (x - b)), H_c the channel enlarged to the
/// image and scaled to [0, 1]. The paper takes the score of the baseline off each, which the softmax undoes. A channel that is the same
/// everywhere shows nothing. It asks for no gradient, and for a pass a channel.</remarks>
[<RequireQualifiedAccess>]
module ScoreCam =
    /// Each channel from its smallest value, 0, to its largest, 1.
    let private scaled (values: Tensor) =
        let flat = values.flatten 2L
        let low, high = flat.amin ([| 2L |], true), flat.amax ([| 2L |], true)
        let range = high - low
        ((flat - low) / range.masked_fill (Tensor.isZero range, Number.Of 1.)).reshape values.shape

    /// <summary>ReLU(Σ_c α_c A_c) at the layer's own resolution (n×h'×w').</summary>
    /// <exception cref="T:Attribution.AttributionException">The layer has no positions, or the target does not depend on it.</exception>
    let atLayer (baseline: Baseline) (layer: string) (target: Target) (batch: Batch) : Tensor =
        let values = (Cam.cut layer target batch).Values
        let channels = values.shape[1]
        let masks = (scaled values).flatten(0L, 1L)
        let start = baseline.Of batch
        let difference = batch.X - start

        let points (i: Tensor) k =
            let mask = Cam.enlarge batch.X (Sweep.pick (Tensor.add (i * Number.Of channels) k) masks)
            let mask = (mask.unsqueeze 1L).``to`` difference.dtype
            Tensor.add (Sweep.pick i start) (mask * Sweep.pick i difference)

        let scores =
            Sweep.scoresAround (Sweep.explained target batch) (Sweep.each (int channels) batch) points target batch

        let weights =
            (scores.softmax 1L).``to``(values.dtype, values.device).reshape [|
                yield! scores.shape
                for _ in Cam.positions values do
                    1L
            |]

        (weights * values).sum(1L).relu()
