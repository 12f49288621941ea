namespace Attribution.Core

/// <summary>Guided Grad-CAM: guided backpropagation where Grad-CAM is positive, in proportion to it.</summary>
/// <remarks>Selvaraju et al., arXiv 1610.02391, section 3.3.</remarks>
[<RequireQualifiedAccess>]
module GuidedGradCam =
    /// <summary>The guided gradient ⊙ Grad-CAM at a layer, upsampled bilinearly (n×c×h×w).</summary>
    /// <exception cref="T:Attribution.AttributionException">The layer has no positions.</exception>
    let attribute (layer: string) (target: Target) (batch: Batch) : Tensor =
        (GradCam.attribute CamWeights.Mean layer target batch).unsqueeze 1L
        * GuidedBackpropagation.attribute false target batch
