namespace Attribution.Core

open Attribution
open TorchSharp

/// <summary>Relative stability: how many per cent the map changes for a per cent of change in the image, in what a layer makes of it, or
/// for a change of the logits. Lower is better.</summary>
/// <remarks>Agarwal et al., Rethinking stability for attribution-based explanations, arXiv 2203.06877, with p = 2.</remarks>
[<RequireQualifiedAccess>]
module RelativeStability =
    /// What a number is divided by at the least, as a share of the largest of its instance's; and the ε of the paper.
    let private least, epsilon = 1e-3, 1e-6

    let private wide (t: Tensor) = t.flatten(1L).``to`` torch.float64

    /// (a' - a) / a, number by number, where a is not next to nothing: n×p. Its norm does not depend on the sign of a.
    let private shares (before: Tensor) (after: Tensor) =
        let before, after = wide before, wide after
        (after - before) / before.abs().maximum(Relax.scale before * Number.Of least)

    let private differences (before: Tensor) (after: Tensor) = wide after - wide before

    /// max ‖(A(x') - A(x)) / A(x)‖ / max(‖change of what is looked at‖, ε) over the x' of x's own class; `look` gives logits, and what
    /// is looked at.
    let private scores
        change
        (look: Tensor -> Tensor * Tensor)
        radius
        samples
        seed
        explain
        target
        attributions
        (batch: Batch)
        =
        Scope.runQuietly (fun () ->
            let logits, own = look batch.X
            let classes = logits.argmax 1L

            let measure near before after =
                let logits, values = look near
                let isSame = logits.argmax(1L).eq classes
                let isDefined = (Tensor.isPositive (Nearby.norms before)).logical_and isSame

                let distance = Nearby.norms(change own values).clamp_min(Number.Of epsilon)
                Tensor.ratio isDefined (Nearby.norms (shares before after)) distance

            attributions
            |> Nearby.each
                samples
                (fun draw -> Nearby.noisy radius seed draw batch)
                (Nearby.explaining explain target batch)
                measure
            |> Nearby.largest)

    /// <summary>Relative input stability: max ‖(A(x') - A(x)) / A(x)‖ / max(‖(x' - x) / x‖, ε) of each instance (n, float64), over
    /// those of the samples x' = x + εₖ, |εₖ| ≤ radius, that are of the class of x; by pixel attribution where either map is. NaN
    /// where A(x) is 0, or no sample is of the class.</summary>
    let ofInput radius samples seed explain (target: Target) attributions (batch: Batch) : Tensor =
        scores shares (fun x -> target.Output x, x) radius samples seed explain target attributions batch

    /// <summary>Relative output stability: the same by max(‖f(x') - f(x)‖, ε), f the logits.</summary>
    let ofOutput radius samples seed explain (target: Target) attributions (batch: Batch) : Tensor =
        let look x =
            let logits = target.Output x
            logits, logits

        scores differences look radius samples seed explain target attributions batch

    /// The layer whose values stand for what the network makes of an image: where class activation maps look, or where none can, the
    /// last that all paths to the output pass.
    let layer (target: Target) : string =
        let model = Model.upTo target.Layer target.Model

        try
            CamLayer.last model
        with :? AttributionException ->
            Graph.dominators model.Graph
            |> List.map _.Name
            |> List.filter ((<>) model.Graph.Output)
            |> List.tryLast
            |> Option.defaultValue model.Graph.Input

    /// <summary>Relative representation stability: the same by max(‖(L(x') - L(x)) / L(x)‖, ε), L the values of a layer.</summary>
    /// <exception cref="T:System.ArgumentException">The model has no such layer.</exception>
    let ofRepresentation layer radius samples seed explain (target: Target) attributions (batch: Batch) : Tensor =
        let look x = target.Output x, Model.value layer target.Model x
        scores shares look radius samples seed explain target attributions batch
