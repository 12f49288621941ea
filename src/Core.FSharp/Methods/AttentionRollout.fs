namespace Attribution.Core

open Attribution
open TorchSharp

/// <summary>Attention rollout: how much of each token reaches the output, through all layers of attention.</summary>
/// <remarks>Abnar and Zuidema, arXiv 2005.00928: the product of ½A + ½I over the blocks, A the mean of the heads' weights, and the
/// row of what the output is read from. Here the row is carried back through the network itself: attention hands on by A, a shortcut
/// gets one half, and all else what TokenRelevance says, so that windows, merged patches and convolutions are what they are. Patches
/// are enlarged linearly, as class activation maps are; what class tokens keep, no pixel has. The map is of no class.</remarks>
[<RequireQualifiedAccess>]
module AttentionRollout =
    let internal name = "Attention rollout"

    /// <summary>The share of each input in the output (n×…): none is negative, and an instance's sum to 1 at most.</summary>
    let attribute (target: Target) (batch: Batch) : Tensor =
        let attentions = Attention.find target.Model.Graph

        let attends (evaluated: Evaluated) (w: Tensor) =
            attentions
            |> List.tryFind (fun a -> a.Product = evaluated.Node.Name)
            |> Option.map (fun attention ->
                let weights, values = evaluated.Inputs[attention.Side], evaluated.Inputs[1 - attention.Side]

                let product (v: Tensor list) =
                    [ v.Head; weights ]
                    |> (if attention.Side = 0 then List.rev else id)
                    |> Semantics.plain evaluated.Node.Op

                let z, pull = Autograd.within product [ torch.ones_like values ]
                // A row of weights that are 0, as where all is masked, hands on nothing.
                let part = (pull (Tensor.ratio (z.ne (Number.Of 0.)) w z)).Head
                List.init 2 (fun i -> if i = attention.Side then torch.zeros_like weights else part))

        let halves (evaluated: Evaluated) (w: Tensor) =
            if evaluated.KeepsShape then
                let half = w / Number.Of 2.
                Some [ half; half ]
            else
                None

        TokenRelevance.propagate name (TokenRelevance.rule target.Model.Graph attends halves) target batch
