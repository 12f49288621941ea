namespace Attribution.Core

open TorchSharp

/// <summary>Non-sensitivity: how many pixels either have attribution and do nothing to the score, or have none and do
/// something. Lower is better.</summary>
/// <remarks>Nguyen and Martínez, arXiv 2007.07584. Features are steps of pixels, so that large images can be asked; with one
/// pixel a step they are the paper's.</remarks>
[<RequireQualifiedAccess>]
module NonSensitivity =
    // Of the largest score: what passes in float32 leave of equal ones.
    [<Literal>]
    let private Rounding = 1e-5

    /// <summary>Σ |F| over the features F, M pixels each in the order of |A|, of which one alone of two things holds: all A_p are
    /// 0; t(x_F) = t(x) in every draw, x_F drawing F evenly from the image's own range. Both but for rounding: n.</summary>
    /// <param name="samples">How many draws there are.</param>
    let scores relaxation (pixelsPerStep: int) (samples: int) seed target attributions (batch: Batch) : Tensor =
        let magnitudes = (Ranking.requireMaps batch.X attributions).flatten(1L).abs()
        let features = PixelGroups.inSteps pixelsPerStep magnitudes
        let own, drawn = PixelGroups.alone features samples (PixelGroups.ofRange seed batch) target batch
        let own = own.unsqueeze 1L
        let changes = (drawn - own.unsqueeze 2L).abs().amax([| 2L |])
        let slack (largest: Tensor) = largest * Number.Of Rounding
        let largest = torch.maximum (own.abs (), drawn.abs().amax([| 1L; 2L |]).unsqueeze 1L)
        let sums = (PixelGroups.sums features magnitudes).cpu()

        let isAttributed =
            Relax.isPositive relaxation (Relax.scale sums) (sums - slack (sums.amax ([| 1L |], true)))

        let isSensitive = Relax.isPositive relaxation (Relax.scale changes) (changes - slack largest)

        let isOne =
            Tensor.add (isAttributed * Tensor.complement isSensitive) (isSensitive * Tensor.complement isAttributed)

        (isOne * (PixelGroups.sizes features).cpu()).sum 1L
