namespace Attribution.Core

open System
open System.Globalization
open Attribution
open TorchSharp

/// The numbers of an instance that a quantity is made of: the model's outputs, n×k.
[<RequireQualifiedAccess>]
type Source =
    | Logits
    /// The units of a layer.
    | Layer of name: string * Units

/// How probabilities are made of a model's outputs.
[<RequireQualifiedAccess>]
type Head =
    /// One class of several: their softmax; of one logit σ.
    | Softmax
    /// Classes that are there or not, each for itself: σ of each.
    | Sigmoid
    /// The outputs are probabilities.
    | Identity

/// The instances that a quantity is asked about: their positions among all (n), and the model's own outputs for them
/// (n×k), computed when a quantity asks for them.
[<NoComparison; ReferenceEquality>]
type Explained = { Rows: Tensor; Outputs: Lazy<Tensor> }

/// A quantity of interest. `Of explained outputs` gives one number for each instance (n×k → n); what it takes from the
/// explained instance (its predicted class, its label) stays fixed wherever the outputs are evaluated.
[<NoComparison; NoEquality>]
type Quantity = {
    /// As the command line spells it: "predicted", "class:3", "margin:3,5".
    Name: string
    Source: Source
    Of: Explained -> Tensor -> Tensor
    /// Where it is Σ wₖ sₖ for every instance: the classes k and their weights.
    Linear: (int * float) list option
    /// It is someone's function, which may hold what a derivative watches.
    IsOpaque: bool
}

/// What is differentiated or measured: outputs of instances (n×… → n×k), and a quantity of them.
[<NoComparison; NoEquality>]
type Target = {
    Model: Model
    /// The layer that the outputs are read from.
    Layer: string
    /// Its values (n×…) → the outputs (n×k).
    Read: Tensor -> Tensor
    Quantity: Quantity
    /// Outputs of the explained instances that were computed before; what is computed of them is added.
    Cache: OutputCache option
    /// The output (1×k) of the black image of the shape of these, computed at most once but in derivatives.
    OfBlack: Tensor -> Tensor
} with

    /// Instances (n×…) → outputs (n×k).
    member target.Output(x: Tensor) : Tensor =
        Scope.run (fun () -> target.Read(Model.value target.Layer target.Model x))

    /// How many of the instances one pass takes.
    member target.BatchSize (pass: Pass) (instances: Instances) = Model.batchSize pass target.Model instances

    /// Instances in the numbers that it computes in.
    member target.Prepare(instances: Instances) = Model.instances target.Model instances

[<RequireQualifiedAccess>]
module Source =
    /// <summary>The model whose outputs are the source's.</summary>
    /// <exception cref="T:Attribution.AttributionException">The model has no such layer.</exception>
    let model (source: Source) (model: Model) : Model =
        match source with
        | Source.Logits -> model
        | Source.Layer(name, _) when List.contains name (Model.layers model) -> Model.upTo name model
        | Source.Layer(name, _) ->
            fail $"The quantity asks for a unit of layer '{name}', which the model does not have."

    /// That model's output → n×k; of one logit z that stands for two classes n×2: -z, z.
    let read (source: Source) (model: Model) (values: Tensor) : Tensor =
        match source with
        | Source.Logits ->
            Tensor.requireDims "logits" [ 2 ] values

            match model.IsTwoSided, values.shape[1] with
            | false, _ -> values
            | true, 1L -> torch.cat ([| -values; values |], 1L)
            | true, k -> fail $"The model is taken for one of one logit, but it has {k}."
        | Source.Layer(name, units) -> Units.read (Model.reading units name model values.shape) values

[<RequireQualifiedAccess>]
module Quantity =
    let private pick (classes: Tensor) (outputs: Tensor) = outputs.gather(1L, classes.unsqueeze 1L).squeeze 1L

    let private column source k (outputs: Tensor) =
        let count = outputs.shape[1]

        if k < 0 || int64 k >= count then
            match source with
            | Source.Logits -> $"There is no class {k}: the model has {count} classes, 0 to {count - 1L}."
            | Source.Layer(name, _) -> $"Layer '{name}' has no unit {k}: its units are 0 to {count - 1L}."
            |> fail

        outputs.select (1L, int64 k)

    let private predictedClass explained = explained.Outputs.Force().argmax 1L

    let private trueClass (labels: int64[]) (explained: Explained) (outputs: Tensor) =
        let last = explained.Rows.max().item<int64>()

        if last >= labels.LongLength then
            fail $"Instance {last} has no true class: {labels.Length} labels were given."

        for label in labels do
            if label < 0L || label >= outputs.shape[1] then
                fail $"A true class is {label}, but the model has {outputs.shape[1]} classes."

        torch.tensor(labels).``to``(explained.Rows.device).index_select(0L, explained.Rows)

    let private ofPredicted explained outputs = pick (predictedClass explained) outputs

    let private ofTrue labels explained outputs = pick (trueClass labels explained outputs) outputs

    let private ofLogits name f = { Name = name; Source = Source.Logits; Of = f; Linear = None; IsOpaque = false }

    /// s_c, c the class predicted for the explained instance.
    let predicted = ofLogits "predicted" ofPredicted

    /// The same for a classifier of two classes too that has one logit z: sign(z(x)) · z, its score on its own side.
    let predictedSide = {
        predicted with
            Of =
                fun explained (outputs: Tensor) ->
                    if outputs.shape[1] = 1L then
                        let isFor = explained.Outputs.Force().ge(Number.Of 0.)
                        torch.where(isFor, outputs, -outputs).squeeze 1L
                    else
                        ofPredicted explained outputs
    }

    /// s_y, y the explained instance's label; `labels` holds one for each of all instances.
    let trueClassOf (labels: int64[]) = ofLogits "true" (ofTrue labels)

    /// s_c - s_y: predicted minus true.
    let predictedMinusTrue (labels: int64[]) =
        ofLogits "predicted-true" (fun explained outputs ->
            ofPredicted explained outputs - ofTrue labels explained outputs)

    /// One number of a source: a class's score, or a unit's value.
    let ofOutput (source: Source) (k: int) = {
        Name =
            match source with
            | Source.Logits -> $"class:{k}"
            | Source.Layer(name, _) -> $"unit:{name},{k}"
        Source = source
        Of = fun _ outputs -> column source k outputs
        Linear = Some [ k, 1. ]
        IsOpaque = false
    }

    /// s_k.
    let ofClass (k: int) = ofOutput Source.Logits k

    /// The value of a unit of a layer, by its position among them.
    let ofUnit (units: Units) (layer: string) (unit: int) = ofOutput (Source.Layer(layer, units)) unit

    /// <summary>The mean score of some classes minus the mean score of others.</summary>
    /// <exception cref="T:Attribution.AttributionException">One of the sides has no class.</exception>
    let marginOf (classes: int seq) (others: int seq) =
        let classes, others = List.ofSeq (Seq.distinct classes), List.ofSeq (Seq.distinct others)

        if classes.IsEmpty || others.IsEmpty then
            fail "A margin has at least one class on either side."

        let mean (classes: int list) outputs =
            torch.stack([| for k in classes -> column Source.Logits k outputs |]).mean [| 0L |]

        let each (weight: float) (classes: int list) = [ for k in classes -> k, weight / float classes.Length ]

        let text (classes: int list) = String.Join('+', classes)

        {
            ofLogits $"margin:{text classes},{text others}" (fun _ outputs ->
                mean classes outputs - mean others outputs) with
                Linear = Some(each 1. classes @ each -1. others)
        }

    /// s_a - s_b.
    let margin (a: int) (b: int) = marginOf [ a ] [ b ]

    /// s_k minus the mean score of all other classes. As a sum of weighted classes it would be one of all of them, and cost
    /// their gradients where its own suffices.
    let oneVsRest (k: int) =
        ofLogits $"one-vs-rest:{k}" (fun _ outputs ->
            let own = column Source.Logits k outputs

            if outputs.shape[1] = 1L then
                fail "The model has one class, and no rest of them to compare it with."

            own - (outputs.sum 1L - own) / Number.Of(outputs.shape[1] - 1L))

    /// s_a - s_b, a and b each instance's own: one of either for each of all instances.
    let marginEach (classes: int64[]) (others: int64[]) =
        ofLogits "margin-each" (fun explained outputs ->
            ofTrue classes explained outputs - ofTrue others explained outputs)

    /// <summary>How far s_k lies from a threshold t, on the side where the explained instance has it:
    /// sign(s_k(x) - t) · (s_k - t).</summary>
    /// <remarks>Its gradient at x is that of TruLens's ThresholdQoI for one class, "high minus low"; measured from t, so that
    /// the score moving across t is no jump, and with x's side fixed, as its class is elsewhere.</remarks>
    let threshold (k: int) (t: float) =
        let distance outputs = column Source.Logits k outputs - Number.Of t

        ofLogits $"threshold:{k},{t.ToString CultureInfo.InvariantCulture}" (fun explained outputs ->
            distance(explained.Outputs.Force()).sign() * distance outputs)

    /// Any function of the outputs, row by row: n×k → n.
    let ofFunction (name: string) (f: Tensor -> Tensor) =
        let of' _ (outputs: Tensor) =
            let values = f outputs
            Tensor.requireShape "The quantity of n×k logits" [| outputs.shape[0] |] values
            values

        { ofLogits name of' with IsOpaque = true }

    /// <summary>The quantity of the outputs' probabilities in place of the outputs. What it takes from the explained instance it
    /// takes from the outputs themselves. One logit's probability is σ of the quantity of it.</summary>
    let ofProbabilitiesBy (head: Head) (quantity: Quantity) = {
        quantity with
            Name = $"probability:{quantity.Name}"
            // In float64, where one that is nearly 1 is still told from 1.
            Of =
                fun explained outputs ->
                    let wide = outputs.``to`` torch.float64

                    match head with
                    | Head.Softmax when outputs.shape[1] = 1L -> (quantity.Of explained wide).sigmoid()
                    | Head.Softmax -> quantity.Of explained (wide.softmax 1L)
                    | Head.Sigmoid -> quantity.Of explained (wide.sigmoid ())
                    | Head.Identity -> quantity.Of explained wide
            Linear = None
    }

    /// The quantity of the outputs' softmax; of one logit's σ.
    let ofProbabilities (quantity: Quantity) = ofProbabilitiesBy Head.Softmax quantity

[<RequireQualifiedAccess>]
module Target =
    let private make layer (read: Tensor -> Tensor) quantity model =
        let cache = OutputCache 1

        let compute (x: Tensor) =
            Scope.runQuietly (fun () -> read (Model.value layer model (torch.zeros_like (x.narrow (0L, 0L, 1L)))))

        let ofBlack (x: Tensor) =
            let first = torch.zeros (1L, torch.int64)

            match cache.TryFind first with
            | _ when Recording.IsOn -> compute x
            | Some output -> output
            | None ->
                let output = compute x
                cache.Keep(first, output)
                output

        { Model = model; Layer = layer; Read = read; Quantity = quantity; Cache = None; OfBlack = ofBlack }

    /// <summary>A quantity of interest. No op above the layer of a unit's quantity runs.</summary>
    let ofQuantity (quantity: Quantity) (model: Model) : Target =
        let model = Source.model quantity.Source model
        make model.Graph.Output (Source.read quantity.Source model) quantity model

    /// <summary>The value of a unit of a layer, by its position among them. No op above the layer runs.</summary>
    let ofUnit (units: Units) (layer: string) (unit: int) (model: Model) : Target =
        let read (z: Tensor) =
            let values = Units.read (Model.reading units layer model z.shape) z

            if unit < 0 || int64 unit >= values.shape[1] then
                fail $"Layer '{layer}' has no unit {unit}: its units are 0 to {values.shape[1] - 1L}."

            values.narrow (1L, int64 unit, 1L)

        make layer read (Quantity.ofClass 0) model

    /// <summary>Requires outputs without NaN or infinity.</summary>
    /// <exception cref="T:Attribution.AttributionException">Names the first instance that has one.</exception>
    let requireFinite (rows: Tensor) (outputs: Tensor) =
        match Tensor.notFinite (outputs.detach ()) with
        | [||] -> ()
        | bad ->
            let instance = rows[bad[0]].item<int64>()

            fail
                $"The model's output for instance {instance} is not a finite number: check the image, and the preprocessing that the model expects."

    let private checkedOutput (target: Target) rows x =
        let outputs = target.Output x
        requireFinite rows outputs
        outputs

    let private keep target rows (outputs: Tensor) =
        target.Cache |> Option.iter (fun cache -> cache.Keep(rows, outputs))
        outputs

    /// The quantity of the explained instances' own outputs, fit to be differentiated.
    let ofOwn (target: Target) (rows: Tensor) (outputs: Tensor) =
        requireFinite rows outputs
        keep target rows outputs |> ignore

        target.Quantity.Of { Rows = rows; Outputs = lazy outputs.detach () } outputs

    /// The target as a function of the explained instances themselves, fit to be differentiated.
    let here (target: Target) (batch: Batch) : Tensor -> Tensor = (fun x -> target.Output x) >> ofOwn target batch.Rows

    /// <summary>What a rule brings back to the instances (n×…) from the layer that the target is read from: of `seed z g`,
    /// where z are the layer's values and g is the target's gradient there.</summary>
    let propagate (rule: Rule) (seed: Tensor -> Tensor -> Tensor) (target: Target) (batch: Batch) : Tensor =
        let seed z =
            let z = Tensor.readable z
            seed z (Diff.gradEach (target.Read >> ofOwn target batch.Rows) z)

        Model.propagate rule target.Layer seed target.Model batch.X

    /// <summary>The same of a method that goes by its name.</summary>
    /// <exception cref="T:Attribution.AttributionException">A node's rule makes a NaN or an infinity: it names the
    /// node.</exception>
    let propagateFinite (method: string) (rule: Rule) seed (target: Target) (batch: Batch) : Tensor =
        let found = propagate rule seed target batch

        let checkedAt: Rule =
            fun evaluated w ->
                let parts = rule evaluated w

                let isSound (part: Tensor) isLive = not isLive || Tensor.isAll (part.isfinite ())

                if not (List.forall2 isSound parts evaluated.IsLive) then
                    fail
                        $"{method} makes a NaN or an infinity at '{evaluated.Node.Name}' ({Op.describe evaluated.Node.Op}): choose another method for this model."

                parts

        if not (Tensor.isAll (found.isfinite ())) then
            propagate checkedAt seed target batch |> ignore

        found

    /// The target of the network's canonical form.
    let canonical (target: Target) = { target with Model = Model.canonical target.Layer target.Model }

    /// What a rule brings back of the target's gradient; with `multiply`, times the instance (n×…).
    let backpropagated rule (multiply: bool) (target: Target) (batch: Batch) : Tensor =
        Scope.quietly (fun () ->
            let back = propagate rule (fun _ gradient -> gradient) target batch
            if multiply then batch.X * back else back)

    /// What the batch's own outputs are, computed at most once; they live as long as the scope that this is called in. Inside a
    /// derivative they are part of it, and no cache is asked.
    let explained (target: Target) (batch: Batch) : Explained =
        // Whoever asks first may do so in a scope that ends before the next one asks.
        let live = Scope.keepHere ()
        let cache = if Recording.IsOn then None else target.Cache

        let compute () = Scope.runQuietly (fun () -> checkedOutput target batch.Rows batch.X) |> keep target batch.Rows

        {
            Rows = batch.Rows
            Outputs =
                lazy
                    (cache |> Option.bind (fun cache -> cache.TryFind batch.Rows) |> Option.defaultWith compute |> live)
        }

    /// t(x) of each of the explained instances (n).
    let ofExplained (target: Target) (explained: Explained) : Tensor =
        target.Quantity.Of explained (explained.Outputs.Force())

    /// What is explained, narrowed to some positions in the batch (int64, m; repeats allowed).
    let at (positions: Tensor) (explained: Explained) : Explained = {
        Rows = explained.Rows.index_select (0L, positions)
        Outputs = lazy (explained.Outputs.Force().index_select(0L, positions))
    }

    /// The quantity of points (m×…), each a variation of the explained instance of the same row.
    let score (target: Target) (explained: Explained) (points: Tensor) : Tensor =
        target.Quantity.Of explained (checkedOutput target explained.Rows points)

    /// What is explained, of another model, and of other instances in place of these: what the quantity takes from an instance
    /// it takes from the instance here.
    let anchored (target: Target) (batch: Batch) : Model -> Target =
        let explained = explained target batch
        let struct (rows, order) = explained.Rows.cpu().sort()

        let ofHere (other: Explained) outputs =
            let place = (torch.searchsorted (rows, other.Rows.cpu ())).``to`` order.device
            let place = order.index_select (0L, place)
            target.Quantity.Of (at (place.``to`` explained.Rows.device) explained) outputs

        ofQuantity { target.Quantity with Of = ofHere; Linear = None; IsOpaque = true }
