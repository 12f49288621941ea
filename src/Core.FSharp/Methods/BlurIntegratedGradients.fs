namespace Attribution.Core

open TorchSharp

/// <summary>Blur integrated gradients: the image comes into focus, and each pixel is credited with what its own change did.</summary>
/// <remarks>Xu, Venugopalan and Sundararajan, arXiv 2004.03383: ∫ ∂t/∂x_σ ⊙ dx_σ from the most blurred image to the sharp one, x_σ the
/// image blurred by a Gaussian of standard deviation σ. Here in equal steps of σ, each gradient taken in a step's middle. Complete: the
/// attributions sum to t(x) - t(x at its most blurred) as the steps grow.</remarks>
[<RequireQualifiedAccess>]
module BlurIntegratedGradients =
    /// The largest σ where nobody says, as a share of the longer side: the authors' 50 pixels of 224.
    [<Literal>]
    let private Share = 0.22

    /// <summary>Σₖ ∇ₓ t(x at the middle of step k) ⊙ (xₖ₊₁ - xₖ): n×c×h×w.</summary>
    /// <exception cref="T:System.ArgumentException">There is less than one step.</exception>
    /// <exception cref="T:Attribution.AttributionException">The instances are no images.</exception>
    let attribute (steps: int) (target: Target) (batch: Batch) : Tensor =
        let x = batch.X
        Images.require "Blur integrated gradients are" x

        if steps < 1 then
            invalidArg "steps" $"A path has at least 1 step, but {steps} were asked for."

        let most = Share * float (max x.shape[2] x.shape[3])
        let sigma (place: float) = most * (1. - place / float steps)

        let blurs side places =
            torch.stack([| for place in places -> Blur.weights (sigma place) side |]).``to``(x.dtype, x.device)

        // The steps' ends, and their middles.
        let matrices places = blurs x.shape[2] places, blurs x.shape[3] places
        let ends = matrices [ for k in 0..steps -> float k ]
        let middles = matrices [ for k in 0 .. steps - 1 -> float k + 0.5 ]

        let at (rows: Tensor, columns: Tensor) k (some: Tensor) =
            let across = (Sweep.pick k columns).transpose(1L, 2L)
            (Sweep.pick k rows).unsqueeze(1L).matmul(some).matmul(across.unsqueeze 1L)

        let points i (k: Tensor) =
            let some = Sweep.pick i x
            at middles k some, at ends (Tensor.shift 1. k |> _.``to``(torch.int64)) some - at ends k some

        Scope.runQuietly (fun () ->
            let all = Array.create (int x.shape[0]) true
            let one = torch.ones (int64 steps, torch.float64)

            Sweep.gradientsAmong
                (Sweep.explained target batch)
                all
                one
                points
                (fun change gradient -> change * gradient)
                target
                batch)
