namespace Attribution.Core

open System.Collections.Generic
open TorchSharp

/// <summary>FullGrad: the gradient times the image, and the gradient times the bias of every layer with positions.</summary>
/// <remarks>Srinivas and Fleuret, arXiv 1905.00780: S = ψ(∇ₓt ⊙ x) + Σ_l Σ_c ψ(∂t/∂z_l ⊙ b_l)_c, ψ the magnitude, scaled to [0, 1] in
/// each layer and enlarged to the image. In a network of ReLUs the gradients times what they are of sum to the target, without ψ and
/// over all layers: ∇ₓt · x + Σ_l ∂t/∂z_l · b_l = t. Biases are those of the canonical form: with normalisations and constants in
/// them.</remarks>
[<RequireQualifiedAccess>]
module FullGrad =
    /// The gradient at the instances, and at each layer with a bias the gradient times its bias, as they are met on the way back.
    let parts (target: Target) (batch: Batch) : Tensor * (Node * Tensor) list =
        let target = Target.canonical target
        let found = ResizeArray<Node * Tensor>()
        let keep = Scope.keepHere ()

        let rule: Rule =
            fun evaluated w ->
                match evaluated.Node.Op with
                | Affine layer ->
                    let bias = evaluated.Value - Affine.linear layer evaluated.Inputs.Tail evaluated.Inputs.Head
                    found.Add(evaluated.Node, keep (Tensor.readable (w * bias)))
                | _ -> ()

                evaluated.Pull w

        let gradient = Target.propagate rule (fun _ gradient -> gradient) target batch
        gradient, List.ofSeq found

    /// The magnitude, from its smallest in a layer to its largest.
    let private scaled (part: Tensor) =
        let flat = part.abs().flatten 1L
        let low, high = flat.amin ([| 1L |], true), flat.amax ([| 1L |], true)
        let range = high - low
        ((flat - low) / range.masked_fill (Tensor.isZero range, Number.Of 1.)).reshape part.shape

    /// <summary>S (n×h×w): the sum over the image's channels of the first part, and over the channels of each layer; of tables n×f.</summary>
    let attribute (target: Target) (batch: Batch) : Tensor =
        Scope.runQuietly (fun () ->
            let x = batch.X
            let gradient, ofBiases = parts target batch

            let maps = [
                for _, part in ofBiases do
                    if part.ndim = x.ndim && Array.fold (*) 1L part.shape[2..] > 1L then
                        Cam.enlarge x ((scaled part).sum 1L)
            ]

            let own = scaled (x * gradient)

            List.fold
                Tensor.add
                (if x.ndim > 2L then own.sum 1L else own)
                (maps |> List.map (fun map -> map.``to`` x.dtype)))
