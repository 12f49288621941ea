namespace Attribution.Core

/// <summary>Saliency maps: how fast the target changes with each input.</summary>
/// <remarks>Simonyan, Vedaldi and Zisserman, arXiv 1312.6034. With a unit of a layer as the target it is the expert
/// attribution of Leino et al., arXiv 1802.03788.</remarks>
[<RequireQualifiedAccess>]
module Saliency =
    /// <summary>S(x) = x ⊙ ∇ₓ t(x); without `multiply`, ∇ₓ t(x).</summary>
    let attribute (multiply: bool) (target: Target) (batch: Batch) : Tensor =
        Scope.quietly (fun () ->
            let gradient = Diff.gradEach (Target.here target batch) batch.X
            if multiply then batch.X * gradient else gradient)
