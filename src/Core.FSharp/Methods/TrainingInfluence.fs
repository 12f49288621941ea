namespace Attribution.Core

open Attribution
open TorchSharp

/// <summary>TracIn: how much a training image's own steps have lowered the loss of another image.</summary>
/// <remarks>Pruthi, Liu, Kale and Sundararajan, Estimating training data influence by tracing gradient descent, arXiv 2002.08484: the
/// products of their losses' gradients in the last layers' weights, ⟨∇ℓ(z), ∇ℓ(z')⟩. A dense layer's gradient is the product δ aᵀ of
/// the loss's gradient at its output and its input, so that the product of two is (δ·δ') (a·a' + 1), 1 for the bias.</remarks>
[<RequireQualifiedAccess>]
module TrainingInfluence =
    /// Of images, for each layer: its input, and 1 where it has a bias (n×i), and the gradient of the loss at its output (n×o).
    type Gradients = (Tensor * Tensor) list

    /// The dense layers that lead to the logits, the last one first.
    let layers (model: Model) : string list =
        model.Graph.Nodes
        |> Seq.filter (fun node ->
            match node.Op with
            | Linear _ -> Graph.leads node.Name model.Graph
            | _ -> false)
        |> Seq.map _.Name
        |> Seq.rev
        |> List.ofSeq

    /// -ln of the softmax at the labels (n).
    let private losses (model: Model) (labels: Tensor) (outputs: Tensor) =
        let logits = (Source.read Source.Logits model outputs).``to`` torch.float64
        let largest = (labels.max ()).item<int64>()

        if largest >= logits.shape[1] then
            fail $"A class is {largest}, but the model has {logits.shape[1]} classes, 0 to {logits.shape[1] - 1L}."

        -(logits.log_softmax 1L).gather(1L, labels.unsqueeze 1L).squeeze 1L

    let private inputOf (model: Model) layer = (Graph.node layer model.Graph).Inputs.Head

    let private withOne (model: Model) layer (input: Tensor) =
        match (Graph.node layer model.Graph).Op with
        | Linear(_, Some _) -> torch.cat ([| input; torch.ones (input.shape[0], 1L, input.dtype, input.device) |], 1L)
        | _ -> input

    /// <summary>The gradients of the cross-entropy of labels (n) in the weights of some dense layers, of a batch.</summary>
    /// <exception cref="T:Attribution.AttributionException">A layer takes more than one vector of an image.</exception>
    let gradients (layers: string list) (labels: Tensor) (model: Model) (x: Tensor) : Gradients =
        let slices = Model.slices layers model
        let first, past = slices.H x
        let loss outputs = (losses model labels outputs).sum()

        let _, rest, pull =
            Diff.evalReverseDiffAlong
                (fun values ->
                    let outputs, rest = slices.G past values
                    loss outputs, rest)
                first

        let slopes =
            List.zip (slices.First @ slices.Rest) (pull (torch.ones ([||], torch.float64))) |> Map.ofList

        ignore rest

        [
            for layer in layers ->
                let input = Model.value (inputOf model layer) model x

                if input.ndim <> 2L then
                    fail
                        $"The layer '{layer}' takes {input.ndim - 1L}-dimensional values of an image, where TracIn needs one vector: name another layer."

                withOne model layer (input.``to`` torch.float64), slopes[layer].``to`` torch.float64
        ]

    /// Σ_layers (δ·δ') (a·a') of each image (n) and each other (m): n×m.
    let products (these: Gradients) (others: Gradients) : Tensor =
        List.map2
            (fun (a: Tensor, d: Tensor) (a': Tensor, d': Tensor) -> a.matmul (a'.t ()) * d.matmul (d'.t ()))
            these
            others
        |> List.reduce Tensor.add
