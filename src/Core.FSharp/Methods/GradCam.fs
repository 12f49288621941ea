namespace Attribution.Core

open Attribution
open TorchSharp

/// What a layer's values A (c×h×w) are weighed with, given the gradient g of the target with respect to them.
[<RequireQualifiedAccess>]
type CamWeights =
    /// A channel's mean of g: Grad-CAM.
    | Mean
    /// A channel's Σ α ⊙ ReLU(g), α = g² / (2 g² + g³ Σ A): Grad-CAM++.
    | PlusPlus
    /// ReLU(g), position by position: LayerCAM.
    | Positions

/// <summary>Class activation maps: where a layer with positions holds what raises the target.</summary>
/// <remarks>Grad-CAM: Selvaraju et al., arXiv 1610.02391. Grad-CAM++: Chattopadhay et al., arXiv 1710.11063. LayerCAM: Jiang et
/// al., IEEE Transactions on Image Processing 30, 2021.</remarks>
[<RequireQualifiedAccess>]
module GradCam =
    let private weigh weights (values: Tensor) (gradient: Tensor) =
        let positions = [| 2L; 3L |]

        match weights with
        | CamWeights.Mean -> gradient.mean (positions, true)
        | CamWeights.Positions -> gradient.relu ()
        | CamWeights.PlusPlus ->
            // α ReLU(g) with g² cancelled, which leaves no 0/0 where g is 0.
            let denominator = gradient * values.sum (positions, true) + 2.
            let isZero = denominator.eq (0.0.ToScalar())
            (gradient.relu () / denominator.masked_fill (isZero, 1.)).sum(positions, true)

    /// <summary>ReLU(Σ_c W ⊙ A) at the layer's own resolution (n×h'×w'), for a target of the logits. Paths around the layer are held fixed.</summary>
    /// <exception cref="T:Attribution.AttributionException">The layer has no positions.</exception>
    let atLayer weights (layer: string) (target: Target) (batch: Batch) : Tensor =
        let slice = Model.cut layer target.Model
        let held = Scope.forwardOnly (fun () -> slice.H batch.X)
        let values = held.Head

        if
            values.ndim <> 4L
            || Model.reading Units.Auto layer target.Model values.shape <> Units.ChannelSum
        then
            raise (
                AttributionException
                    $"Layer '{layer}' has no channels of several positions (n×c×h×w), which a class activation map needs: name a convolution's."
            )

        let rest = slice.G held.Tail >> target.Read >> Target.ofOwn target batch.Rows
        let gradient = Tensor.readable (Diff.gradEach rest values)
        let values = Tensor.readable values
        (weigh weights values gradient * values).sum(1L).relu()

    /// <summary>The same upsampled bilinearly to the image: n×h×w.</summary>
    /// <exception cref="T:Attribution.AttributionException">The layer has no positions.</exception>
    let attribute weights (layer: string) (target: Target) (batch: Batch) : Tensor =
        Scope.run (fun () ->
            let map = (atLayer weights layer target batch).unsqueeze 1L

            torch.nn.functional
                .interpolate(map, batch.X.shape[2..], mode = torch.InterpolationMode.Bilinear, align_corners = false)
                .squeeze
                1L)
