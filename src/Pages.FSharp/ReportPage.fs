namespace Attribution

open System
open System.IO
open System.Runtime.CompilerServices
open System.Runtime.InteropServices
open Giraffe.ViewEngine
open SkiaSharp
open Attribution
open Attribution.Pages

/// What a report was made from, for its page.
type ReportSource = {
    /// The page's title.
    Title: string
    /// The model's file.
    Model: string
    /// Where the images came from.
    Data: string
    /// The command that made the report.
    Command: string
}

/// A report as one HTML page that asks for nothing from outside. All texts from a user's files are escaped.
[<RequireQualifiedAccess>]
module internal ReportPage =
    let private asset name =
        use stream = typeof<ReportSource>.Assembly.GetManifestResourceStream name
        use reader = new StreamReader(stream)
        reader.ReadToEnd()

    // Words -------------------------------------------------------------------------------------------------------------

    /// What a page is drawn from.
    type private Page = {
        Report: AttributionReport
        Pictures: ReportPictures
        Source: ReportSource
    } with

        member page.Class(k: int) = page.Report.Names[k]

        member page.Truth(instance: ReportInstance) =
            instance.TrueClass
            |> Option.ofNullable
            |> Option.map page.Class
            |> Option.defaultValue "not known"

    let private capital (text: string) =
        string (Char.ToUpperInvariant text[0]) + text[1..]

    let private methodName =
        function
        | ReportMethods.InfluenceDirected -> "Influence-directed"
        | name ->
            AttributionMethod.All
            |> Seq.tryFind (fun m -> m.Name = name)
            |> Option.map _.Title
            |> Option.defaultValue name

    let private verdict (instance: ReportInstance) =
        match Option.ofNullable instance.IsCorrect with
        | Some true -> "right", "✓", "correctly classified"
        | Some false -> "wrong", "✗", "misclassified"
        | None -> "", "", "true class not known"

    let private badge instance =
        let style, sign, words = verdict instance
        span [ _class $"badge {style}" ] [ str $"{sign} {words}" ]

    let private sentence (page: Page) (instance: ReportInstance) =
        let _, _, words = verdict instance
        $"image {instance.Label} · true: {page.Truth instance} · predicted: {page.Class instance.PredictedClass} · {words}"

    let private described (page: Page) (instance: ReportInstance) =
        let truth =
            if instance.TrueClass.HasValue then
                $"true class {page.Truth instance}, "
            else
                ""

        $"{instance.Label} ({truth}predicted {page.Class instance.PredictedClass})"

    let private caption (page: Page) (instance: ReportInstance) more = [
        str $"true: {page.Truth instance}"
        br []
        str $"predicted: {page.Class instance.PredictedClass}"
        br []
        badge instance
        yield! more
    ]

    let private margin (page: Page) (one: int) (other: int) =
        $"{page.Class one} − {page.Class other}"

    let private quantity (page: Page) (e: ReportExpert) =
        match Option.ofNullable e.Against with
        | Some other -> margin page e.Class other
        | None -> page.Class e.Class

    let private distribution (e: ReportExpert) =
        let images = Words.Count(e.Instances, "image")

        if not e.IsOverOwnImages then $"all {images}"
        elif e.Against.HasValue then $"the {images} of both"
        elif e.Instances = 1 then "its own image"
        else $"its own {images}"

    /// "Methods X", once for one and folded for the rest.
    let private firstThenFold count (thing: string) (all: XmlNode list) =
        match List.splitAt (min count all.Length) all with
        | first, [] -> first
        | first, rest -> first @ [ Html.fold $"""{Words.Count(rest.Length, $"more {thing}")}""" rest ]

    // Experts -----------------------------------------------------------------------------------------------------------

    let private runnersUp digits (e: ReportExpert) =
        match
            e.Top
            |> Seq.skip 1
            |> Seq.truncate 3
            |> Seq.filter (fun u -> u.Influence <> 0.)
            |> List.ofSeq
        with
        | [] -> "none has influence"
        | some ->
            some
            |> List.map (fun u -> $"{u.Unit}\u00A0({Html.fixedTo digits u.Influence})")
            |> String.concat ", "

    let private expertTable (page: Page) id title (experts: ReportExpert seq) =
        let digits = experts |> Seq.map _.Influence |> Html.decimals
        let noun = page.Report.Noun

        let share f =
            fun e -> Html.number (Html.percent 0 (f e)) (f e)

        let unit (e: ReportExpert) = {
            Html.count e.Unit with
                Content = [
                    str (string e.Unit)
                    if e.IsDead then
                        span [ _class "dead" ] [ str " dead" ]
                ]
        }

        Html.table
            id
            title
            [
                "quantity of interest", quantity page >> Html.text
                "distribution of interest", distribution >> Html.text
                $"expert ({noun})", unit
                "influence", (fun e -> Html.number (Html.fixedTo digits e.Influence) e.Influence)
                $"runners-up: {noun} (influence)", runnersUp digits >> Html.text
                "active on the distribution", share _.ActiveShare
                "active on the class", share _.ActiveOnClass
                "other class", (fun e -> Html.text (page.Class e.Sibling))
                "active on the other", share _.ActiveOnSibling
                "selectivity", (fun e -> Html.number (Html.fixedTo 2 e.Selectivity) e.Selectivity)
            ]
            []
            experts

    let private comparisonTable id (page: Page) (comparisons: ExpertComparison seq) =
        let name e =
            Html.text $"{quantity page e}, over {distribution e}"

        Html.table
            id
            $"Whether the experts coincide, and Spearman’s rank correlation of the influences of all {page.Report.Noun}s."
            [
                "one", (fun (c: ExpertComparison) -> name c.One)
                "other", (fun c -> name c.Other)
                "experts", (fun c -> Html.text $"{c.One.Unit}, {c.Other.Unit}")
                "coincide", (fun c -> Html.text (if c.Coincide then "yes" else "no"))
                "rank correlation", (fun c -> Html.number (Html.fixedTo 3 c.RankCorrelation) c.RankCorrelation)
            ]
            []
            comparisons

    /// A unit's maps of an image, after the input and a region of it that is to be compared.
    let private viewPanels (page: Page) (unit: int) title (region: (string * ReportPicture) option) (view: ExpertView) =
        let noun, instance = page.Report.Noun, view.Instance
        let row = instance.Position

        let of' =
            $"of {noun} {unit} of layer {page.Report.Layer} for {described page instance}"

        let kinds = [
            "x ⊙ ∇h", $"{noun}-{unit}-gradient", view.Gradient
            "integrated gradients", $"{noun}-{unit}-integrated", view.Integrated
        ]

        [
            "input", page.Pictures.Input row $"Image {described page instance}"
            yield! Option.toList region
            for kind, file, map in kinds do
                $"{kind}, point cloud", page.Pictures.PointCloud file row map $"Point cloud of {kind} {of'}"
                $"{kind}, binary mask", page.Pictures.Mask file row map $"Binary mask of {kind} {of'}"
        ]
        |> List.map (fun (label, image) -> label, $"{title}: {label} · {sentence page instance}", image)

    let private viewRow (page: Page) id panels (view: ExpertView) =
        let value = $"value of the {page.Report.Noun}: {Html.fixedTo 2 view.Activation}"

        Html.row'
            id
            $"Image {view.Instance.Label}"
            (caption page view.Instance [ br []; str value ])
            (panels |> List.map Some |> Html.panels (List.length panels) 3)

    let private expertFigure (page: Page) prefix (f: ExpertFigure) =
        let first = f.Experts[0]
        let overs = f.Experts |> Seq.map distribution |> String.concat ", and over "
        let id = $"{prefix}-{first.Class}-{first.Unit}"

        let title =
            $"{capital first.Noun} {first.Unit} of {first.Layer}: {quantity page first}"

        div [ _id id ] [
            h3 [] [ str title; Html.anchor id title ]
            Html.paragraph
                $"The expert over {overs}, on the images of {page.Class first.Class} on which it is most active."
            if f.Views |> Seq.forall (fun v -> v.Activation <= 0.) then
                p [ _class "dead" ] [ str $"The {first.Noun} is not above 0 on any of them." ]
            yield!
                firstThenFold 1 "image" [
                    for v in f.Views ->
                        viewRow page $"{id}-{v.Instance.Position}" (viewPanels page first.Unit title None v) v
                ]
        ]

    /// What the same definition names on the other side of the activation.
    let private companions (page: Page) id (experts: ExpertSection) = [
        let report = page.Report

        if experts.Companions.Count > 0 then
            let dead (experts: ReportExpert seq) =
                let found = experts |> Seq.filter _.IsDead |> Seq.length
                Words.Count(found, "expert")

            let own, other =
                (report.Layer, experts.Experts), (report.Companion, experts.Companions)

            let before, after =
                if report.IsCutBeforeActivation then
                    own, other
                else
                    other, own

            let side = if report.IsCutBeforeActivation then "after" else "before"

            if not report.IsCutBeforeActivation && experts.Experts |> Seq.exists _.IsDead then
                p [ _class "dead" ] [
                    str
                        $"Dead experts at {report.Layer}: their maps are zero where the {report.Noun} is off. Cut at {report.Companion} (--layer {report.Companion}) for experts that fire."
                ]

            Html.fold $"The same definition {side} the activation" [
                p [] [
                    str "Cut after the activation ("
                    Html.code (fst after)
                    str
                        $"), the derivative does not ask whether a {report.Noun} is ever above 0: of {experts.Experts.Count}, {dead (snd after)} never active on the distribution. Cut before it ("
                    Html.code (fst before)
                    str
                        $"), the derivative passes through the activation and is 0 wherever the {report.Noun} is off: {dead (snd before)} never active."
                ]
                yield!
                    expertTable
                        page
                        $"{id}-companions"
                        $"What the same definition names at {report.Companion}."
                        experts.Companions
            ]
    ]

    let private expertSection (page: Page) id title exercise (lead: XmlNode) caption (experts: ExpertSection) =
        Html.section id title exercise [
            lead
            yield!
                experts.Figures
                |> Seq.map (expertFigure page id)
                |> List.ofSeq
                |> firstThenFold 1 page.Report.Noun
            Html.fold "The experts in numbers" [
                yield! expertTable page $"{id}-table" caption experts.Experts
                yield! comparisonTable $"{id}-compared" page experts.Comparisons
            ]
            yield! companions page id experts
        ]

    let private experts (page: Page) =
        let lead =
            p [] [
                str $"The expert of a class is the {page.Report.Noun} of layer "
                Html.code page.Report.Layer
                str
                    " with the largest influence on the class’s score, averaged over a distribution of interest: all images, or the class’s own. Its selectivity is the area under the ROC curve of its value as a detector of the class against the other one of the pair."
            ]

        expertSection
            page
            "experts"
            "Experts"
            "Exercises 11–12"
            lead
            "The experts of the classes’ scores."
            page.Report.Experts

    let private margins (page: Page) =
        let lead =
            Html.paragraph
                "The same for the margin of two classes: the quantity of interest is the one’s score minus the other’s, and the distribution is all images, or those of both classes."

        expertSection
            page
            "margins"
            "What tells two classes apart"
            "Exercise 13"
            lead
            "The experts of the margins."
            page.Report.Margins

    // Methods side by side ----------------------------------------------------------------------------------------------

    let private methodPictures (page: Page) (row: MethodRow) (v: MethodView) =
        let at = row.Instance.Position

        let file =
            match Option.ofNullable v.Unit with
            | Some unit -> $"{page.Report.Noun}-{unit}-gradient"
            | None -> v.Method

        let of' = $"of {v.Method} for {described page row.Instance}"
        let magnitude = (MapScale.Of(v.Map.unsqueeze 0L)).Magnitude

        let note =
            [
                if v.Unit.HasValue then
                    $", {page.Report.Noun} {v.Unit.Value}"
                if v.PositivePixels = 0 then
                    ", no positive attribution"
            ]
            |> String.concat ""

        [
            "point cloud", note, page.Pictures.PointCloud file at v.Map $"Point cloud {of'}"
            "binary mask", "", page.Pictures.Mask file at v.Map $"Binary mask {of'}"
            "heat map",
            $", {MapScale.Number -magnitude} to {MapScale.Number magnitude}",
            page.Pictures.HeatMap file at v.Map $"Heat map {of'}"
        ]
        |> List.map (fun (kind, note, image) ->
            let name = $"{methodName v.Method}, {kind}"
            name + note, $"{name} · {sentence page row.Instance}", image)

    let private inputPanel (page: Page) (instance: ReportInstance) =
        "input",
        $"Input · {sentence page instance}",
        page.Pictures.Input instance.Position $"Image {described page instance}"

    let private methodRow (page: Page) (row: MethodRow) =
        let kinds =
            row.Views |> Seq.map (methodPictures page row) |> List.ofSeq |> List.transpose

        Html.row'
            $"image-{row.Instance.Position}"
            $"Image {row.Instance.Label}"
            (caption page row.Instance [])
            (Html.panels (row.Views.Count + 1) (row.Views.Count + 1) [
                for i, kind in List.indexed kinds do
                    if i = 0 then Some(inputPanel page row.Instance) else None
                    yield! List.map Some kind
            ])

    let private methods (page: Page) =
        let report = page.Report

        let group (title: string) isCorrect = [
            let rows =
                report.Methods |> Seq.filter (fun row -> row.Instance.IsCorrect = isCorrect)

            if not (Seq.isEmpty rows) then
                h3 [] [ str title ]
                yield! rows |> Seq.map (methodRow page) |> List.ofSeq |> firstThenFold 1 "image"
        ]

        let wrong (instances: ReportInstance seq) =
            instances |> Seq.filter (fun i -> i.IsCorrect = Nullable false) |> Seq.length

        let shown = report.Methods |> Seq.map _.Instance |> wrong

        Html.section "methods" "Methods side by side" "Exercise 14" [
            Html.paragraph
                $"Each method explains the score of the class that the model predicts. The influence-directed map is that of the expert of the predicted class, over this class’s images (over all where it has none), at layer {report.Layer}. A point cloud is the mean of the attribution over the colour channels divided by its largest value; a binary mask keeps the pixels above 0.2 of the largest value, after a Gaussian blur of σ = {Html.plain page.Pictures.Blur} px; a heat map is red where a pixel speaks for the class and blue where it speaks against it, on the scale below it."
            if report.HasTrueClasses && shown < 5 then
                Html.paragraph
                    $"""{Words.Count(shown, "misclassified image")} can be shown: the model misclassifies {wrong report.Instances} of {Words.Count(report.Instances.Count, "image")}."""
            yield! group "Correctly classified" (Nullable true)
            yield! group "Misclassified" (Nullable false)
            yield! group "True class not known" (Nullable())
        ]

    // Charts ------------------------------------------------------------------------------------------------------------

    let private noTitle = "", ""

    let private largest (values: float seq) =
        values |> Seq.filter Double.IsFinite |> Seq.fold max 0. |> (*) 1.05

    /// A point and its interval for each name, the first on top; and a line at what there is to compare with.
    let private intervals label reference (rows: (string * float * float * float) list) =
        let rows = List.rev rows
        let ends = float rows.Length - 0.3

        Charts.draw noTitle [] 1 185f (SKSize(430f, 24f * float32 (rows.Length + 1))) "" [
            {
                Title = ""
                X = Charts.linear label 0. (largest [ for _, _, value, high in rows -> max value high ])
                Y = Charts.named [ for name, _, _, _ in rows -> name ]
                Marks = [
                    for at in Option.toList reference do
                        Charts.curve Charts.reference [ at, -0.7; at, ends ]
                    for i, (_, low, value, high) in List.indexed rows do
                        if Double.IsFinite value then
                            Charts.interval (Charts.stroke 0) (float i) (low, value, high)
                ]
            }
        ]

    // Drop --------------------------------------------------------------------------------------------------------------

    /// A column that says which maps are not sound, where there are such.
    let private mapsColumn (all: MapStates seq) of' = [
        if all |> Seq.exists (fun maps -> maps.Unsound > 0) then
            "maps left out",
            fun row ->
                let maps: MapStates = of' row
                Html.text (Option.defaultValue "none" (Option.ofObj maps.Summary))
    ]

    let private drop (page: Page) =
        let section = page.Report.Drop
        let name = page.Class section.Class
        let images = Words.Count(section.Instances.Count, "image")
        let skipped = section.Drops |> Seq.map _.Skipped |> Seq.max

        let chart () =
            intervals "average drop in percent" None [
                for d in section.Drops -> methodName d.Method, d.Low, d.Score, d.High
            ]

        Html.section "drop" "Average drop" "Exercise 17" [
            Html.paragraph
                $"How much of the predicted class’s score is lost when only the pixels of positive attribution are kept, over {images} of {name}. Lower means that what the map keeps suffices."
            page.Pictures.Add
                "drop.png"
                "Average drop of each method, with its 95% bootstrap interval; lower is better."
                chart
            |> Html.chart "drop-chart"
            yield!
                Html.table
                    "drop-table"
                    $"Average drop over the images of {name}, with a 95%% bootstrap interval (10 000 samples, seed {page.Report.Options.Seed})."
                    ([
                        "method", (fun (d: MethodDrop) -> Html.text (methodName d.Method))
                        "average drop", (fun d -> Html.number (Html.signed 2 "%" d.Score) d.Score)
                        "from", (fun d -> Html.number (Html.fixedTo 2 d.Low) d.Low)
                        "to", (fun d -> Html.number (Html.fixedTo 2 d.High) d.High)
                        "images", (fun d -> Html.count d.Count)
                     ]
                     @ mapsColumn (section.Drops |> Seq.map _.Maps) _.Maps)
                    []
                    section.Drops
            if skipped > 0 then
                Html.paragraph
                    $"Left out of {images}: {skipped}, since the score of their predicted class is not positive, so that a drop in percent is undefined."
        ]

    // Necessity ---------------------------------------------------------------------------------------------------------

    let private curvePanel (page: Page) (row: NecessityRow) =
        let points (c: MethodCurve) = [
            0., row.Whole
            for removed, score in Seq.zip c.Curve.Removed c.Curve.Scores do
                float removed, score
        ]

        let all = row.Curves |> Seq.collect points
        let _, sign, _ = verdict row.Instance

        {
            Title = $"{row.Instance.Label}: {page.Class row.Instance.PredictedClass} {sign}"
            X = Charts.linear "pixels removed" 0. (all |> Seq.map fst |> Seq.max)
            Y = Charts.linear "" 0. (largest (Seq.map snd all))
            Marks = [
                for i, c in Seq.indexed row.Curves ->
                    Charts.curve
                        {
                            Charts.stroke i with
                                Marker = ScottPlot.MarkerShape.None
                        }
                        (points c)
            ]
        }

    let private necessity (page: Page) =
        let report = page.Report
        let rows = List.ofSeq report.Necessity
        let scores = [ for row in rows -> [ for c in row.Curves -> c ] ]
        let isSound (c: MethodCurve) = c.Map = MapState.Sound
        let digits = List.concat scores |> List.map _.Score |> Html.decimals

        let number (score: float) =
            Html.number (Html.fixedTo digits score) score

        // Over the images whose map is sound.
        let mean column =
            match column |> List.filter isSound |> List.map _.Score with
            | [] -> nan
            | sound -> List.average sound

        let scored (c: MethodCurve) =
            let what =
                match c.Map with
                | MapState.Sound -> ""
                | MapState.Empty -> " (empty map)"
                | MapState.Constant -> " (constant map)"
                | MapState.NothingPositive -> " (nothing positive)"
                | _ -> " (map not finite)"

            {
                number c.Score with
                    Content = [ str (Html.fixedTo digits c.Score + what) ]
            }

        let chart () =
            Charts.draw
                ("Score of the predicted class against the pixels removed",
                 $"✓ correctly classified, ✗ misclassified; {report.Steps}")
                [
                    for i, name in Seq.indexed ReportMethods.All -> methodName name, Charts.stroke i
                ]
                (min 5 rows.Length)
                42f
                (SKSize(218f, 170f))
                ""
                (List.map (curvePanel page) rows)

        Html.section "necessity" "Necessity ordering" "Exercise 20" [
            Html.paragraph
                $"The mean score of the predicted class, above the black image’s, while the pixels of positive attribution are removed, largest first, {report.Steps}. Lower means that what the map ranks first is needed."
            page.Pictures.Add
                "necessity.png"
                "Score of the predicted class against the pixels removed, for each image; the table gives the areas."
                chart
            |> Html.chart "necessity-chart"
            yield!
                Html.table
                    "necessity-table"
                    $"""Necessity ordering of {Words.Count(rows.Length, "image")}."""
                    [
                        "image", (fun (row: NecessityRow) -> Html.text row.Instance.Label)
                        "true class", (fun row -> Html.text (page.Truth row.Instance))
                        "predicted class", (fun row -> Html.text (page.Class row.Instance.PredictedClass))
                        "classified", (fun row -> Html.words [ badge row.Instance ])
                        for i, name in Seq.indexed ReportMethods.All do
                            methodName name, (fun row -> scored row.Curves[i])
                    ]
                    [
                        Html.text (
                            if scores |> List.forall (List.forall isSound) then
                                "mean"
                            else
                                "mean of sound maps"
                        )
                        yield! List.replicate 3 (Html.text "")
                        yield! scores |> List.transpose |> List.map (mean >> number)
                    ]
                    rows
        ]

    // Truth -------------------------------------------------------------------------------------------------------------

    let private share value =
        Html.number (Html.percent 1 value) value

    let private times value =
        Html.number (Html.signed 1 "×" value) value

    let private pairName (page: Page) (pair: PairLocation) =
        margin page pair.Expert.Class pair.Expert.Sibling

    let private locationChart (page: Page) (pairs: PairLocation list) =
        let shown = [
            "uniform map",
            {
                Charts.stroke 0 with
                    Colour = Charts.reference.Colour
            },
            (fun (p: PairLocation) -> p.Gradient.PartArea)
            "x ⊙ ∇h of the expert", Charts.stroke 2, _.Gradient.PartShare
            "integrated gradients of the expert", Charts.stroke 3, _.Integrated.PartShare
        ]

        let rows = List.rev pairs

        Charts.draw
            ("Share of the positive attribution on the distinguishing part", "In percent, for the expert of each margin")
            [ for name, stroke, _ in shown -> name, stroke ]
            1
            320f
            (SKSize(460f, 22f * float32 (rows.Length + 1)))
            ""
            [
                {
                    Title = ""
                    X =
                        Charts.linear
                            "percent"
                            0.
                            (largest [
                                for p in pairs do
                                    for _, _, of' in shown -> 100. * of' p
                            ])
                    Y = Charts.named [ for p in rows -> $"{pairName page p} ({p.Part})" ]
                    Marks = [
                        for i, p in List.indexed rows do
                            for _, stroke, of' in shown do
                                Charts.curve stroke [ 100. * of' p, float i ]
                    ]
                }
            ]

    let private pairId (p: PairLocation) =
        $"part-{p.Expert.Class}-{p.Expert.Sibling}"

    /// What the expert of a margin sees, beside the part that it should see.
    let private pairPanels (page: Page) title (p: PairLocation) =
        let row = p.View.Instance.Position

        let region =
            page.Pictures.Region
                "part"
                row
                (page.Report.Options.Truth.Parts.select (0L, int64 row))
                $"The distinguishing part of {described page p.View.Instance}"

        viewPanels page p.Expert.Unit title (Some("distinguishing part", region)) p.View

    let private pairTitle (page: Page) (p: PairLocation) =
        $"{pairName page p}: {page.Report.Noun} {p.Expert.Unit} of {page.Report.Layer}, part: {p.Part}"

    let private pairFigure (page: Page) (p: PairLocation) =
        let id, title = pairId p, pairTitle page p

        div [ _id id ] [
            h3 [] [ str title; Html.anchor id title ]
            viewRow page $"{id}-view" (pairPanels page title p) p.View
        ]

    let private foundFirst (pairs: PairLocation seq) =
        pairs |> Seq.sortByDescending _.Gradient.PartRatio |> List.ofSeq

    let private locations (page: Page) (section: LocationSection) =
        let pairs = List.ofSeq section.Pairs

        Html.section "locations" "Where the attribution lies" "" [
            Html.paragraph
                $"The scenes are drawn, so it is known where the object lies and which part tells the two classes of a pair apart. A uniform map puts on a region the region’s share of the image, its area. Over {section.Instances} images, the same number of each class."
            Html.list section.Verdict
            page.Pictures.Add
                "locations.png"
                "Share of the positive attribution of each margin’s expert that lies on the distinguishing part."
                (fun () -> locationChart page pairs)
            |> Html.chart "locations-chart"
            yield! foundFirst pairs |> List.map (pairFigure page) |> firstThenFold 1 "margin"
            Html.fold "In numbers" [
                yield!
                    Html.table
                        "locations-methods"
                        "Each method: share of the positive attribution inside, and how often the largest pixel is inside."
                        [
                            "method", (fun (m: Location) -> Html.text (methodName m.Method))
                            "on the object", _.ObjectShare >> share
                            "object’s area", _.ObjectArea >> share
                            "ratio", _.ObjectRatio >> times
                            "largest pixel on the object", _.ObjectHits >> share
                            "on the part", _.PartShare >> share
                            "part’s area", _.PartArea >> share
                            "ratio", _.PartRatio >> times
                            "largest pixel on the part", _.PartHits >> share
                        ]
                        []
                        section.Methods
                yield!
                    Html.table
                        "locations-table"
                        $"The expert of each margin at {page.Report.Layer}, over the images of both classes, on the images of the class that the margin favours; IG: integrated gradients of the expert."
                        [
                            "margin", pairName page >> Html.text
                            "part", _.Part >> Html.text
                            $"expert ({page.Report.Noun})", _.Expert.Unit >> Html.count
                            "selectivity",
                            (fun p -> Html.number (Html.fixedTo 2 p.Expert.Selectivity) p.Expert.Selectivity)
                            "active on the class", _.Expert.ActiveOnClass >> share
                            "active on the other", _.Expert.ActiveOnSibling >> share
                            "x ⊙ ∇h on the part", _.Gradient.PartShare >> share
                            "IG on the part", _.Integrated.PartShare >> share
                            "part’s area", _.Gradient.PartArea >> share
                            "ratio, x ⊙ ∇h", _.Gradient.PartRatio >> times
                            "ratio, IG", _.Integrated.PartRatio >> times
                            "largest pixel on the part, x ⊙ ∇h", _.Gradient.PartHits >> share
                        ]
                        []
                        pairs
            ]
        ]

    let private estimate digits sign (e: Estimate) =
        Html.number (Html.signed digits sign e.Value) e.Value

    let private interval digits (e: Estimate) =
        Html.text (
            if Double.IsFinite e.Low then
                $"{Html.fixedTo digits e.Low} to {Html.fixedTo digits e.High}"
            else
                ""
        )

    let private truths (page: Page) (section: TruthSection) =
        let chart () =
            intervals "times a uniform map" (Some 1.) [
                for m in section.Methods -> m.Method, m.Ratio.Low, m.Ratio.Value, m.Ratio.High
            ]

        Html.section "truth" "Which methods find what tells two classes apart" "" [
            Html.paragraph
                $"Every method explains the margin of an image’s class over its sibling, over {section.Instances} scenes, the same number of each class. The distinguishing part covers {Html.percent 1 section.Area} of an image on average; a uniform map puts as much of itself on it. Intervals are the bootstrap’s, over images."
            Html.list section.Verdict
            page.Pictures.Add
                "truth.png"
                "Share of each method’s positive attribution on the distinguishing part, as a multiple of a uniform map’s (the dashed line), with 95% bootstrap intervals."
                chart
            |> Html.chart "truth-chart"
            yield!
                Html.table
                    "truth-table"
                    "Share of each method’s positive attribution on the distinguishing part, as a multiple of a uniform map’s."
                    [
                        "method", (fun (m: MethodTruth) -> Html.text m.Method)
                        "times a uniform map", _.Ratio >> estimate 1 "×"
                        "95% interval", _.Ratio >> interval 1
                        "on the part", _.Share >> share
                        "largest pixel on the part", (fun m -> Html.number (Html.percent 0 m.Hits) m.Hits)
                        "images", _.Count >> Html.count
                    ]
                    []
                    section.Methods
        ]

    // Study and essence -------------------------------------------------------------------------------------------------

    let private criterion (study: Study) (metric: AttributionMetric) =
        let better = if metric.Better = Better.Lower then "lower" else "higher"

        let pairs =
            study.Pairs |> Seq.filter (fun p -> p.Metric = metric.Name && p.Count > 0)

        let sure = pairs |> Seq.filter (fun p -> p.Corrected < 0.05) |> Seq.length
        let rows = study.Rows |> Seq.filter (fun row -> row.Metric = metric.Name)
        let maps = rows |> Seq.map (fun row -> study.Maps row.Method)

        let ranked =
            match rows |> Seq.tryFind (fun row -> row.Ranked > 0) with
            | Some row -> Words.Count(row.Ranked, "image")
            | None -> "no image"

        Html.table
            $"study-{metric.Name}"
            $"{metric.Title}: {better} is better. Medians, and mean ranks over {ranked}, with 95%% bootstrap intervals; {sure} of {Seq.length pairs} pairs of methods differ (signed-rank test, Holm’s correction, 5%%)."
            ([
                "method", (fun (row: StudyRow) -> Html.text row.Method)
                "median", _.Median >> estimate 3 ""
                "95% interval", _.Median >> interval 3
                "mean rank", _.Rank >> estimate 1 ""
                "95% interval", _.Rank >> interval 1
                "images", _.Count >> Html.count
             ]
             @ mapsColumn maps (fun row -> study.Maps row.Method))
            []
            rows

    let private study (page: Page) (study: Study) =
        let images = Words.Count(study.Maps(study.Rows[0].Method).Count, "image")

        let steps =
            if study.Steps.HasValue then
                $", {study.Steps.Value}"
            else
                ""

        let figure () =
            study
            |> StudyPicture.draw
                $"{images}, the predicted class's score, {page.Report.Steps.Short}. Boxes hold the middle half; the best median is on top."

        Html.section "study" "Every method, by four criteria" "" [
            Html.paragraph
                $"Necessity and sufficiency ordering ask whether the pixels that a map ranks first are needed, and whether they suffice; the two proportionalities, whether the score falls and rises in proportion to the attribution removed and put back (0 if it does). Over {images}, the predicted class’s score{steps}."
            page.Pictures.Add
                "study.png"
                "Box plots of each method’s scores by the four criteria of Wang et al., 2020; the tables give the medians."
                figure
            |> Html.chart "study-chart"
            yield! study.Metrics |> Seq.collect (criterion study)
        ]

    let private essence (page: Page) (both: EssenceCurves list) =
        let kept, noun = both.Head, page.Report.Noun

        let whole = kept.Mean(EssenceCurves.WholeModel, kept.UnitCount, fun p -> p.F1)

        let verb (curves: EssenceCurves) =
            if curves.IsSilencing then "silenced" else "kept"

        let rows = [
            for curves in both do
                for count in kept.Counts |> Seq.filter (fun k -> k <= 20 || k = kept.UnitCount) -> curves, count
        ]

        let f1 ranking (curves: EssenceCurves, count: int) =
            let value = curves.Mean(ranking, count, fun p -> p.F1)
            Html.number (Html.fixedTo 2 value) value

        Html.section "essence" "The essence of a class" "" [
            Html.paragraph
                $"""Of the {Words.Count(kept.UnitCount, noun)} of {kept.Layer}, the first few for a class are kept and all others set to 0, or these are silenced; then it is asked how well the rest of the network tells the class from all others. {capital noun}s are ranked by their influence on the class’s score over its images, by the magnitude of that, by their mean activation, and at random. The whole model’s F1 is {Html.fixedTo 2 whole} (mean over {kept.Classes.Count} classes)."""
            for curves in both do
                page.Pictures.Add
                    $"""essence-{verb curves}.png"""
                    $"Recall, precision, F1 and accuracy against the number of {noun}s {verb curves}."
                    (fun () -> EssencePicture.draw page.Report.Names curves)
                |> Html.chart $"essence-{verb curves}"
            yield!
                Html.table
                    "essence-table"
                    $"F1, the mean over classes, by what the {noun}s are ranked by."
                    [
                        $"{noun}s", (fun (curves, count) -> Html.text $"{count} {verb curves}")
                        for ranking in kept.Rankings do
                            ranking, f1 ranking
                    ]
                    []
                    rows
        ]

    // What was computed -------------------------------------------------------------------------------------------------

    let private formulas (page: Page) =
        let report = page.Report

        [
            "saliency map", "x ⊙ ∇<sub>x</sub> f<sub>c</sub>(x)", "f before softmax, c the predicted class"
            "integrated gradients",
            "(x − b) ⊙ (1/N) Σ<sub>i=1…N</sub> ∇<sub>x</sub> f<sub>c</sub>(b + (i/N)(x − b))",
            "N = 50, b = 0 (black)"
            "influence",
            "I = (1/|D|) Σ<sub>x∈D</sub> ∂q(f(x)) / ∂h(x)",
            $"h the layer, q the quantity of interest, D the distribution of interest; the expert is the {report.Noun} with the largest, sign included"
            "expert’s picture",
            "x ⊙ ∇<sub>x</sub> h<sub>i</sub>(x)",
            "and integrated gradients of h<sub>i</sub>, i the expert"
            "average drop",
            "(100/n) Σ max(f<sub>c</sub>(x) − f<sub>c</sub>(M(x)), 0) / f<sub>c</sub>(x)",
            "M(x) the image with the pixels of positive attribution alone"
            "necessity ordering",
            "1/(N+1) Σ<sub>i=1…N</sub> max(f<sub>c</sub>(R(i)) − f<sub>c</sub>(0), 0)",
            $"R(i) the image without its first i pixels of positive attribution, {report.Steps}"
            "rank correlation", "Spearman’s", "Pearson’s correlation of the ranks, ties sharing their mean rank"
            if not (isNull report.Locations) then
                "share on a region",
                "Σ<sub>p∈region</sub> max(A<sub>p</sub>, 0) / Σ<sub>p</sub> max(A<sub>p</sub>, 0)",
                "A the mean over the colour channels; the mean over images"
        ]

    let private computed (page: Page) =
        let report, source = page.Report, page.Source
        let entry (term: string) content = [ dt [] [ str term ]; dd [] content ]
        let version (t: Type) = t.Assembly.GetName().Version.ToString 3
        let definitions = dl [ _class "definitions" ]

        Html.section "computed" "What was computed" "" [
            definitions [
                yield! entry "model" [ Html.code source.Model ]
                yield!
                    entry "images" [
                        Html.code source.Data
                        str $", {report.Instances.Count} of {report.Images.Width}×{report.Images.Height} pixels"
                    ]
                for choice in report.Choices do
                    yield! entry choice.What [ str $"{choice.Value} ({choice.Reason})" ]
                yield! entry "seed" [ str (string report.Options.Seed) ]
                yield! entry "command" [ Html.code source.Command ]
                yield!
                    entry "versions" [
                        str
                            $"Attribution {version typeof<AttributionReport>}, TorchSharp {version typeof<TorchSharp.torch>}, .NET {Environment.Version}, {RuntimeInformation.RuntimeIdentifier}"
                    ]
                yield! entry "duration" [ tag "time" [] [ str $"{Html.fixedTo 0 report.Duration.TotalSeconds} s" ] ]
                for note in report.Notes do
                    yield! entry "note" [ str note ]
            ]
            Html.fold "Formulas" [
                definitions [
                    for term, formula, where in formulas page do
                        yield! entry term [ span [ _class "math" ] [ rawText formula ]; rawText $", {where}" ]
                ]
            ]
            p [] [
                str "Beside this page: "
                Html.code "scores.csv"
                str ", "
                Html.code "scores.json"
                str ", "
                Html.code "experts.json"
                str $""" and {Words.Count(page.Pictures.All.Length, "picture")} as PNG."""
            ]
        ]

    // The first screen --------------------------------------------------------------------------------------------------

    let private fact (term: string) (value: string) =
        div [] [ dt [] [ str term ]; dd [] [ str value ] ]

    let private facts (page: Page) =
        let report = page.Report

        let distinct f =
            report.Instances |> Seq.map f |> Seq.distinct |> Seq.length

        dl [ _class "facts" ] [
            fact "images" (string report.Instances.Count)
            if report.HasTrueClasses then
                fact "classes" (string (distinct _.TrueClass.Value))
                fact "correctly classified" (Html.percent 1 report.Accuracy)
            else
                fact "classes predicted" (string (distinct _.PredictedClass))
            fact "cut at layer" report.Layer
        ]

    /// The picture that says most: the margin's expert that finds its part best, or the methods on an image.
    let private best (page: Page) =
        let report = page.Report

        let id, title, panels =
            if isNull report.Locations then
                let row = report.Methods[0]

                let heat = row.Views |> Seq.map (methodPictures page row >> List.last) |> List.ofSeq

                $"image-{row.Instance.Position}",
                $"What speaks for {page.Class row.Instance.PredictedClass} (red) and against it (blue) in image {row.Instance.Label}, by method",
                inputPanel page row.Instance :: heat
            else
                let p = (foundFirst report.Locations.Pairs).Head

                let title =
                    $"What the {report.Noun} sees that decides for {page.Class p.Expert.Class} and against {page.Class p.Expert.Sibling}, beside the part that tells them apart ({p.Part})"

                let all = pairPanels page (pairTitle page p) p
                pairId p, title, [ all[0]; all[1]; all[3]; all[5] ]

        figure [ _class "best crisp" ] [
            Html.panels panels.Length 2 (List.map Some panels)
            figcaption [] [ str (title + ". "); a [ _href $"#{id}" ] [ str "More of it" ] ]
        ]

    let private brief (report: AttributionReport) = [
        yield! report.Findings
        for sentence in report.Unsound do
            $"{sentence.TrimEnd '.'}: such maps take part in no mean, rank or comparison."
        yield! report.Failures
    ]

    let private contents = [
        "experts", "Experts"
        "margins", "What tells two classes apart"
        "methods", "Methods side by side"
        "drop", "Average drop"
        "necessity", "Necessity ordering"
        "locations", "Where the attribution lies"
        "truth", "Which methods find it"
        "study", "Every method, by four criteria"
        "essence", "The essence of a class"
        "computed", "What was computed"
    ]

    /// The page's sections by their ids: those that the report has numbers for.
    let private sections (page: Page) =
        let report = page.Report

        [
            "experts", experts page
            "margins", margins page
            "methods", methods page
            "drop", drop page
            "necessity", necessity page
            if not (isNull report.Locations) then
                "locations", locations page report.Locations
            if not (isNull report.Truth) then
                "truth", truths page report.Truth
            if not (isNull report.Study) then
                "study", study page report.Study
            if report.Essence.Count > 0 then
                "essence", essence page (List.ofSeq report.Essence)
            "computed", computed page
        ]

    /// The page, and the pictures that lie beside it.
    let render (source: ReportSource) (report: AttributionReport) : string * ReportPicture list =
        let page = {
            Report = report
            Pictures = ReportPictures report
            Source = source
        }

        let sections = sections page

        let html =
            html [ _lang "en" ] [
                head [] [
                    meta [ _charset "utf-8" ]
                    meta [ _name "viewport"; _content "width=device-width, initial-scale=1" ]
                    meta [
                        attr "http-equiv" "Content-Security-Policy"
                        _content
                            "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
                    ]
                    meta [ _name "color-scheme"; _content "light dark" ]
                    title [] [ str source.Title ]
                    link [ _rel "icon"; _href "data:," ]
                    style [] [ rawText (asset "ReportPage.css") ]
                ]
                body [] [
                    a [ _class "skip"; _href "#main" ] [ str "Skip to the report" ]
                    header [] [
                        h1 [] [ str source.Title ]
                        facts page
                        div [ _class "first" ] [
                            div [ _class "brief" ] [ h2 [] [ str "What was found" ]; Html.list (brief report) ]
                            best page
                        ]
                        nav [ attr "aria-label" "Contents" ] [
                            ol [] [
                                for id, name in contents do
                                    if sections |> List.exists (fst >> (=) id) then
                                        li [] [ a [ _href $"#{id}" ] [ str name ] ]
                            ]
                        ]
                    ]
                    main [ _id "main" ] (List.map snd sections)
                    footer [] [ str "Made with Attribution." ]
                    tag "dialog" [ attr "aria-label" "Enlarged figure" ] [
                        div [ _class "stage crisp" ] []
                        p [] []
                        div [ _class "bar" ] [
                            button [ _type "button"; _value "previous" ] [ str "← Previous" ]
                            button [ _type "button"; _value "next" ] [ str "Next →" ]
                            button [ _type "button"; _value "close" ] [ str "Close" ]
                        ]
                    ]
                    script [] [ rawText (asset "ReportPage.js") ]
                ]
            ]
            |> RenderView.AsString.htmlDocument

        html, page.Pictures.All

/// <summary>Writes reports as pages.</summary>
[<Sealed; AbstractClass; Extension>]
type ReportPages =
    /// <summary>Writes a report's page (<c>index.html</c>, which asks for nothing from outside), its pictures as PNG, and its numbers:
    /// <c>scores.csv</c>, <c>scores.json</c> and <c>experts.json</c>.</summary>
    /// <param name="report">The report, whose images must still be there.</param>
    /// <param name="folder">Where to; its drafts are the caller's to commit.</param>
    /// <param name="source">What the report was made from.</param>
    /// <returns>The number of pictures.</returns>
    /// <exception cref="T:Attribution.AttributionException">A file cannot be written.</exception>
    [<Extension>]
    static member WritePage(report: AttributionReport, folder: OutputFolder, source: ReportSource) : int =
        let html, pictures = ReportPage.render source report
        report.WriteScoresCsv(folder.Draft "scores.csv")
        report.WriteScoresJson(folder.Draft "scores.json")
        report.WriteExpertsJson(folder.Draft "experts.json")

        for picture in pictures do
            picture.Figure.Write(folder.Draft picture.Name)

        AtomicFile.Write(
            folder.Draft "index.html",
            fun stream -> stream.Write(ReadOnlySpan(Text.Encoding.UTF8.GetBytes html))
        )

        pictures.Length
