namespace Attribution.Core

open System.Collections.Generic
open Attribution
open TorchSharp

/// A question of influence: a quantity of interest, over the instances (by position) of a distribution of interest.
[<NoComparison; NoEquality>]
type Interest = {
    Quantity: Quantity
    Distribution: int64 -> bool
}

/// <summary>Distributional influence: how much each unit of a layer moves a quantity of interest, on average over a
/// distribution of interest; the expert is the unit with most.</summary>
/// <remarks>Leino, Sen, Datta, Fredrikson and Li, arXiv 1802.03788.</remarks>
[<RequireQualifiedAccess>]
module Influence =
    /// The quantities whose gradients suffice for those asked about, and what each of these is a sum of: weights and
    /// positions. Margins of a few classes are differences of the classes' gradients.
    let private basis (asked: Quantity[]) : Quantity[] * (float * int) list[] =
        let linear = asked |> Array.choose _.Linear
        let classes = linear |> Seq.collect (List.map fst) |> Seq.distinct |> Array.ofSeq

        let isByClass (q: Quantity) =
            q.Linear.IsSome && classes.Length < linear.Length

        let others = asked |> Array.filter (isByClass >> not)
        let offset = classes.Length * (if others.Length < asked.Length then 1 else 0)

        Array.append (classes |> Array.truncate offset |> Array.map Quantity.ofClass) others,
        asked
        |> Array.map (fun q ->
            if isByClass q then
                [ for k, weight in q.Linear.Value -> weight, Array.findIndex ((=) k) classes ]
            else
                [
                    1., offset + Array.findIndex (fun other -> obj.ReferenceEquals(other, q)) others
                ])

    /// <summary>I = (1/|D|) Σ_{x ∈ D} ∂q(g(z))/∂z at z = h(x), for each layer and each interest: one number a unit, of the
    /// layer's shape where each of its numbers is one, and a channel's is the sum of its positions'. The network runs once a batch, whatever the number of layers and interests, and back once a quantity
    /// (once a class, for any number of its margins); paths around a layer are held fixed. `observe` sees each layer's values
    /// of each batch (n×…).</summary>
    /// <exception cref="T:Attribution.AttributionException">A distribution is empty.</exception>
    let survey
        (observe: string -> Batch -> Tensor -> unit)
        (interests: Interest[])
        (units: Units)
        (layers: string list)
        (model: Model)
        (instances: Instances)
        : Map<string, Tensor[]> =
        let cuts = Model.cuts (List.distinct layers) model
        let layers = cuts.First @ cuts.Rest

        let members =
            interests
            |> Array.map (fun i -> Array.init instances.Count (fun row -> i.Distribution(int64 row)))

        if members |> Array.exists (Array.contains true >> not) then
            raise (AttributionException "The distribution of interest is empty: no instance belongs to it.")

        let quantities, terms = interests |> Array.map _.Quantity |> basis
        // What is summed: the gradients of a quantity over the members of a distribution.
        let sums =
            Dictionary<struct (string * int * bool[]), Tensor>(HashIdentity.Structural)

        for layer in layers do
            for members, terms in Array.zip members terms do
                for _, q in terms do
                    sums[struct (layer, q, members)] <- null

        let asked =
            [| for struct (_, q, members) in sums.Keys -> q, members |]
            |> Array.distinct
            |> Array.groupBy fst

        let keep = Scope.keepHere ()

        let collect key gradient =
            if isNull sums[key] then
                sums[key] <- keep gradient
            else
                sums[key].add_ gradient |> ignore

        Model.instances model instances
        |> Instances.iter (Model.batchSize Gradient model instances) (fun batch ->
            let first, past = Scope.forwardOnly (fun () -> cuts.H batch.X)
            let logits, rest, pull = Diff.evalReverseDiffAlong (cuts.G past) first
            Target.requireFinite batch.Rows logits
            List.iter2 (fun layer -> observe layer batch) layers (first @ rest)

            let explained = {
                Rows = batch.Rows
                Outputs = lazy logits
            }

            let start = int (batch.Rows[0].item<int64>())

            let present (members: bool[]) =
                members[start .. start + int batch.X.shape[0] - 1]

            for q, distributions in asked do
                let distributions =
                    distributions |> Array.filter (snd >> present >> Array.contains true)

                if distributions.Length > 0 then
                    let gradients =
                        pull (Diff.gradEach (quantities[q].Of explained) logits)
                        |> List.map Tensor.readable

                    for layer, gradient in List.zip layers gradients do
                        for _, members in distributions do
                            let among = torch.tensor(present members).``to`` gradient.dtype

                            collect
                                (struct (layer, q, members))
                                (torch.tensordot (among, gradient, [| 0L |], [| 0L |])))

        let influence layer members terms =
            let count = members |> Array.sumBy (fun isMember -> if isMember then 1. else 0.)

            Scope.run (fun () ->
                terms
                |> List.map (fun (weight: float, q) -> sums[struct (layer, q, members)] * (weight / count).ToScalar())
                |> List.reduce Tensor.add
                |> fun each ->
                    Units.influence (Model.reading units layer model (Array.append [| 1L |] each.shape)) each
                |> _.``to``(instances.Type, torch.CPU))

        let found =
            Map [ for layer in layers -> layer, Array.map2 (influence layer) members terms ]

        for sum in sums.Values do
            sum.Dispose()

        found

    /// <summary>The influences on some interests at one layer.</summary>
    let distributions interests units layer model instances : Tensor[] =
        (survey (fun _ _ _ -> ()) interests units [ layer ] model instances)[layer]

    /// <summary>The influence on one quantity over all instances.</summary>
    let ofQuantity quantity units layer model instances =
        (distributions
            [|
                {
                    Quantity = quantity
                    Distribution = fun _ -> true
                }
            |]
            units
            layer
            model
            instances)[0]

    /// <summary>The expert: the (row-major) position of the largest influence, the first on ties. Signed: a large negative
    /// influence does not make an expert.</summary>
    let expert (influence: Tensor) : int =
        // argmax promises no particular one among equals.
        use isLargest = influence.flatten().eq(influence.max ()).nonzero()
        int (isLargest[0L].item<int64>())

    /// <summary>The values of some units of a layer for every instance: n×units asked for.</summary>
    let activations (asked: int[]) (units: Units) (layer: string) (model: Model) (instances: Instances) : Tensor =
        let columns = torch.tensor (Array.map int64 asked)

        Model.instances model instances
        |> Instances.map (Model.batchSize Forward model instances) (fun batch ->
            Scope.forwardOnly (fun () ->
                (Model.units units layer model batch.X).index_select(1L, columns).``to`` instances.Type))

    /// <summary>Selectivity: the area under the ROC curve of a value as a detector of one class against another; ties count
    /// half. 1 where every value of the class exceeds every other, 0.5 where it tells nothing.</summary>
    /// <remarks>The Mann-Whitney statistic over the number of pairs.</remarks>
    /// <exception cref="T:Attribution.AttributionException">One of the classes has no values.</exception>
    let selectivity (values: float[]) (others: float[]) : float =
        if values.Length = 0 || others.Length = 0 then
            raise (AttributionException "Selectivity compares two classes, and one of them has no instances.")

        let sorted = Array.sort others

        let below bound value =
            let mutable low, high = 0, sorted.Length

            while low < high do
                let middle = (low + high) / 2

                if bound sorted[middle] value then
                    low <- middle + 1
                else
                    high <- middle

            float low

        let wins = values |> Array.sumBy (fun v -> (below (<) v + below (<=) v) / 2.)
        wins / (float values.Length * float others.Length)
