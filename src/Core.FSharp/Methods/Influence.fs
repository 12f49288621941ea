namespace Attribution.Core

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
    /// <summary>I = (1/|D|) Σ_{x ∈ D} ∂q(g(z))/∂z at z = h(x), for each interest: one number a unit, of the layer's shape.
    /// h runs once a batch and g once, whatever the number of interests; paths around the layer are held fixed.</summary>
    /// <exception cref="T:Attribution.AttributionException">A distribution is empty.</exception>
    let distributions (interests: Interest[]) (layer: string) (model: Model) (instances: Instances) : Tensor[] =
        let slice = Model.cut layer model

        let members =
            interests
            |> Array.map (fun i -> Array.init instances.Count (fun row -> i.Distribution(int64 row)))

        let counts =
            members |> Array.map (Array.sumBy (fun isMember -> if isMember then 1 else 0))

        if Array.contains 0 counts then
            raise (AttributionException "The distribution of interest is empty: no instance belongs to it.")

        let sums: Tensor[] = Array.create interests.Length null
        let keep = Scope.keepHere ()

        Model.instances model instances
        |> Instances.iter (Model.batchSize model instances) (fun batch ->
            let values = Scope.forwardOnly (fun () -> slice.H batch.X)
            let logits, pull = Diff.evalReverseDiff (slice.G values.Tail) values.Head
            Target.requireFinite batch.Rows logits

            let explained = {
                Rows = batch.Rows
                Outputs = lazy logits
            }

            let start = int (batch.Rows[0].item<int64>())

            interests
            |> Array.iteri (fun i interest ->
                let isMember = members[i][start .. start + int batch.X.shape[0] - 1]

                if Array.contains true isMember then
                    let among = torch.tensor isMember

                    let ask (outputs: Tensor) =
                        interest.Quantity.Of explained outputs * among

                    let sum = (Tensor.readable (pull (Diff.gradEach ask logits))).sum [| 0L |]

                    if isNull sums[i] then
                        sums[i] <- keep sum
                    else
                        sums[i].add_ sum |> ignore))

        Array.map2
            (fun (sum: Tensor) (count: int) -> (sum / count.ToScalar()).``to``(instances.Type, torch.CPU))
            sums
            counts

    /// <summary>The influence on one quantity over all instances.</summary>
    let ofQuantity quantity layer model instances =
        (distributions
            [|
                {
                    Quantity = quantity
                    Distribution = fun _ -> true
                }
            |]
            layer
            model
            instances)[0]

    /// <summary>The expert: the row-major position of the largest influence, the first on ties. Signed: a large negative
    /// influence does not make an expert.</summary>
    let expert (influence: Tensor) : int =
        // argmax promises no particular one among equals.
        use isLargest = influence.flatten().eq(influence.max ()).nonzero()
        int (isLargest[0L].item<int64>())

    /// <summary>The values of some units of a layer for every instance: n×units asked for.</summary>
    let activations (units: int[]) (layer: string) (model: Model) (instances: Instances) : Tensor =
        let columns = torch.tensor (Array.map int64 units)

        Model.instances model instances
        |> Instances.map (Model.batchSize model instances) (fun batch ->
            Scope.forwardOnly (fun () ->
                (Model.units layer model batch.X).index_select(1L, columns).``to`` instances.Type))

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
