namespace Attribution.Core

open Attribution
open TorchSharp

/// How far apart a layer's values of two instances are.
[<RequireQualifiedAccess>]
type LayerDistance =
    /// 1 - ⟨a, b⟩ / (‖a‖ ‖b‖): 0 where they point the same way, 1 where they have nothing in common, 2 at the most. 1 where one of them is 0.
    | Cosine
    /// ‖a - b‖.
    | Euclidean

/// What there is to know of some instances (n) beside those of a set (m).
[<NoComparison; ReferenceEquality>]
type Neighbours = {
    /// The classes that are predicted for the instances: int64, n.
    Classes: Tensor
    /// Those of the set: int64, m.
    Among: Tensor
    /// How far apart a layer's values are: float64, n×m.
    Distances: Tensor
    /// Where one of the set has the very numbers of an instance: booleans, n×m.
    IsItself: Tensor
}

/// <summary>Examples by what a layer makes of them: the instances of a set that are nearest to one, among those that are predicted as it is
/// (similar), and among those that are not (counterfactual: the nearest that the model gives another class).</summary>
/// <remarks>Nearest neighbours by a layer's values are those of Caruana et al., Case-based explanation of non-case-based learning methods,
/// AMIA 1999, and Papernot and McDaniel, Deep k-nearest neighbors, arXiv 1803.04765.</remarks>
[<RequireQualifiedAccess>]
module Examples =
    /// The units of a layer (n×units, float64), and the classes predicted (n), of one run.
    let private read units layer (model: Model) (cuts: Slices) (x: Tensor) : Tensor * Tensor =
        let first, past = cuts.H x
        let outputs = cuts.G past first |> fst |> Source.read Source.Logits model
        let z = Tensor.readable first.Head
        let values = Units.read (Model.reading units layer model z.shape) z
        values.``to`` torch.float64, outputs.argmax 1L

    /// <summary>How far each of n rows is from each of m: n×d, m×d → n×m.</summary>
    let distances (distance: LayerDistance) (a: Tensor) (b: Tensor) : Tensor =
        match distance with
        | LayerDistance.Euclidean -> torch.cdist (a, b, 2., compute_mode.donot_use_mm_for_euclid_dist)
        | LayerDistance.Cosine ->
            let lengths (t: Tensor) = (Tensor.square t).sum(1L).sqrt()
            let both = (lengths a).unsqueeze(1L) * lengths b
            let cosine = a.matmul (b.t ()) / both.masked_fill (Tensor.isZero both, Number.Of 1.)
            (Tensor.complement cosine).clamp_min(Number.Of 0.)

    let private requireSameShape (instances: Instances) (set: Instances) =
        use _ = torch.NewDisposeScope()
        let shape (some: Instances) = (some.Read 0 (min 1 some.Count)).shape[1..]

        if instances.Count > 0 && set.Count > 0 && shape instances <> shape set then
            fail
                $"The instances have the shape {Tensor.shapeText (shape instances)}, but those of the set {Tensor.shapeText (shape set)}: give a set of their shape."

    /// <summary>What there is to know of some instances beside those of a set, which is read a batch at a time; of the instances all are held
    /// in memory.</summary>
    /// <exception cref="T:Attribution.AttributionException">There are no instances, the layer does not lead to the scores, or the shapes
    /// differ.</exception>
    let survey distance units layer (model: Model) (instances: Instances) (set: Instances) : Neighbours =
        if not (Graph.leads layer model.Graph) then
            fail $"Layer '{layer}' does not lead to the scores: choose one of those before them."

        requireSameShape instances set
        let cuts = Model.slices [ layer ] model

        let run () =
            let size = Model.batchSize Forward model set
            let set, instances = Model.instances model set, Model.instances model instances

            let own =
                instances
                |> Instances.map size (fun batch ->
                    let values, classes = read units layer model cuts batch.X
                    torch.cat ([| values; classes.unsqueeze(1L).``to`` torch.float64 |], 1L))

            let count = own.shape[0]
            let last = own.shape[1] - 1L
            let values, x = own.narrow (1L, 0L, last), instances.Read 0 instances.Count

            let isItself (others: Tensor) =
                torch.stack ([| for i in 0L .. count - 1L -> others.eq(x[i]).flatten(1L).all(1L) |], 1L)

            // A row for each of the set: its distances, where it is an instance itself, and its class.
            let found =
                set
                |> Instances.map size (fun batch ->
                    let itself = isItself batch.X
                    let others, classes = read units layer model cuts batch.X

                    torch.cat (
                        [|
                            (distances distance values others).t()
                            itself.``to`` torch.float64
                            classes.unsqueeze(1L).``to`` torch.float64
                        |],
                        1L
                    ))

            let part start length = found.narrow (1L, start, length)

            [
                own.select(1L, last).``to`` torch.int64
                found.select(1L, 2L * count).``to`` torch.int64
                (part 0L count).t().contiguous()
                (part count count).t().contiguous().gt(Number.Of 0.5)
            ]

        match Scope.runMany (fun () -> Scope.quietly run) with
        | [ classes; among; distances; isItself ] -> {
            Classes = classes
            Among = among
            Distances = distances
            IsItself = isItself
          }
        | _ -> failwith "Four tensors were made."

    /// The nearest of those that may be: their positions in the set (n×k, int64, -1 where there are fewer) and distances (n×k, infinite there),
    /// the nearest first, ties by position.
    let private nearest (count: int) (mayBe: Tensor) (neighbours: Neighbours) : Tensor * Tensor =
        if count < 1 then
            invalidArg "count" $"At least 1 example is asked for, but count is {count}."

        let isOut = mayBe.logical_and(neighbours.IsItself.logical_not ()).logical_not()
        let order = Relax.order (neighbours.Distances.neg().masked_fill(isOut, Number.Of -infinity))
        let first (t: Tensor) = t.narrow (1L, 0L, min (int64 count) t.shape[1])
        let sorted = first order.Sorted
        (first order.Positions).masked_fill(sorted.isinf (), Number.Of -1L), sorted.neg ()

    let private isSame (neighbours: Neighbours) = neighbours.Classes.unsqueeze(1L).eq neighbours.Among

    /// <summary>The k nearest that are predicted as each instance is, itself left out: positions in the set (n×k, int64, -1 where there are
    /// fewer) and distances (n×k, infinite there), the nearest first, ties by position.</summary>
    let similar count (neighbours: Neighbours) : Tensor * Tensor =
        let found =
            Scope.runMany (fun () -> let p, d = nearest count (isSame neighbours) neighbours in [ p; d ])

        found[0], found[1]

    /// <summary>The same of those that are predicted otherwise.</summary>
    let counterfactual count (neighbours: Neighbours) : Tensor * Tensor =
        let found =
            Scope.runMany (fun () ->
                let p, d = nearest count ((isSame neighbours).logical_not()) neighbours
                [ p; d ])

        found[0], found[1]
