namespace Attribution.Core

open TorchSharp

/// <summary>The smooth model parameter randomisation test: the test of maps that are means over noisy copies of the image, in which
/// less of a map's own noise counts as change. Lower means that the map depends on what the network has learnt.</summary>
/// <remarks>Hedström et al., Sanity checks revisited, arXiv 2401.06465: both networks' maps are such means.</remarks>
[<RequireQualifiedAccess>]
module SmoothParameterRandomisation =
    /// <summary>The mean over layers l of ρ(|Ā_f|, |Ā_f'|) of each instance (n, float64), Ā the mean of the maps of x + εₖ, f' the model
    /// with random weights from the logits down to l. NaN where A_f(x) is 0, or every correlation is undefined.</summary>
    /// <param name="relaxation">How ranks are computed.</param>
    /// <param name="deviation">The standard deviation of ε.</param>
    /// <param name="samples">How many copies there are.</param>
    /// <param name="steps">At how many layers maps are compared; at each, where there are no more.</param>
    /// <param name="seed">Decides on ε, and on the weights.</param>
    /// <param name="explain">How maps are made.</param>
    /// <param name="target">What is explained.</param>
    /// <param name="attributions">A_f(x): the test makes its own, and asks of these only whether there is one.</param>
    /// <param name="batch">x.</param>
    let scores
        relaxation
        (deviation: float)
        samples
        steps
        seed
        (explain: Target -> Batch -> Tensor)
        (target: Target)
        (attributions: Tensor)
        (batch: Batch)
        : Tensor =
        Scope.runQuietly (fun () ->
            let anchored = Target.anchored target batch

            let averaged model =
                let target = anchored model

                let one draw =
                    Scope.run (fun () ->
                        let noise = Noise.normal seed draw batch * Number.Of deviation
                        explain target { batch with X = Tensor.add batch.X noise })

                (Seq.init samples (int64 >> one) |> Seq.reduce Tensor.add) / Number.Of(float samples)

            let found =
                ParameterRandomisation.curve relaxation averaged false steps seed (averaged target.Model) target.Model
                |> ParameterRandomisation.scores

            let isMap = (Tensor.isPositive (Nearby.norms attributions)).``to`` found.device
            found.masked_fill (isMap.logical_not (), Number.Of nan))
