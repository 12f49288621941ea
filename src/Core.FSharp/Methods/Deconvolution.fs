namespace Attribution.Core

/// <summary>Deconvolution: a gradient that passes a ReLU where it is itself positive, whatever went forth there.</summary>
/// <remarks>Zeiler and Fergus, arXiv 1311.2901. It is about ReLUs: at any other op it is the gradient.</remarks>
[<RequireQualifiedAccess>]
module Deconvolution =
    /// <summary>What arrives at ReLU(z) or ReLU6(z), w, goes on as max(w, 0).</summary>
    let rule: Rule =
        fun evaluated w ->
            match evaluated.Node.Op with
            | Activation(Relu | ClippedRelu _) -> [ w.relu () ]
            | _ -> evaluated.Pull w

    /// <summary>The target brought back to each instance (n×…); with `multiply`, times the instance.</summary>
    let attribute (multiply: bool) (target: Target) (batch: Batch) : Tensor =
        Target.backpropagated rule multiply target batch
