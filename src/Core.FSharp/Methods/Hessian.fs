namespace Attribution.Core

open TorchSharp

/// <summary>Second derivatives of a target at each instance.</summary>
/// <remarks>Of a network of ReLUs they are 0 almost everywhere: ask them of a smooth one, or of Model.smooth β.</remarks>
[<RequireQualifiedAccess>]
module Hessian =
    /// Whether a network is linear between kinks: by a ReLU that can be seen.
    let isBent (model: Model) : bool =
        model.Graph.Nodes
        |> Array.exists (fun node ->
            match node.Op with
            | Activation(Relu | ClippedRelu _ | LeakyRelu _) -> true
            | _ -> false)

    /// <summary>H v: the derivative of ∇ₓ t(x) along a direction, for each instance (n×…).</summary>
    /// <param name="v">The directions: n×….</param>
    let product (v: Tensor) (target: Target) (batch: Batch) : Tensor =
        Tensor.requireShape "v" batch.X.shape v

        let along (x: Tensor) =
            let gradient = Diff.gradEach (Target.here target { batch with X = x }) x
            Tensor.sumEach (gradient * v)

        Scope.runQuietly (fun () -> Diff.gradEach along batch.X)

    /// <summary>(x - b) ⊙ H (x - b): what each number adds to the second-order term of t between a baseline and x (n×…).</summary>
    let attribute (baseline: Baseline) (target: Target) (batch: Batch) : Tensor =
        Scope.runQuietly (fun () ->
            let difference = batch.X - baseline.Of batch
            difference * product difference target batch)
