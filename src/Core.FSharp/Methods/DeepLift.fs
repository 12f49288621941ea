namespace Attribution.Core

open System.Collections.Generic
open TorchSharp

/// <summary>DeepLIFT by the rescale rule: every op hands on the slope of the line between what it did for the instance and
/// what it did for a baseline, instead of its derivative.</summary>
/// <remarks>Shrikumar, Greenside and Kundaje, arXiv 1704.02685. The paper has ops of one input and maxima; here an op of any
/// kind is rescaled as integrated gradients of that op alone, which is the paper's rule for the ops that it has. Complete:
/// the attributions of an instance sum to t(x) - t(b), for a target that is linear in its outputs, up to rounding (and where
/// an op has no closed form, which only softmax and the ops without a name do, up to what 8 nodes leave).</remarks>
[<RequireQualifiedAccess>]
module DeepLift =
    /// w (y - y') / (x - x'), or w by the derivative, `pulled`, where x is x'.
    let private rescale (x: Tensor) (x': Tensor) (y: Tensor) (y': Tensor) (pulled: Tensor) (w: Tensor) =
        let change = x - x'
        // Nearer than this to each other, two numbers give a slope of rounding errors, and the derivative is taken.
        let least = x.abs().add_(x'.abs ()).mul_(1e-6.ToScalar()).add_(1e-12.ToScalar())

        torch.where (change.abs().le least, pulled, (y - y').div_(change).mul_ w)

    /// The op's derivatives at a point between the two, wᵀ of them.
    let private pullBetween (share: float) (ran: Ran) (inputs': Tensor list) (w: Tensor) =
        let between =
            List.map2
                (fun (x: Tensor) (x': Tensor) ->
                    if x.is_floating_point () then
                        x * share.ToScalar() + x' * (1. - share).ToScalar()
                    else
                        x)
                ran.Inputs
                inputs'

        snd (Autograd.alone (Semantics.plain ran.Node.Op) between) w

    let private nodes = lazy Quadrature.nodes GaussLegendre 8

    /// The mean of the derivatives between the two.
    let private pullAlong (ran: Ran) inputs' (w: Tensor) =
        nodes.Value
        |> Array.map (fun (share, weight) ->
            pullBetween share ran inputs' w
            |> List.map (fun part -> part * weight.ToScalar()))
        |> Array.reduce (List.map2 Tensor.add)

    /// The change of a window's maximum is due to the one input that made it: the instance's largest where the maximum grew,
    /// the baseline's where it fell.
    let private pullMaximum (pool: Tensor -> struct (Tensor * Tensor)) (x: Tensor) (x': Tensor) (w: Tensor) =
        let struct (y, at) = pool x
        let struct (y', at') = pool x'
        let due = torch.where(y.gt y', at, at').flatten 2L
        let pick (t: Tensor) = t.flatten(2L).gather(2L, due)

        let w = w.flatten 2L
        let share = rescale (pick x) (pick x') (y.flatten 2L) (y'.flatten 2L) w w

        torch.zeros_like(x.flatten 2L).scatter_add_(2L, due, share).reshape x.shape

    /// <summary>The rule, given what every node's value was for the baseline.</summary>
    let rule (reference: IReadOnlyDictionary<string, Tensor>) : Rule =
        fun ran w ->
            let inputs' = ran.Node.Inputs |> List.map (fun name -> reference[name])

            match ran.Node.Op, ran.Inputs, inputs' with
            | Activation _, [ x ], [ x' ] -> [ rescale x x' ran.Value reference[ran.Node.Name] (ran.Pull w).Head w ]
            | Pool({ Kind = MaxPool } as p), [ x ], [ x' ] -> [ pullMaximum (Semantics.maximumAndPlace p) x x' w ]
            | GlobalPool MaxPool, [ x ], [ x' ] ->
                let largest (t: Tensor) = t.flatten(2L).max(2L, true)
                [ pullMaximum largest x x' w ]
            | (Multiply | MatMul), _, _ -> pullBetween 0.5 ran inputs' w
            | (Divide | Softmax _ | Pure _), _, _ -> pullAlong ran inputs' w
            | _ -> ran.Pull w

    /// <summary>(x - b) ⊙ the multipliers that the rule brings back; without `multiply`, the multipliers alone.</summary>
    let attribute (baseline: Baseline) (multiply: bool) (target: Target) (batch: Batch) : Tensor =
        Scope.run (fun () ->
            let start = baseline.Of batch

            let reference =
                Scope.forwardOnly (fun () -> Model.values target.Layer target.Model start)

            let multipliers =
                Target.propagate (rule reference) (fun _ gradient -> gradient) target batch

            if multiply then
                Tensor.subtract batch.X start * multipliers
            else
                multipliers)
