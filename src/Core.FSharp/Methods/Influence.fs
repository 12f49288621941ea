namespace Attribution.Core

open System.Collections.Generic
open Attribution
open TorchSharp

/// A question of influence: a quantity of interest, over the instances (by position) of a distribution of interest.
[<NoComparison; NoEquality>]
type Interest = { Quantity: Quantity; Distribution: int64 -> bool }

/// Where around an instance x its influence is taken.
[<RequireQualifiedAccess; NoComparison; NoEquality>]
type Neighbourhood =
    /// At x alone.
    | Itself
    /// On the straight line of images from a baseline, b + α(x - b), over the nodes α and the weights of a quadrature of
    /// [0, 1]. At the input it is integrated gradients' path.
    | Line of Baseline * nodes: (float * float)[]
    /// On the straight line between the layer's own values, h(b) + α(h(x) - h(b)); what flows past the layer stays x's.
    | LayerLine of Baseline * nodes: (float * float)[]
    /// At x + σε, ε standard normal, in several draws of a seed.
    | Gaussian of deviation: float * draws: int * seed: int64

/// <summary>Distributional influence: how much each unit of a layer moves a quantity of interest, on average over a
/// distribution of interest; the expert is the unit with most.</summary>
/// <remarks>Leino, Sen, Datta, Fredrikson and Li, arXiv 1802.03788.</remarks>
[<RequireQualifiedAccess>]
module Influence =
    /// The quantities whose gradients suffice for those asked about, which have one source, and what each of these is a sum
    /// of: weights and positions. Margins of a few classes are differences of the classes' gradients.
    let private basis (asked: Quantity[]) : Quantity[] * (float * int) list[] =
        let linear = asked |> Array.choose _.Linear
        let classes = linear |> Seq.collect (List.map fst) |> Seq.distinct |> Array.ofSeq

        let isByClass (q: Quantity) = q.Linear.IsSome && classes.Length < linear.Length

        let others = asked |> Array.filter (isByClass >> not)
        let offset = classes.Length * (if others.Length < asked.Length then 1 else 0)

        Array.append (classes |> Array.truncate offset |> Array.map (Quantity.ofOutput asked[0].Source)) others,
        asked
        |> Array.map (fun q ->
            if isByClass q then
                [ for k, weight in q.Linear.Value -> weight, Array.findIndex ((=) k) classes ]
            else
                [ 1., offset + Array.findIndex (fun other -> obj.ReferenceEquals(other, q)) others ])

    let private pick (instance: Tensor) (t: Tensor) = t.index_select (0L, instance.``to`` t.device)

    /// The layers' values at a batch's baselines, where the neighbourhood measures them from there.
    let private origin around (cuts: Slices) (batch: Batch) : Tensor list =
        match around with
        | Neighbourhood.LayerLine(baseline, _) -> Scope.quietly (fun () -> baseline.Of batch |> cuts.H |> fst)
        | _ -> []

    /// The places and the weights of the points around each instance of a batch, and what there is at some of the points
    /// (their instances' positions in the batch, their places): the first layers' values, and what flows past them. None
    /// around an instance itself.
    let private points around (cuts: Slices) onPass (batch: Batch) (first: Tensor list, past) origin =
        let line (start: Tensor) (stop: Tensor) instance (place: Tensor) =
            let start = pick instance start
            let along = Tensor.likeInstances start (place.``to`` (start.dtype, start.device))
            Tensor.add start (along * (pick instance stop - start))

        match around with
        | Neighbourhood.Itself -> None
        | Neighbourhood.Line(baseline, nodes) ->
            let line = line (baseline.Of batch) batch.X
            Some(nodes, (fun instance place -> cuts.H(line instance place)))
        | Neighbourhood.LayerLine(_, nodes) ->
            let at (instance: Tensor) place =
                onPass (int instance.shape[0])
                List.map2 (fun b z -> line b z instance place) origin first, List.map (pick instance) past

            Some(nodes, at)
        | Neighbourhood.Gaussian(deviation, draws, seed) ->
            let at instance (draw: Tensor) =
                let x = Batch.pick ((instance: Tensor).``to`` batch.X.device) batch

                let noise = Noise.normals seed (Array.map int64 (Tensor.toArray<float> draw)) x
                cuts.H(Tensor.add x.X (noise * Number.Of deviation))

            Some([| for draw in 0 .. draws - 1 -> float draw, 1. / float draws |], at)

    /// The summed influences on quantities of one source: for each layer (that leads there), one of each interest.
    let private ofSource
        around
        multiply
        observe
        (interests: Interest[])
        (members: bool[][])
        units
        layers
        model
        instances
        =
        let source = interests[0].Quantity.Source
        let model = Source.model source model

        for layer in layers do
            if not (Graph.leads layer model.Graph) then
                fail $"Layer '{layer}' has no influence on layer '{model.Graph.Output}': it does not lead there."

        let cuts = Model.slices layers model
        let layers = cuts.First @ cuts.Rest

        let g past first =
            let outputs, rest = cuts.G past first
            Source.read source model outputs, rest

        let quantities, terms = interests |> Array.map _.Quantity |> basis
        // What is summed: the gradients of a quantity over the members of a distribution.
        let sums = Dictionary<struct (string * int * bool[]), Tensor>(HashIdentity.Structural)

        for layer in layers do
            for members, terms in Array.zip members terms do
                for _, q in terms do
                    sums[struct (layer, q, members)] <- null

        let asked =
            [| for struct (_, q, members) in sums.Keys -> q, members |] |> Array.distinct |> Array.groupBy fst

        let keep = Scope.keepHere ()

        let collect key gradient =
            if isNull sums[key] then
                sums[key] <- keep gradient
            else
                sums[key].add_(gradient, Number.Of 1.) |> ignore

        let size = Model.batchSize Gradient model instances

        Model.instances model instances
        |> Instances.iter size (fun batch ->
            let start = int (batch.Rows[0].item<int64>())

            let present (members: bool[]) = members[start .. start + int batch.X.shape[0] - 1]

            let first, past as here = Scope.quietly (fun () -> cuts.H batch.X)
            let origin = origin around cuts batch
            let points = points around cuts model.OnPass batch here origin

            // What explains an instance is differentiated only where it is a point of its neighbourhood.
            let outputs, rest, pull =
                if points.IsNone then
                    Diff.evalReverseDiffAlong (g past) first
                else
                    let outputs, rest = Scope.quietly (fun () -> g past first)
                    outputs, rest, (fun _ -> [])

            Target.requireFinite batch.Rows outputs
            List.iter2 (fun layer -> observe layer batch) layers (first @ rest)

            let factors =
                if not multiply then []
                elif origin.IsEmpty then first @ rest
                else List.map2 (-) first origin
                |> List.map Tensor.readable

            let explained = { Rows = batch.Rows; Outputs = lazy outputs }

            /// Adds the gradients at points: `ofInstance` gives what there is of the batch's instances for each of them.
            let add (ofInstance: Tensor -> Tensor) (weights: Tensor) explained outputs pull =
                for q, distributions in asked do
                    let distributions = distributions |> Array.filter (snd >> present >> Array.contains true)

                    if distributions.Length > 0 then
                        let gradients =
                            pull (Diff.gradEach (quantities[q].Of explained) outputs) |> List.map Tensor.readable

                        let influences =
                            if multiply then
                                List.map2 (fun (g: Tensor) factor -> g * ofInstance factor) gradients factors
                            else
                                gradients

                        for layer, influence in List.zip layers influences do
                            // A million instances' influences are added up.
                            let influence = influence.``to`` torch.float64

                            for _, members in distributions do
                                let among =
                                    ofInstance (torch.tensor(present members).``to`` torch.float64)
                                    * weights.``to`` torch.float64

                                collect
                                    (struct (layer, q, members))
                                    (torch.tensordot (among, influence, [| 0L |], [| 0L |]))

            match points with
            | None -> add id (torch.ones batch.X.shape[0]) explained outputs pull
            | Some(nodes, at) ->
                let isAsked i = members |> Array.exists (fun members -> members[start + i])

                let counts = [| for i in 0 .. int batch.X.shape[0] - 1 -> if isAsked i then nodes.LongLength else 0L |]

                let places, weights = torch.tensor (Array.map fst nodes), torch.tensor (Array.map snd nodes)

                Instances.tile size counts torch.CPU (fun instance step ->
                    let first, past = Scope.quietly (fun () -> at instance (pick step places))
                    let outputs, _, pull = Diff.evalReverseDiffAlong (g past) first
                    let explained = Target.at instance explained
                    Target.requireFinite explained.Rows outputs
                    add (pick instance) (pick step weights) explained outputs pull))

        let influence layer members terms =
            Scope.run (fun () ->
                terms
                |> List.map (fun (weight: float, q) -> sums[struct (layer, q, members)] * Number.Of weight)
                |> List.reduce Tensor.add
                |> fun each ->
                    Units.influence (Model.reading units layer model (Array.append [| 1L |] each.shape)) each
                |> _.cpu())

        let found = [ for layer in layers -> layer, Array.map2 (influence layer) members terms ]

        for sum in sums.Values do
            sum.Dispose()

        found

    let private members (interests: Interest[]) (instances: Instances) =
        interests |> Array.map (fun i -> Array.init instances.Count (fun row -> i.Distribution(int64 row)))

    /// <summary>|D| I, in 64-bit floats: what adds up over parts of a distribution; I is what <c>survey</c> gives.</summary>
    /// <exception cref="T:Attribution.AttributionException">A distribution is empty, or a layer does not lead to a
    /// quantity's.</exception>
    let totals
        (around: Neighbourhood)
        (multiply: bool)
        (observe: string -> Batch -> Tensor -> unit)
        (interests: Interest[])
        (units: Units)
        (layers: string list)
        (model: Model)
        (instances: Instances)
        : Map<string, Tensor[]> =
        let layers = List.distinct layers
        let members = members interests instances

        if members |> Array.exists (Array.contains true >> not) then
            fail "The distribution of interest is empty: no instance belongs to it."

        // On its own line, what flows past a layer stays x's: other layers' lines are other points.
        let together =
            match around with
            | Neighbourhood.LayerLine _ -> layers |> List.map List.singleton
            | _ -> [ layers ]

        let bySource = Array.indexed interests |> Array.groupBy (fun (_, i) -> i.Quantity.Source)

        let found = Map [ for layer in layers -> layer, Array.zeroCreate<Tensor> interests.Length ]

        for layers in together do
            for n, (_, asked) in Array.indexed bySource do
                let places = Array.map fst asked
                let observe = if n = 0 then observe else fun _ _ _ -> ()

                let interests, members = Array.map snd asked, Array.map (Array.get members) places

                for layer, influences in ofSource around multiply observe interests members units layers model instances do
                    Array.iter2 (Array.set found[layer]) places influences

        found

    /// <summary>I = (1/|D|) Σ_{x ∈ D} Σᵢ wᵢ ∂q(g(z))/∂z at z = h(xᵢ), the points xᵢ around x, for each layer and each
    /// interest: one number a unit, of the layer's shape where each of its numbers is one, and a channel's is the sum of its
    /// positions'. With `multiply`, an instance's influence is multiplied with h(x), or on the layer's own line with
    /// h(x) - h(b): then the units of an instance sum to q(f(x)) - q(g(h(b))), with what flows past the layer held at x's.
    /// </summary>
    /// <remarks>Around instances themselves the network runs once a batch, whatever the number of layers and interests of one
    /// source, and back once a quantity (once a class, for any number of its margins); paths around a layer are held fixed.
    /// `observe` sees each layer's values of each batch (n×…).</remarks>
    /// <exception cref="T:Attribution.AttributionException">A distribution is empty, or a layer does not lead to a
    /// quantity's.</exception>
    let survey
        (around: Neighbourhood)
        (multiply: bool)
        (observe: string -> Batch -> Tensor -> unit)
        (interests: Interest[])
        (units: Units)
        (layers: string list)
        (model: Model)
        (instances: Instances)
        : Map<string, Tensor[]> =
        let counts =
            members interests instances |> Array.map (Array.sumBy (fun isMember -> if isMember then 1. else 0.))

        totals around multiply observe interests units layers model instances
        |> Map.map (fun _ ->
            Array.map2
                (fun (count: float) (total: Tensor) ->
                    use total = total

                    Scope.run (fun () -> (total / Number.Of count).``to`` instances.Type))
                counts)

    /// <summary>The influences on some interests at one layer.</summary>
    let distributions around multiply interests units layer model instances : Tensor[] =
        (survey around multiply (fun _ _ _ -> ()) interests units [ layer ] model instances)[layer]

    /// <summary>The influence on one quantity over all instances themselves.</summary>
    let ofQuantity quantity units layer model instances =
        let interest = { Quantity = quantity; Distribution = fun _ -> true }

        (distributions Neighbourhood.Itself false [| interest |] units layer model instances)[0]

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
            Scope.quietly (fun () ->
                (Model.units units layer model batch.X).index_select(1L, columns).``to`` instances.Type))

    /// <summary>Selectivity: the area under the ROC curve of a value as a detector of one class against another; ties count
    /// half. 1 where every value of the class exceeds every other, 0.5 where it tells nothing.</summary>
    /// <remarks>The Mann-Whitney statistic over the number of pairs.</remarks>
    /// <exception cref="T:Attribution.AttributionException">One of the classes has no values.</exception>
    let selectivity (values: float[]) (others: float[]) : float =
        if values.Length = 0 || others.Length = 0 then
            fail "Selectivity compares two classes, and one of them has no instances."

        let n, m = float values.Length, float others.Length
        let ranks = Statistics.ranks (Array.append values others)
        (Array.sum ranks[.. values.Length - 1] - n * (n + 1.) / 2.) / (n * m)
