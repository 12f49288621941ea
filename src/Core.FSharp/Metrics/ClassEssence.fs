namespace Attribution.Core

open Attribution
open TorchSharp

/// A class against the rest: how a classifier's predictions of it and its truth meet.
[<Struct>]
type Confusion = {
    TruePositives: int
    FalsePositives: int
    FalseNegatives: int
    TrueNegatives: int
} with

    static member (+)(a: Confusion, b: Confusion) = {
        TruePositives = a.TruePositives + b.TruePositives
        FalsePositives = a.FalsePositives + b.FalsePositives
        FalseNegatives = a.FalseNegatives + b.FalseNegatives
        TrueNegatives = a.TrueNegatives + b.TrueNegatives
    }

    /// TP / (TP + FN); NaN where no instance is of the class.
    member this.Recall = float this.TruePositives / float (this.TruePositives + this.FalseNegatives)

    /// TP / (TP + FP); NaN where the class is never predicted.
    member this.Precision = float this.TruePositives / float (this.TruePositives + this.FalsePositives)

    /// (TP + TN) / n.
    member this.Accuracy =
        let right = this.TruePositives + this.TrueNegatives
        float right / float (right + this.FalsePositives + this.FalseNegatives)

    /// 2 TP / (2 TP + FP + FN), the harmonic mean of recall and precision; NaN where the class is neither there nor predicted.
    member this.F1 =
        let twice = 2 * this.TruePositives
        float twice / float (twice + this.FalsePositives + this.FalseNegatives)

/// Of how many instances each class is true, of how many it is predicted, and of how many both.
type Tally = {
    Instances: int
    True: int[]
    Predicted: int[]
    Both: int[]
} with

    /// The class k against the rest.
    member this.Of k = {
        TruePositives = this.Both[k]
        FalsePositives = this.Predicted[k] - this.Both[k]
        FalseNegatives = this.True[k] - this.Both[k]
        TrueNegatives = this.Instances - this.True[k] - this.Predicted[k] + this.Both[k]
    }

/// What a layer's units can be ranked by: their influence on a quantity over a distribution, and their mean value there.
[<NoComparison>]
type Importance = { Influence: float[]; Activation: float[] }

/// <summary>The essence of a class: f_S(x) = argmax g(1_S ⊙ h(x)), the network in which only the units S of a layer are left
/// and all others are 0, as a classifier of that class against the rest.</summary>
/// <remarks>Leino, Sen, Datta, Fredrikson and Li, arXiv 1802.03788, on the essence of a class: few units of most influence
/// suffice to recognise it.</remarks>
[<RequireQualifiedAccess>]
module ClassEssence =
    /// S = the first k units of an order (of all of them).
    let keep (k: int) (order: int[]) : bool[] =
        let kept = Array.zeroCreate order.Length

        for unit in Array.truncate k order do
            kept[unit] <- true

        kept

    /// S = all units but the first k.
    let silence (k: int) (order: int[]) : bool[] = keep k order |> Array.map not

    /// <summary>The importance of each unit to each interest times the number of its instances, of one pass over them: what adds
    /// up over parts of a distribution.</summary>
    /// <exception cref="T:Attribution.AttributionException">A distribution is empty.</exception>
    let totals (interests: Interest[]) units layer model (instances: Instances) : Importance[] =
        use _ = torch.NewDisposeScope()
        let keep, sums = Scope.keepHere (), ref null

        let isMember (rows: int64[]) i j = if interests[i].Distribution rows[j] then 1. else 0.

        let observe _ (batch: Batch) (values: Tensor) =
            let reading = Model.reading units layer model values.shape
            let values = Units.read reading (values.detach ())
            let rows = Tensor.toArray<int64> batch.Rows

            let members = torch.tensor (Array2D.init interests.Length rows.Length (isMember rows))

            let sum = members.matmul (values.``to`` (torch.float64, torch.CPU))

            if isNull sums.Value then sums.Value <- keep sum else sums.Value.add_ (sum, Number.Of 1.) |> ignore

        let influences =
            (Influence.totals Neighbourhood.Itself false observe interests units [ layer ] model instances)[layer]

        influences
        |> Array.mapi (fun i influence -> {
            Influence = Tensor.toArray<float>(influence.flatten ())
            Activation = Tensor.toArray<float> sums.Value[int64 i]
        })

    /// <summary>The importance of each unit to each interest, of one pass over the instances.</summary>
    /// <exception cref="T:Attribution.AttributionException">A distribution is empty.</exception>
    let importance (interests: Interest[]) units layer model (instances: Instances) : Importance[] =
        let count (interest: Interest) =
            float (Seq.length (Seq.filter interest.Distribution (seq { 0L .. int64 instances.Count - 1L })))

        totals interests units layer model instances
        |> Array.map2
            (fun interest total -> {
                Influence = total.Influence |> Array.map (fun sum -> sum / count interest)
                Activation = total.Activation |> Array.map (fun sum -> sum / count interest)
            })
            interests

    /// Which numbers of a layer's values (n×…) a set leaves out: 1×…, or a channel's all at once.
    let private silent reading (kept: bool[]) (z: Tensor) =
        let positions = Units.positions reading z.ndim

        let shape =
            z.shape
            |> Array.mapi (fun axis size -> if axis = 0 || Array.contains (int64 axis) positions then 1L else size)

        if kept.LongLength <> Array.fold (*) 1L shape then
            invalidArg
                "sets"
                $"A set says of each unit whether it is left, but one of {kept.Length} units meets values of the shape {Tensor.shapeText z.shape[1..]}."

        torch.tensor(Array.map not kept).reshape(shape).``to`` z.device

    let private noneOf (labels: int64[]) (classes: int64) = {
        Instances = labels.Length
        True =
            let counts = Array.zeroCreate (int classes)

            for label in labels do
                if label < 0L || label >= classes then
                    fail $"A true class is {label}, but the model has {classes} classes."

                counts[int label] <- counts[int label] + 1

            counts
        Predicted = Array.zeroCreate (int classes)
        Both = Array.zeroCreate (int classes)
    }

    /// <summary>What f_S predicts of instances with those labels, for each set S (whether each unit is left). h runs once a
    /// batch and g once a set; paths around the layer are held fixed.</summary>
    /// <exception cref="T:Attribution.AttributionException">There is not one label an instance, the model has no such class,
    /// or its output is not finite.</exception>
    let tallies (sets: bool[][]) (labels: int64[]) units layer model (instances: Instances) : Tally[] =
        if labels.Length <> instances.Count then
            fail $"{instances.Count} instances have {labels.Length} true classes: give one each."

        let slice = Model.cut layer model
        let tallies = Array.zeroCreate<Tally> sets.Length

        Model.instances model instances
        |> Instances.iter (Model.batchSize Forward model instances) (fun batch ->
            Scope.quietly (fun () ->
                let values = slice.H batch.X
                let z, past = values.Head, values.Tail
                let reading = Model.reading units layer model z.shape
                let start = int (batch.Rows[0].item<int64>())

                sets
                |> Array.iteri (fun i kept ->
                    use _ = torch.NewDisposeScope()
                    model.OnPass(int z.shape[0])

                    let logits =
                        slice.G past (z.masked_fill (silent reading kept z, Number.Of 0.))
                        |> Source.read Source.Logits model

                    Target.requireFinite batch.Rows logits

                    if start = 0 then
                        tallies[i] <- noneOf labels logits.shape[1]

                    let { Predicted = predicted; Both = both } = tallies[i]

                    Tensor.toArray<int64>(logits.argmax 1L)
                    |> Array.iteri (fun row k ->
                        predicted[int k] <- predicted[int k] + 1

                        if k = labels[start + row] then
                            both[int k] <- both[int k] + 1))))

        tallies
