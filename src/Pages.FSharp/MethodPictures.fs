namespace Attribution

open System
open System.Collections.Generic
open System.Globalization
open System.Threading
open TorchSharp
open Attribution.Pages

/// <summary>Images whose truth is known, as documentation draws them.</summary>
/// <param name="images">The images, with their true classes: two or more of each.</param>
/// <param name="twins">The same images, each drawn as the other class of its pair.</param>
/// <param name="names">What the classes are called.</param>
/// <param name="truth">Where the parts that tell related classes apart lie, and the pairs of these classes.</param>
[<Sealed>]
type KnownImages(images: ImageSet, twins: ImageSet, names: ClassNames, truth: ReportTruth) =
    /// The images.
    member _.Images = images

    /// Their twins.
    member _.Twins = twins

    /// What the classes are called.
    member _.Names = names

    /// What is known.
    member _.Truth = truth

/// Small pictures of images, and of the truth about them.
module internal KnownPictures =
    let one (set: ImageSet) row = set.Take([| row |]).Images()

    let input (set: ImageSet) row = (Drawing.bytes (float set.Peak) (one set row))[0L]

    // Of 1×c×h×w or 1×h×w.
    let cloud (map: torch.Tensor) = (Drawing.bytes 1. (Visualization.PointCloud(map, threshold = 0.).unsqueeze 1L))[0L]

    let tile picture caption = { Picture = picture; Caption = caption }

    /// A column for each pair of classes: an image as the one and as the other, and what tells them apart in its colours.
    let overview (known: KnownImages) =
        let part row =
            let picture = (input known.Images row).``to`` torch.int32

            use six = 6L.ToScalar()
            let dim = (picture.sum (-1L, keepdim = true)).floor_divide(six).expand_as picture

            torch.where(known.Truth.Parts[int64 row].unsqueeze -1L, picture, dim).``to`` torch.uint8

        let firsts = [
            for pair in known.Truth.Pairs -> pair, Seq.findIndex ((=) (int64 pair.First)) known.Images.TrueClasses
        ]

        let each tileOf = [ for pair, row in firsts -> "", [ tileOf pair row ] ]

        Tiles.draw None firsts.Length 160f [
            yield! each (fun (pair: ConceptPair) row -> tile (input known.Images row) [ known.Names[pair.First] ])
            yield! each (fun pair row -> tile (input known.Twins row) [ known.Names[pair.Second] ])
            yield! each (fun pair row -> tile (part row) [ pair.Part ])
        ]

open KnownPictures

// What one unit sees of an image: the unit that tells its class from the other of its pair, and its map (1×c×h×w).
type private Seen = { Row: int; Class: int; Expert: ExpertSummary; Map: torch.Tensor }

/// The pictures of the documentation: what each method and metric makes of images whose truth is known.
type private Painter(models: Model list, known: KnownImages, step: unit -> unit, cancellation: CancellationToken) =
    let images = known.Images
    let model = models.Head
    let classOf row = int images.TrueClasses[row]

    let pairOf k = known.Truth.Pairs |> Seq.find (fun pair -> pair.First = k || pair.Second = k)

    let siblingOf k = (let pair = pairOf k in if pair.First = k then pair.Second else pair.First)

    let number (value: float) = value.ToString("0.00", CultureInfo.InvariantCulture)

    let percent (share: float) = share.ToString("0 %", CultureInfo.InvariantCulture)

    let predictions (set: ImageSet) =
        use logits = model.Logits(set, cancellation = cancellation)
        (logits.argmax 1L).data<int64>().ToArray() |> Array.map int

    // The first image of some classes that the network is right about, also where it is drawn as the other class. The first
    // and the last stand in every method's section.
    let rows =
        let found, ofTwins = predictions images, predictions known.Twins

        [ 0; 12; 6 ]
        |> List.map (fun k ->
            Seq.init images.Count id
            |> Seq.find (fun row -> classOf row = k && found[row] = k && ofTwins[row] = siblingOf k))

    let instances (set: ImageSet) : Instances = Instances.op_Implicit set

    let explain (explainer: Explainer) (x: Instances) = explainer.Invoke(x, Nullable(), null, cancellation)

    let seen =
        rows
        |> List.map (fun row ->
            let k = classOf row
            let pair = [| k; siblingOf k |]
            let margin = Quantity.Margin(pair[0], pair[1])

            let expert =
                ExpertSummary.Find(
                    model,
                    Cuts.Default model,
                    margin,
                    images,
                    pair,
                    Nullable<struct (int * int)>(struct (pair[0], pair[1]))
                )

            let map =
                InflDirected(model, expert.Layer, margin).ExpertAttribution(expert.Expert, images.Take [| row |])

            { Row = row; Class = k; Expert = expert; Map = map })

    /// Each method's own picture, by its name, and all methods' in one.
    member _.Methods(write: string -> Figure -> unit) =
        let x = images.Take(Array.ofList rows)
        let struct (_, influence, _, _) = MethodDocs.InfluenceDirected

        let groups = [
            for method in AttributionMethod.All do
                let network = models |> List.find method.AppliesTo

                let maps =
                    explain
                        (method.Create(network, MethodSettings(Background = Nullable(instances images))))
                        (instances x)

                let mapOf i = maps.narrow (0L, int64 i, 1L)

                write
                    (Documents.place method.Name)
                    (Tiles.draw None 2 128f [
                        for i in [ 0; rows.Length - 1 ] do
                            let through = Visualization.BinaryMask(one images rows[i], mapOf i, background = 0.)
                            "", [ Tiles.bare (cloud (mapOf i)); Tiles.bare through[0L] ]
                    ])

                step ()
                let title = if network = model then method.Title else $"{method.Title} (ViT)"
                title, [ for i in 0 .. rows.Length - 1 -> Tiles.bare (cloud (mapOf i)) ]
        ]

        let heading =
            "The same three scenes by every method",
            "What speaks for the class; by influence-directed explanation, for what tells it from its sibling (a car without a roof, …)."

        write
            "methods"
            (Tiles.draw (Some heading) 3 96f [
                "The scenes", [ for row in rows -> Tiles.bare (input images row) ]
                influence, [ for s in seen -> Tiles.bare (cloud s.Map) ]
                yield! groups
            ])

    /// What the experts of pairs of classes see.
    member _.Influence() =
        let group s =
            let k, other, unit = s.Class, siblingOf s.Class, s.Expert.Expert
            let first, second = known.Names[k], known.Names[other]
            let explainer = InflDirected(model, s.Expert.Layer, Quantity.Predicted)

            let value (set: ImageSet) =
                $"the unit's value: {number (float (explainer.Activity(unit, set.Take [| s.Row |]).Values[0]))}"

            let active k = s.Expert.Classes |> Seq.find (fun c -> int c.Class = k) |> fun c -> percent c.ActiveShare

            let own = [|
                for row in 0 .. images.Count - 1 do
                    if classOf row = k then
                        row
            |]

            let parts = known.Truth.Parts.index_select (0L, torch.tensor (Array.map int64 own))

            let onPart maps =
                let times = Seq.average (Localisation.Shares(parts, maps)) / Seq.average (Localisation.Areas parts)

                $"{(pairOf k).Part}: {number times} × chance"

            let ofOwn = explainer.ExpertAttribution(unit, images.Take own)
            let paths = IntegratedGrad(model, s.Expert.Layer, unit).Attribute(images.Take own)
            let path = paths.narrow (0L, int64 (Array.IndexOf(own, s.Row)), 1L)

            $"{first} against {second}: unit {unit}, active on {active k} and {active other} of them, selectivity {number s.Expert.Selectivity.Auc}",
            [
                tile (input images s.Row) [ first; value images ]
                tile (cloud s.Map) [ "what the unit sees"; onPart ofOwn ]
                tile (Visualization.BinaryMask(one images s.Row, s.Map)[0L]) [ "the scene seen through it" ]
                tile (cloud path) [ "by integrated gradients"; onPart paths ]
                tile (input known.Twins s.Row) [ $"as {second}"; value known.Twins ]
            ]

        let heading =
            "What one unit sees",
            $"The unit of layer {seen.Head.Expert.Layer} with most influence on what tells two classes apart, over the scenes of both."

        Tiles.draw (Some heading) 1 160f (List.map group seen)

    /// What becomes of an image on the paths of the metrics.
    member _.Order() =
        let row = List.last rows
        let k = classOf row
        let x = one images row
        let pixels = (IntegratedGrad(model).Attribute x).mean [| 1L |]
        let order = (pixels.flatten ()).argsort(descending = true)
        let ranks = order.argsort().reshape(pixels.shape).unsqueeze 1L
        use zero = 0L.ToScalar()
        let count = (pixels.gt zero).sum().item<int64>()

        let path title (keep: int64 -> torch.Tensor) =
            title,
            [
                for share in [ 0.; 0.05; 0.2; 0.5; 1. ] do
                    let image = x * keep (int64 (Math.Round(share * float count)))
                    use logits = model.Logits(image, cancellation = cancellation)
                    let score = logits[0L, int64 k].``to``(torch.float64).item<float>()
                    tile (Drawing.bytes (float images.Peak) image).[0L] [ $"{percent share}: f_c = {number score}" ]
            ]

        let against (compare: Scalar -> torch.Tensor) (i: int64) =
            use count = i.ToScalar()
            compare count

        let ge, lt = against ranks.ge, against ranks.lt

        let heading =
            "Removing pixels, and putting them back, in the order of a map",
            $"{known.Names[k]}, by integrated gradients: the share of the {count} positive pixels that has changed, and the logit f_c."

        Tiles.draw (Some heading) 1 150f [
            path "Removed, the largest attribution first: necessity ordering, and ↓ of its proportionality" ge
            path "Removed, the smallest first: ↑" (fun i -> (lt (count - i)).logical_or(ge count))
            path "Put into black, the largest first: sufficiency ordering; the last is M(x) of average drop" lt
        ]

    /// The metrics of the figure: an attack takes the derivatives of a map, and the smooth test a hundred maps of each, which are
    /// minutes a method; and masks say what methods are to find, where the others ask the network.
    static member Studied: AttributionMetric[] = [|
        for metric in AttributionMetric.All do
            let isLong = List.contains metric.Name [ "attack-sensitivity"; "smooth-parameter-randomisation" ]

            if not isLong && not metric.NeedsMasks then
                metric
    |]

    /// Six methods by these metrics, on the first images.
    member _.Study(methods: string list, count) =
        let set = images.Take [| 0 .. count - 1 |]
        let x = (instances set).Remembered()

        let scores = [|
            for method in List.map AttributionMethod.Find methods do
                let create m q = method.Create(m, MethodSettings(Quantity = q, Samples = Nullable 50, Steps = 16))

                let maps = explain (create model Quantity.Predicted) x
                step ()

                let settings =
                    MetricSettings(
                        Explain = create,
                        MultipliedFrom = (if method.Uses.HasFlag MethodSetting.Multiply then Baseline.Black else null)
                    )

                for metric in Painter.Studied do
                    let found = (metric.Create(model, settings)).Invoke(maps, x, Nullable(), null, cancellation)

                    step ()
                    MethodScores(method.Name, metric.Name, found)
        |]

        Study(ScoreTable([| for row in 0 .. count - 1 -> set.Label row |], scores), Painter.Studied)
        |> StudyPicture.draw
            $"{count} scenes, the predicted class's score. Boxes hold the middle half; the best median is on top."

/// <summary>The pictures of <c>MethodDocs</c>' pages: what each method and metric makes of images whose truth is known.</summary>
[<Sealed; AbstractClass>]
type MethodPictures =
    /// <summary>Draws all of them as PNG files.</summary>
    /// <param name="path">Where a file of a name is written.</param>
    /// <param name="models">Networks of the images: the first, and those that stand in for it where a method is about what it has not.</param>
    /// <param name="known">The images.</param>
    /// <param name="progress">Told of every picture and score; null: nobody is.</param>
    /// <param name="cancellation">Stops the work.</param>
    /// <exception cref="T:Attribution.AttributionException">A file cannot be written.</exception>
    static member Draw
        (
            path: Func<string, string>,
            models: IReadOnlyList<Model>,
            known: KnownImages,
            progress: IProgress<Progress>,
            cancellation: CancellationToken
        ) : unit =
        use _ = torch.NewDisposeScope()

        let studied = [ "saliency"; "integrated-gradients"; "deeplift"; "lrp-epsilon-plus"; "grad-cam"; "rise" ]

        let total = AttributionMethod.All.Count + studied.Length * (1 + Painter.Studied.Length)

        let mutable done' = 0

        let step () =
            cancellation.ThrowIfCancellationRequested()
            done' <- done' + 1

            if not (isNull progress) then
                progress.Report(Progress(int64 done', int64 total))

        let write name (figure: Figure) = figure.Write(path.Invoke $"{name}.png")
        let painter = Painter(List.ofSeq models, known, step, cancellation)
        write "scenes" (overview known)
        painter.Methods write
        write "influence-directed" (painter.Influence())
        write "metrics-order" (painter.Order())
        write "metrics" (painter.Study(studied, 28))
