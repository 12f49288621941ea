namespace Attribution.Core

/// <summary>Guided backpropagation: a gradient that passes a ReLU only where it, too, is positive.</summary>
/// <remarks>Springenberg, Dosovitskiy, Brox and Riedmiller, arXiv 1412.6806. It is about ReLUs: at any other op it is the
/// gradient.</remarks>
[<RequireQualifiedAccess>]
module GuidedBackpropagation =
    /// <summary>What arrives at ReLU(z), w, goes on as max(w, 0) ⊙ [z > 0]; at ReLU6(z) as max(w, 0) where z lies
    /// between 0 and 6.</summary>
    let rule: Rule =
        fun evaluated w ->
            match evaluated.Node.Op with
            | Activation(Relu | ClippedRelu _) -> evaluated.Pull(w.relu ())
            | _ -> evaluated.Pull w

    /// <summary>The guided gradient of the target at each instance (n×…); with `multiply`, times the instance.</summary>
    let attribute (multiply: bool) (target: Target) (batch: Batch) : Tensor =
        Scope.quietly (fun () ->
            let back = Target.propagate rule (fun _ gradient -> gradient) target batch
            if multiply then batch.X * back else back)
