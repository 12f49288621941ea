namespace Attribution.Core

/// <summary>Guided Grad-CAM: guided backpropagation where Grad-CAM is positive, in proportion to it.</summary>
/// <remarks>Selvaraju et al., arXiv 1610.02391, section 3.3.</remarks>
[<RequireQualifiedAccess>]
module GuidedGradCam =
    /// <summary>The guided gradient ⊙ Grad-CAM at some layers, upsampled bilinearly (n×c×h×w).</summary>
    /// <exception cref="T:Attribution.AttributionException">A layer has no positions.</exception>
    let attribute (layers: string list) (target: Target) (batch: Batch) : Tensor =
        (Cam.attribute (GradCam.atLayer CamWeights.Mean) layers target batch).unsqueeze 1L
        * GuidedBackpropagation.attribute false target batch
