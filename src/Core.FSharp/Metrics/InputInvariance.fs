namespace Attribution.Core

open TorchSharp

/// <summary>Input invariance: how far the map changes when a number is added to every image and the network takes it off. Lower is
/// better, and 0 is invariance.</summary>
/// <remarks>Kindermans et al., The (un)reliability of saliency methods, arXiv 1711.00867.</remarks>
[<RequireQualifiedAccess>]
module InputInvariance =
    /// <summary>f' with f'(x + shift) = f(x): the model behind an op that takes the shift off, on the same weights. The op's number
    /// lives as long as the scope that is open.</summary>
    let shifted (shift: float) (model: Model) : Model =
        let input = model.Graph.Input + "/shifted"
        let by = model.Graph.Input + "/shift"
        let precision = model.Precision |> Option.defaultValue torch.float32
        let constant = torch.full ([| 1L |], Number.Of shift, precision, model.Device)

        let nodes = [|
            Node.create input Input []
            Node.create by (Constant constant) []

            for node in model.Graph.Nodes do
                if node.Name = model.Graph.Input then Node.create node.Name Subtract [ input; by ] else node
        |]

        let graph = { Graph.withNodes nodes model.Graph with Input = input }
        Model.withGraph graph { model with SharesWeights = true }

    /// <summary>‖A_f'(x + s) - A_f(x)‖ / ‖A_f(x)‖ of each instance (n, float64); by pixel attribution where either map is. NaN where
    /// A_f(x) is 0.</summary>
    /// <param name="shift">s, the same for every number.</param>
    /// <param name="explain">How maps are made.</param>
    /// <param name="target">What is explained of f.</param>
    /// <param name="attributions">A_f(x).</param>
    /// <param name="batch">x.</param>
    let scores
        (shift: float)
        (explain: Target -> Batch -> Tensor)
        target
        (attributions: Tensor)
        (batch: Batch)
        : Tensor =
        Scope.runQuietly (fun () ->
            let target' = Target.anchored target batch (shifted shift target.Model)
            let found = explain target' { batch with X = Tensor.shift shift batch.X }
            let struct (before, after) = Nearby.alike attributions found
            let size = Nearby.norms before
            Tensor.ratio (Tensor.isPositive size) (Nearby.norms (after - before)) size)
