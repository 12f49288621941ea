namespace Attribution.Core

open System.Collections.Generic
open Attribution
open TorchSharp

/// <summary>Gradient × attention relevance: how much each token matters to the target through all layers of attention.</summary>
/// <remarks>Chefer, Gur and Wolf, arXiv 2103.15679: R ← R + ĀR over the blocks from R = I, Ā the mean over heads of
/// max(∇A ⊙ A, 0), ∇A the target's gradient by the weights, and the row of what the output is read from. Here the row is carried
/// back through the network itself: r ← r + Āᵀr at a shortcut over attention, r at any other, and else what TokenRelevance says.
/// Patches are enlarged linearly, as class activation maps are.</remarks>
[<RequireQualifiedAccess>]
module AttentionRelevance =
    let internal name = "Gradient × attention relevance"

    /// What rises the target through each attention's weights: max(∇A ⊙ A, 0), by the names of the products.
    let private risers
        (attentions: Attention list)
        (target: Target)
        (batch: Batch)
        : IReadOnlyDictionary<string, Tensor> =
        let keep = Scope.keepHere ()
        let found = Dictionary<string, Tensor>()

        let watching: Rule =
            fun evaluated w ->
                let parts = evaluated.Pull w

                attentions
                |> List.tryFind (fun a -> a.Product = evaluated.Node.Name)
                |> Option.iter (fun attention ->
                    let weights = evaluated.Inputs[attention.Side]
                    found[evaluated.Node.Name] <- keep ((parts[attention.Side] * weights).relu()))

                parts

        Target.propagateFinite name watching (fun _ gradient -> gradient) target batch |> ignore
        found

    /// <summary>The relevance of each input (n×…); none is negative.</summary>
    let attribute (target: Target) (batch: Batch) : Tensor =
        Scope.run (fun () ->
            let graph = target.Model.Graph
            let attentions = Attention.find graph
            let risers = risers attentions target batch
            let residuals = dict (attentions |> List.choose _.Residual)

            let shortcut (evaluated: Evaluated) (w: Tensor) =
                if evaluated.KeepsShape && residuals.ContainsKey evaluated.Node.Name then Some [ w; w ] else None

            let by (handed: Attention -> Evaluated -> Tensor -> Tensor) =
                let attends (evaluated: Evaluated) (w: Tensor) =
                    attentions
                    |> List.tryFind (fun a -> a.Product = evaluated.Node.Name && risers.ContainsKey a.Product)
                    |> Option.map (fun attention ->
                        let part = handed attention evaluated w

                        List.init 2 (fun i ->
                            if i = attention.Side then torch.zeros_like evaluated.Inputs[i] else part))

                TokenRelevance.propagate name (TokenRelevance.rule graph attends shortcut) target batch

            let throughValues (attention: Attention) (evaluated: Evaluated) (w: Tensor) =
                let product (v: Tensor list) =
                    [ v.Head; risers[attention.Product] ]
                    |> (if attention.Side = 0 then List.rev else id)
                    |> Semantics.plain evaluated.Node.Op

                let _, pull = Autograd.within product [ evaluated.Inputs[1 - attention.Side] ]
                (pull w).Head

            let nothing (attention: Attention) (evaluated: Evaluated) (_: Tensor) =
                torch.zeros_like evaluated.Inputs[1 - attention.Side]

            // What goes past all attention is I: of a class token it is the token itself, of a mean it is every patch alike.
            (by throughValues - by nothing).relu())
