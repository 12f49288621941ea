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

    /// What a page is made from.
    type private Page = {
        Report: AttributionReport
        Pictures: ReportPictures
        Source: ReportSource
    } with

        member page.Class(k: int) = page.Report.Names[k]

        member page.Truth(instance: ReportInstance) =
            match Option.ofNullable instance.TrueClass with
            | Some k -> page.Class k
            | None -> "not known"

        member page.Margin(expert: ReportExpert) = $"{page.Class expert.Class} − {page.Class expert.Sibling}"

    let private capital (text: string) = string (Char.ToUpperInvariant text[0]) + text[1..]

    let private titles = dict [ for method in AttributionMethod.All -> method.Name, method.Title ]

    let private methodName name =
        match titles.TryGetValue name with
        | true, title -> title
        | _ -> capital name

    let private verdict (instance: ReportInstance) =
        match Option.ofNullable instance.IsCorrect with
        | Some true -> "right", "✓ ", "correctly classified"
        | Some false -> "wrong", "✗ ", "misclassified"
        | None -> "", "", "true class not known"

    let private badge instance =
        let style, sign, words = verdict instance
        span [ _class $"badge {style}" ] [ str (sign + words) ]

    let private sentence (page: Page) (instance: ReportInstance) =
        let _, _, words = verdict instance
        $"image {instance.Label} · true: {page.Truth instance} · predicted: {page.Class instance.PredictedClass} · {words}"

    let private imageRow (page: Page) id (instance: ReportInstance) (more: string list) content =
        let lines = [
            str $"true: {page.Truth instance}"
            str $"predicted: {page.Class instance.PredictedClass}"
            badge instance
            yield! List.map str more
        ]

        Html.row' id $"Image {instance.Label}" (lines |> List.collect (fun line -> [ line; br [] ])) content

    let private quantity (page: Page) (e: ReportExpert) =
        if e.Against.HasValue then page.Margin e else page.Class e.Class

    let private distribution (e: ReportExpert) =
        let images = Html.count e.Instances "image"

        if not e.IsOverOwnImages then $"all {images}"
        elif e.Against.HasValue then $"the {images} of both"
        elif e.Instances = 1 then "its own image"
        else $"its own {images}"

    /// The first, and the others in what is folded.
    let private oneThenFold (thing: string) (all: XmlNode list) =
        match all with
        | first :: (_ :: _ as rest) -> [ first; Html.fold (Html.count rest.Length $"more {thing}") rest ]
        | few -> few

    // Experts -----------------------------------------------------------------------------------------------------------

    let private runnersUp digits (e: ReportExpert) =
        match e.Top |> Seq.skip 1 |> Seq.truncate 3 |> Seq.filter (fun u -> u.Influence <> 0.) |> List.ofSeq with
        | [] -> "none has influence"
        | some -> String.concat ", " [ for u in some -> $"{u.Unit}\u00A0({Html.fixedTo digits u.Influence})" ]

    let private expertTable (page: Page) id title (experts: ReportExpert seq) =
        let digits = experts |> Seq.map _.Influence |> Html.decimals
        let dead (e: ReportExpert) = Html.where e.IsDead " dead"
        let noun = page.Report.Noun

        Html.table id title experts [
            "quantity of interest", quantity page >> Html.text
            "distribution of interest", distribution >> Html.text
            $"expert ({noun})", (fun e -> Html.number 0 (dead e) (float e.Unit))
            "influence", _.Influence >> Html.number digits ""
            $"runners-up: {noun} (influence)", runnersUp digits >> Html.text
            "active on the distribution", _.ActiveShare >> Html.share 0
            "active on the class", _.ActiveOnClass >> Html.share 0
            "other class", (fun e -> Html.text (page.Class e.Sibling))
            "active on the other", _.ActiveOnSibling >> Html.share 0
            "selectivity", _.Selectivity >> Html.number 2 ""
        ]

    let private comparisonTable (page: Page) id (comparisons: ExpertComparison seq) =
        let title =
            $"Whether the experts coincide, and Spearman’s rank correlation of the influences of all {page.Report.Noun}s."

        let name e = Html.text $"{quantity page e}, over {distribution e}"

        Html.table id title comparisons [
            "one", _.One >> name
            "other", _.Other >> name
            "experts", (fun c -> Html.text $"{c.One.Unit}, {c.Other.Unit}")
            "coincide", (fun c -> Html.text (if c.Coincide then "yes" else "no"))
            "rank correlation", _.RankCorrelation >> Html.number 3 ""
        ]

    /// The input, what may stand beside it, and a unit's maps of it.
    let private viewPanels (page: Page) unit beside (view: ExpertView) =
        let noun, row, image = page.Report.Noun, view.Instance.Position, sentence page view.Instance

        let of' = $"of {noun} {unit} of layer {page.Report.Layer}: {image}"

        [
            "input", page.Pictures.Input row $"Input: {image}"
            yield! beside
            for kind, file, map in
                [ "x ⊙ ∇h", "gradient", view.Gradient; "integrated gradients", "integrated", view.Integrated ] do
                let file = $"{noun}-{unit}-{file}"
                $"{kind}, point cloud", page.Pictures.PointCloud file row map $"Point cloud of {kind} {of'}"
                $"{kind}, binary mask", page.Pictures.Mask file row map $"Binary mask of {kind} {of'}"
        ]

    let private viewRow (page: Page) id panels (view: ExpertView) =
        let value = $"value of the {page.Report.Noun}: {Html.fixedTo 2 view.Activation}"

        panels
        |> List.map Some
        |> Html.panels (List.length panels) 3
        |> imageRow page id view.Instance [ value ]

    /// What a unit wants to see, found from noise.
    let private ideal (page: Page) id (f: ExpertFigure) =
        let unit, found = f.Experts[0].Unit, f.Ideal
        let noun, layer = page.Report.Noun, f.IdealLayer

        if found.IsDead then
            Html.paragraph $"What it wants to see could not be found: the {noun} stays at 0, whatever it is shown."
        else
            let panels = [
                for i, value in Seq.indexed found.Reached ->
                    let name = $"{noun}-{unit}-ideal-{i + 1}"
                    let words = $"An image that {noun} {unit} of layer {layer} wants to see, found from noise"
                    Some($"value {Html.fixedTo 2 value}", page.Pictures.Made name found.Images i words)
            ]

            let caption = [
                str $"by activation maximisation: images found from noise that make its value at {layer} large"
            ]

            Html.row' $"{id}-ideal" "What it wants to see" caption (Html.panels panels.Length panels.Length panels)

    let private expertFigure (page: Page) section (f: ExpertFigure) =
        let first = f.Experts[0]
        let overs = f.Experts |> Seq.map distribution |> String.concat ", and over "
        let id = $"{section}-{first.Class}-{first.Unit}"

        div [ _id id ] [
            Html.heading id $"{capital first.Noun} {first.Unit} of {first.Layer}: {quantity page first}"
            Html.paragraph
                $"The expert over {overs}, on the images of {page.Class first.Class} on which it is most active."
            if f.Views |> Seq.forall (fun v -> v.Activation <= 0.) then
                Html.warning $"The {first.Noun} is not above 0 on any of them."
            if not (isNull f.Ideal) then
                ideal page id f
            yield!
                oneThenFold "image" [
                    for v in f.Views -> viewRow page $"{id}-{v.Instance.Position}" (viewPanels page first.Unit [] v) v
                ]
        ]

    /// What the same definition names on the other side of the activation.
    let private companions (page: Page) section (experts: ExpertSection) = [
        if experts.Companions.Count > 0 then
            let report = page.Report

            let own, other = (report.Layer, experts.Experts), (report.Companion, experts.Companions)

            let (before, ofBefore), (after, ofAfter), side =
                if report.IsCutBeforeActivation then own, other, "after" else other, own, "before"

            let dead (all: ReportExpert seq) =
                $"{all |> Seq.filter _.IsDead |> Seq.length} of the {Seq.length all} experts"

            if not report.IsCutBeforeActivation && Seq.exists (fun (e: ReportExpert) -> e.IsDead) experts.Experts then
                Html.warning
                    $"Dead experts at {report.Layer}: their maps are zero where the {report.Noun} is off. Cut at {report.Companion} (--layer {report.Companion}) for experts that fire."

            Html.fold $"The same definition {side} the activation" [
                Html.paragraph
                    $"Cut after the activation ({after}), the derivative does not ask whether a {report.Noun} is ever above 0: {dead ofAfter} are active on no image of their distribution. Cut before it ({before}), the derivative passes through the activation and is 0 wherever the {report.Noun} is off: {dead ofBefore} are."
                yield!
                    expertTable
                        page
                        $"{section}-companions"
                        $"What the same definition names at {report.Companion}."
                        experts.Companions
            ]
    ]

    let private experts (page: Page) (id, title, exercise) lead whose (experts: ExpertSection) =
        Html.section id title exercise [
            Html.paragraph lead
            yield! [ for f in experts.Figures -> expertFigure page id f ] |> oneThenFold "expert"
            Html.fold "The experts in numbers" [
                yield! expertTable page $"{id}-table" $"The experts of {whose}." experts.Experts
                yield! comparisonTable page $"{id}-compared" experts.Comparisons
            ]
            yield! companions page id experts
        ]

    let private scores (page: Page) =
        experts
            page
            ("experts", "Experts", "Exercises 11–12")
            $"The expert of a class is the {page.Report.Noun} of layer {page.Report.Layer} with the largest influence on the class’s score, averaged over a distribution of interest: all images, or the class’s own. Its selectivity is the area under the ROC curve of its value as a detector of the class against the other one of the pair."
            "the classes’ scores"
            page.Report.Experts

    let private margins (page: Page) =
        experts
            page
            ("margins", "What tells two classes apart", "Exercise 13")
            "The same for the margin of two classes: the quantity of interest is the one’s score minus the other’s, and the distribution is all images, or those of both classes."
            "the margins"
            page.Report.Margins

    // Methods side by side ----------------------------------------------------------------------------------------------

    let private inputPanel (page: Page) (instance: ReportInstance) =
        "input", page.Pictures.Input instance.Position $"Input: {sentence page instance}"

    /// A method's point cloud, binary mask and heat map of an image.
    let private methodPanels (page: Page) (instance: ReportInstance) (v: MethodView) =
        let row, name = instance.Position, methodName v.Method
        let magnitude = (MapScale.Of(v.Map.unsqueeze 0L)).Magnitude

        let unit = Html.where v.Unit.HasValue $", {page.Report.Noun} {v.Unit}"
        let empty = Html.where (v.PositivePixels = 0) ", no positive attribution"

        let described kind = $"{name}, {kind}: {sentence page instance}"

        let file = if v.Unit.HasValue then $"{page.Report.Noun}-{v.Unit.Value}-gradient" else v.Method

        [
            $"{name}, point cloud{unit}{empty}", page.Pictures.PointCloud file row v.Map (described "point cloud")
            $"{name}, binary mask", page.Pictures.Mask file row v.Map (described "binary mask")
            $"{name}, heat map, {MapScale.Number -magnitude} to {MapScale.Number magnitude}",
            page.Pictures.HeatMap file row v.Map (described "heat map")
        ]

    let private methodRow (page: Page) (row: MethodRow) =
        let columns = row.Views.Count + 1

        [ for view in row.Views -> methodPanels page row.Instance view ]
        |> List.transpose
        |> List.mapi (fun i kind -> (if i = 0 then Some(inputPanel page row.Instance) else None) :: List.map Some kind)
        |> List.concat
        |> Html.panels columns columns
        |> imageRow page $"image-{row.Instance.Position}" row.Instance []

    let private methods (page: Page) =
        let report = page.Report

        let group (title: string) isCorrect = [
            match report.Methods |> Seq.filter (fun row -> row.Instance.IsCorrect = isCorrect) |> List.ofSeq with
            | [] -> ()
            | rows ->
                h3 [] [ str title ]
                yield! oneThenFold "image" (List.map (methodRow page) rows)
        ]

        let wrong (instances: ReportInstance seq) =
            instances |> Seq.filter (fun i -> i.IsCorrect = Nullable false) |> Seq.length

        let shown = wrong [ for row in report.Methods -> row.Instance ]

        Html.section "methods" "Methods side by side" "Exercise 14" [
            Html.paragraph
                $"Each method explains the score of the class that the model predicts. The influence-directed map is that of the expert of the predicted class, over this class’s images (over all where it has none), at layer {report.Layer}. A point cloud is the mean of the attribution over the colour channels divided by its largest value; a binary mask keeps the pixels above 0.2 of the largest value, after a Gaussian blur of σ = {Html.plain page.Pictures.Blur} px; a heat map is red where a pixel speaks for the class and blue where it speaks against it, on the scale below it."
            if report.HasTrueClasses && shown < 5 then
                Html.paragraph
                    $"""{Html.count shown "misclassified image"} can be shown: the model misclassifies {wrong report.Instances} of {Html.count report.Instances.Count "image"}."""
            yield! group "Correctly classified" (Nullable true)
            yield! group "Misclassified" (Nullable false)
            yield! group "True class not known" (Nullable())
        ]

    // Metrics -----------------------------------------------------------------------------------------------------------

    let private chart (page: Page) name description figure =
        Html.chart $"{name}-chart" (page.Pictures.Add $"{name}.png" description figure)

    /// An axis from 0 that holds some numbers.
    let private fromZero label (values: float seq) =
        values
        |> Seq.filter Double.IsFinite
        |> Seq.fold max 0.
        |> fun most -> Charts.linear label 0. (1.05 * most)

    /// A panel of marks for rows, the first of which is on top.
    let private rowsPanel x name marks rows left width height =
        let rows = List.rev rows

        let panel = {
            Title = ""
            X = x
            Y = Charts.named (List.map name rows)
            Marks = [
                for i, row in List.indexed rows do
                    yield! marks (float i) row
            ]
        }

        fun title entries ->
            Charts.draw title entries 1 left (SKSize(width, height * float32 (rows.Length + 1))) "" [ panel ]

    /// A point and its interval for each name.
    let private intervals label (rows: (string * Estimate) list) =
        let x =
            fromZero label [
                for _, e in rows do
                    e.Value
                    e.High
            ]

        let mark y (_, e: Estimate) = [
            if Double.IsFinite e.Value then
                Charts.interval (Charts.stroke 0) y (e.Low, e.Value, e.High)
        ]

        rowsPanel x fst mark rows 185f 430f 24f ("", "") []

    /// A column that says which maps are not sound, where there are such.
    let private mapsColumn (rows: 'row seq) (maps: 'row -> MapStates) = [
        if rows |> Seq.exists (fun row -> (maps row).Unsound > 0) then
            "maps left out", (fun row -> Html.text (Option.defaultValue "none" (Option.ofObj (maps row).Summary)))
    ]

    let private drop (page: Page) =
        let section = page.Report.Drop
        let images = Html.count section.Instances.Count "image"
        let name = page.Class section.Class
        let skipped = section.Drops |> Seq.map _.Skipped |> Seq.max

        Html.section "drop" "Average drop" "Exercise 17" [
            Html.paragraph
                $"How much of the predicted class’s score is lost when only the pixels of positive attribution are kept, over {images} of {name}. Lower means that what the map keeps suffices."
            chart page "drop" "Average drop of each method with its 95% bootstrap interval; lower is better." (fun () ->
                intervals "percent" [ for d in section.Drops -> methodName d.Method, Estimate(d.Score, d.Low, d.High) ])
            yield!
                Html.table
                    "drop-table"
                    $"Average drop over the images of {name}, with a 95%% bootstrap interval (10 000 samples, seed {page.Report.Options.Seed})."
                    section.Drops
                    [
                        "method", _.Method >> methodName >> Html.text
                        "average drop", _.Score >> Html.number 2 "%"
                        "from", _.Low >> Html.number 2 ""
                        "to", _.High >> Html.number 2 ""
                        "images", _.Count >> Html.whole
                        yield! mapsColumn section.Drops _.Maps
                    ]
            if skipped > 0 then
                Html.paragraph
                    $"{skipped} of {images} take no part: the score of their predicted class is not positive, so that a drop in percent is undefined."
        ]

    /// The line of the i-th method, told apart by its pattern too.
    let private line i =
        let patterns = [| ScottPlot.LinePattern.Solid; ScottPlot.LinePattern.Dashed; ScottPlot.LinePattern.Dotted |]

        { Charts.bare (Charts.stroke i) with Pattern = patterns[i % patterns.Length] }

    let private curvePanel (page: Page) (row: NecessityRow) =
        let curves = [
            for c in row.Curves ->
                (0., row.Whole)
                :: [ for removed, score in Seq.zip c.Curve.Removed c.Curve.Scores -> float removed, score ]
        ]

        let _, sign, _ = verdict row.Instance

        {
            Title = $"{sign}{row.Instance.Label}: {page.Class row.Instance.PredictedClass}"
            X = Charts.linear "pixels removed" 0. (curves |> List.concat |> List.map fst |> List.max)
            Y = fromZero "" (curves |> List.concat |> List.map snd)
            Marks = [ for i, curve in List.indexed curves -> Charts.curve (line i) curve ]
        }

    let private necessity (page: Page) =
        let report, names = page.Report, List.ofSeq ReportMethods.All

        let scores = report.Scores |> Seq.filter (fun s -> s.Metric = "necessity-ordering")
        let digits = scores |> Seq.collect _.PerInstance |> Html.decimals

        let scored (c: MethodCurve) =
            let what =
                match c.Map with
                | MapState.Sound -> ""
                | MapState.Empty -> " (empty map)"
                | MapState.Constant -> " (constant map)"
                | MapState.NothingPositive -> " (nothing positive)"
                | _ -> " (map not finite)"

            Html.number digits what c.Score

        let foot = [
            Html.text ("mean" + Html.where (scores |> Seq.exists (fun s -> s.Maps.Unsound > 0)) " of sound maps")
            yield! List.replicate 3 (Html.text "")
            for s in scores do
                Html.number digits "" s.OfSound.Score
        ]

        let figure () =
            Charts.draw
                ("Score of the predicted class against the pixels removed",
                 $"✓ correctly classified, ✗ misclassified · {report.Steps}")
                [ for i, name in List.indexed names -> methodName name, line i ]
                (min 5 report.Necessity.Count)
                42f
                (SKSize(218f, 170f))
                ""
                [ for row in report.Necessity -> curvePanel page row ]

        Html.section "necessity" "Necessity ordering" "Exercise 20" [
            Html.paragraph
                $"The mean score of the predicted class, above the black image’s, while the pixels of positive attribution are removed, largest first, {report.Steps}. Lower means that what the map ranks first is needed."
            chart
                page
                "necessity"
                "Score of the predicted class against the pixels removed, an image a panel; the table gives the areas."
                figure
            yield!
                Html.tableWith
                    foot
                    "necessity-table"
                    $"""Necessity ordering of {Html.count report.Necessity.Count "image"}."""
                    report.Necessity
                    [
                        "image", (fun (row: NecessityRow) -> Html.text row.Instance.Label)
                        "true class", _.Instance >> page.Truth >> Html.text
                        "predicted class", _.Instance.PredictedClass >> page.Class >> Html.text
                        "classified", (fun row -> Html.words [ badge row.Instance ])
                        for i, name in List.indexed names do
                            methodName name, (fun row -> scored row.Curves[i])
                    ]
        ]

    // Truth -------------------------------------------------------------------------------------------------------------

    let private pairId (p: PairLocation) = $"part-{p.Expert.Class}-{p.Expert.Sibling}"

    /// What the expert of a margin sees, beside the part that it should see.
    let private pairPanels (page: Page) (p: PairLocation) =
        let instance = p.View.Instance
        let region = page.Report.Options.Truth.Parts.select (0L, int64 instance.Position)
        let words = $"The distinguishing part: {sentence page instance}"

        viewPanels
            page
            p.Expert.Unit
            [ "distinguishing part", page.Pictures.Region "part" instance.Position region words ]
            p.View

    let private pairFigure (page: Page) (p: PairLocation) =
        let id = pairId p

        div [ _id id ] [
            Html.heading
                id
                $"{page.Margin p.Expert}: {page.Report.Noun} {p.Expert.Unit} of {page.Report.Layer}, part: {p.Part}"
            viewRow page $"{id}-image" (pairPanels page p) p.View
        ]

    let private foundFirst (section: LocationSection) =
        section.Pairs |> Seq.sortByDescending _.Gradient.PartRatio |> List.ofSeq

    let private locationChart (page: Page) (pairs: PairLocation list) =
        let shares = [
            "uniform map",
            { Charts.stroke 0 with Colour = Charts.reference.Colour },
            (fun (p: PairLocation) -> p.Gradient.PartArea)
            "x ⊙ ∇h of the expert", Charts.stroke 2, _.Gradient.PartShare
            "integrated gradients of the expert", Charts.stroke 3, _.Integrated.PartShare
        ]

        let x =
            fromZero "percent" [
                for p in pairs do
                    for _, _, share in shares -> 100. * share p
            ]

        let mark y (p: PairLocation) = [ for _, stroke, share in shares -> Charts.curve stroke [ 100. * share p, y ] ]

        rowsPanel
            x
            (fun (p: PairLocation) -> $"{page.Margin p.Expert} ({p.Part})")
            mark
            pairs
            350f
            430f
            22f
            ("Share of the positive attribution on the distinguishing part", "For the expert of each margin")
            [ for name, stroke, _ in shares -> name, stroke ]

    let private locations (page: Page) (section: LocationSection) =
        let pairs = List.ofSeq section.Pairs

        Html.section "locations" "Where the attribution lies" "" [
            Html.paragraph
                $"The scenes are drawn, so it is known where the object lies and which part tells the two classes of a pair apart. A uniform map puts on a region the region’s share of the image, its area. Over {section.Instances} images, the same number of each class."
            Html.list section.Verdict
            chart
                page
                "locations"
                "Share of the positive attribution of each margin’s expert that lies on the distinguishing part."
                (fun () -> locationChart page pairs)
            yield! foundFirst section |> List.map (pairFigure page) |> oneThenFold "margin"
            Html.fold "Shares in numbers" [
                yield!
                    Html.table
                        "locations-methods"
                        "Each method: share of the positive attribution inside, and how often the largest pixel is inside."
                        section.Methods
                        [
                            "method", (fun (m: Location) -> Html.text (methodName m.Method))
                            "on the object", _.ObjectShare >> Html.share 1
                            "object’s area", _.ObjectArea >> Html.share 1
                            "ratio", _.ObjectRatio >> Html.number 1 "×"
                            "largest pixel on the object", _.ObjectHits >> Html.share 1
                            "on the part", _.PartShare >> Html.share 1
                            "part’s area", _.PartArea >> Html.share 1
                            "ratio", _.PartRatio >> Html.number 1 "×"
                            "largest pixel on the part", _.PartHits >> Html.share 1
                        ]
                yield!
                    Html.table
                        "locations-table"
                        $"The expert of each margin at {page.Report.Layer}, over the images of both classes, on the images of the class that the margin favours; IG: integrated gradients of the expert."
                        pairs
                        [
                            "margin", (fun (p: PairLocation) -> Html.text (page.Margin p.Expert))
                            "part", _.Part >> Html.text
                            $"expert ({page.Report.Noun})", _.Expert.Unit >> Html.whole
                            "selectivity", _.Expert.Selectivity >> Html.number 2 ""
                            "active on the class", _.Expert.ActiveOnClass >> Html.share 0
                            "active on the other", _.Expert.ActiveOnSibling >> Html.share 0
                            "x ⊙ ∇h on the part", _.Gradient.PartShare >> Html.share 1
                            "IG on the part", _.Integrated.PartShare >> Html.share 1
                            "part’s area", _.Gradient.PartArea >> Html.share 1
                            "ratio, x ⊙ ∇h", _.Gradient.PartRatio >> Html.number 1 "×"
                            "ratio, IG", _.Integrated.PartRatio >> Html.number 1 "×"
                            "largest pixel on the part, x ⊙ ∇h", _.Gradient.PartHits >> Html.share 1
                        ]
            ]
        ]

    let private estimate digits sign (e: Estimate) = Html.number digits sign e.Value

    let private interval digits (e: Estimate) =
        Html.text (Html.where (Double.IsFinite e.Low) $"{Html.fixedTo digits e.Low} to {Html.fixedTo digits e.High}")

    let private truths (page: Page) (section: TruthSection) =
        let what =
            "Share of each method’s positive attribution on the distinguishing part, as a multiple of a uniform map’s"

        Html.section "truth" "Which methods find what tells two classes apart" "" [
            Html.paragraph
                $"Each of these methods explains the margin of an image’s class over its sibling, over {section.Instances} scenes, the same number of each class. The distinguishing part covers {Html.percent 1 section.Area} of an image on average; a uniform map puts as much of itself on it. Intervals are the bootstrap’s, over images."
            Html.list section.Verdict
            chart page "truth" $"{what}, with 95%% intervals: above 1 it finds the part." (fun () ->
                intervals "times a uniform map" [ for m in section.Methods -> m.Method, m.Ratio ])
            yield!
                Html.table "truth-table" $"{what}." section.Methods [
                    "method", (fun (m: MethodTruth) -> Html.text m.Method)
                    "times a uniform map", _.Ratio >> estimate 1 "×"
                    "95% interval", _.Ratio >> interval 1
                    "on the part", _.Share >> Html.share 1
                    "largest pixel on the part", _.Hits >> Html.share 0
                    "images", _.Count >> Html.whole
                ]
        ]

    // Study and essence -------------------------------------------------------------------------------------------------

    let private criterion (study: Study) (metric: AttributionMetric) =
        let better = if metric.Better = Better.Lower then "lower" else "higher"

        let pairs = study.Pairs |> Seq.filter (fun p -> p.Metric = metric.Name && p.Count > 0)

        let sure = pairs |> Seq.filter (fun p -> p.Corrected < 0.05) |> Seq.length
        let rows = study.Rows |> Seq.filter (fun row -> row.Metric = metric.Name)
        let ranked = rows |> Seq.map _.Ranked |> Seq.max

        Html.table
            $"study-{metric.Name}"
            $"""{metric.Title}: {better} is better. Medians, and mean ranks over {Html.count ranked "image"}, with 95%% bootstrap intervals; {sure} of {Seq.length pairs} pairs of methods differ (signed-rank test, Holm’s correction, 5%%)."""
            rows
            [
                "method", (fun (row: StudyRow) -> Html.text row.Method)
                "median", _.Median >> estimate 3 ""
                "95% interval", _.Median >> interval 3
                "mean rank", _.Rank >> estimate 1 ""
                "95% interval", _.Rank >> interval 1
                "images", _.Count >> Html.whole
                yield! mapsColumn rows (fun row -> study.Maps row.Method)
            ]

    let private study (page: Page) (study: Study) =
        let images = Html.count (study.Maps study.Rows[0].Method).Count "image"

        let steps = Html.where study.Steps.HasValue $", {study.Steps}"

        let figure () =
            StudyPicture.draw
                $"{images}, the predicted class's score, {page.Report.Steps.Short}. Boxes hold the middle half; the best median is on top."
                study

        Html.section "study" "Methods, by four criteria" "" [
            Html.paragraph
                $"Necessity and sufficiency ordering ask whether the pixels that a map ranks first are needed, and whether they suffice; the two proportionalities, whether the score falls and rises in proportion to the attribution removed and put back (0 if it does). Over {images}, the predicted class’s score{steps}."
            chart page "study" "Box plots of each method’s scores by the four criteria of Wang et al., 2020." figure
            yield! Seq.collect (criterion study) study.Metrics
        ]

    let private essence (page: Page) (both: EssenceCurves list) =
        let kept, noun = both.Head, page.Report.Noun

        let f1 ranking count (curves: EssenceCurves) = curves.Mean(ranking, count, fun p -> p.F1)

        let verb (curves: EssenceCurves) = if curves.IsSilencing then "silenced" else "kept"

        let rows = [
            for curves in both do
                for count in curves.Counts do
                    if count <= 20 || count = curves.UnitCount then
                        curves, count
        ]

        Html.section "essence" "The essence of a class" "" [
            Html.paragraph
                $"Of the {Html.count kept.UnitCount noun} of {kept.Layer}, the first few for a class are kept and all others set to 0, or these are silenced; then it is asked how well the rest of the network tells the class from all others. {capital noun}s are ranked by their influence on the class’s score over its images, by the magnitude of that, by their mean activation, and at random. The whole model’s F1 is {Html.fixedTo 2 (f1 EssenceCurves.WholeModel kept.UnitCount kept)} (mean over {kept.Classes.Count} classes)."
            for curves in both do
                chart
                    page
                    $"essence-{verb curves}"
                    $"Recall, precision, F1 and accuracy against the number of {noun}s {verb curves}."
                    (fun () -> EssencePicture.draw page.Report.Names curves)
            yield!
                Html.table "essence-table" $"F1, the mean over classes, by what the {noun}s are ranked by." rows [
                    $"{noun}s", (fun (curves, count) -> Html.text $"{count} {verb curves}")
                    for ranking in kept.Rankings do
                        ranking, (fun (curves, count) -> Html.number 2 "" (f1 ranking count curves))
                ]
        ]

    // What was computed -------------------------------------------------------------------------------------------------

    let private formulas (page: Page) = [
        for name in [ ReportMethods.Saliency; ReportMethods.IntegratedGradients ] do
            let method = AttributionMethod.Find name
            method.Title, method.Formula, "q the score of the predicted class before softmax; 50 steps from black"
        "Influence",
        "I = (1/|D|) Σ ∂q(f(x)) / ∂h(x) over x ∈ D",
        $"h the layer, q the quantity of interest, D the distribution of interest; the expert is the {page.Report.Noun} with the largest, sign included"
        "Expert’s picture", "x ⊙ ∇ₓ hᵢ(x)", "i the expert; and integrated gradients of hᵢ"
        for name in [ "average-drop"; "necessity-ordering" ] do
            let metric = AttributionMetric.Find name
            metric.Title, metric.Formula, $"the mean over images; {page.Report.Steps} where pixels are removed"
        "Rank correlation", "Spearman’s", "Pearson’s correlation of the ranks, ties sharing their mean rank"
        "Share on a region",
        "Σ max(A, 0) inside / Σ max(A, 0)",
        "A the mean over the colour channels; the mean over images"
    ]

    let private computed (page: Page) =
        let report, source = page.Report, page.Source
        let version (t: Type) = t.Assembly.GetName().Version.ToString 3

        let definitions (entries: (string * XmlNode list) list) =
            dl [ _class "definitions" ] [
                for term, content in entries do
                    dt [] [ str term ]
                    dd [] content
            ]

        Html.section "computed" "What was computed" "" [
            definitions [
                "model", [ Html.code source.Model ]
                "images",
                [
                    Html.code source.Data
                    str $", {report.Images.Count} of {report.Images.Width}×{report.Images.Height} pixels"
                ]
                for choice in report.Choices do
                    choice.What, [ str $"{choice.Value} ({choice.Reason})" ]
                "seed", [ str (string report.Options.Seed) ]
                "command", [ Html.code source.Command ]
                "versions",
                [
                    str
                        $"Attribution {version typeof<AttributionReport>}, TorchSharp {version typeof<TorchSharp.torch>}, .NET {Environment.Version}, {RuntimeInformation.RuntimeIdentifier}"
                ]
                "duration", [ tag "time" [] [ str $"{Html.fixedTo 0 report.Duration.TotalSeconds} s" ] ]
                for note in report.Notes do
                    "note", [ str note ]
            ]
            Html.fold "Formulas" [
                definitions [
                    for term, formula, where in formulas page ->
                        term, [ span [ _class "math" ] [ str formula ]; str $" — {where}" ]
                ]
            ]
            Html.paragraph
                $"""Beside this page: scores.csv, scores.json, experts.json and {Html.count page.Pictures.All.Length "picture"} as PNG."""
        ]

    // The first screen --------------------------------------------------------------------------------------------------

    let private facts (report: AttributionReport) =
        let distinct f = report.Instances |> Seq.map f |> Seq.distinct |> Seq.length |> string

        dl [ _class "facts" ] [
            for term, value in
                [
                    "images", string report.Instances.Count
                    if report.HasTrueClasses then
                        "classes", distinct _.TrueClass.Value
                        "correctly classified", Html.percent 1 report.Accuracy
                    else
                        "classes predicted", distinct _.PredictedClass
                    "cut at layer", report.Layer
                ] do
                div [] [ dt [] [ str term ]; dd [] [ str value ] ]
        ]

    /// The picture that says most: the margin's expert that finds its part best, or else the methods on an image.
    let private best (page: Page) =
        let report = page.Report

        let id, title, panels =
            match Option.ofObj report.Locations with
            | Some section ->
                let p = (foundFirst section).Head
                let panels = pairPanels page p

                pairId p,
                $"What the {report.Noun} sees that speaks most for {page.Class p.Expert.Class} and against {page.Class p.Expert.Sibling}, beside the part that tells them apart: {p.Part}.",
                [ panels[0]; panels[1]; panels[3]; panels[5] ]
            | None ->
                let row = report.Methods[0]

                $"image-{row.Instance.Position}",
                $"What speaks for {page.Class row.Instance.PredictedClass} (red) and against it (blue) in image {row.Instance.Label}, by method.",
                inputPanel page row.Instance
                :: [ for view in row.Views -> List.last (methodPanels page row.Instance view) ]

        figure [ _class "best crisp" ] [
            Html.panels 4 2 (List.map Some panels)
            figcaption [] [ str $"{title} "; a [ _href $"#{id}" ] [ str "All of its pictures" ] ]
        ]

    /// The page's sections: those that the report has numbers for.
    let private sections (page: Page) =
        let report = page.Report

        [
            scores page
            margins page
            methods page
            drop page
            necessity page
            yield! report.Locations |> Option.ofObj |> Option.map (locations page) |> Option.toList
            yield! report.Truth |> Option.ofObj |> Option.map (truths page) |> Option.toList
            yield! report.Study |> Option.ofObj |> Option.map (study page) |> Option.toList
            if report.Essence.Count > 0 then
                essence page (List.ofSeq report.Essence)
            computed page
        ]

    let private policy =
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"

    /// The page, and the pictures that lie beside it.
    let render (source: ReportSource) (report: AttributionReport) : string * ReportPicture list =
        let page = { Report = report; Pictures = ReportPictures report; Source = source }

        let sections = sections page

        let leftOut = [
            for sentence in report.Unsound do
                $"{sentence.TrimEnd '.'}: such maps take part in no mean, rank or comparison."
            yield! report.Failures
        ]

        let html =
            html [ _lang "en" ] [
                head [] [
                    meta [ _charset "utf-8" ]
                    meta [ _name "viewport"; _content "width=device-width, initial-scale=1" ]
                    meta [ attr "http-equiv" "Content-Security-Policy"; _content policy ]
                    meta [ _name "color-scheme"; _content "light dark" ]
                    title [] [ str source.Title ]
                    link [ _rel "icon"; _href "data:," ]
                    style [] [ rawText (asset "ReportPage.css") ]
                ]
                body [] [
                    a [ _class "skip"; _href "#main" ] [ str "Skip to the report" ]
                    header [] [
                        h1 [] [ str source.Title ]
                        facts report
                        div [ _class "first" ] [
                            div [ _class "brief" ] [
                                h2 [] [ str "What was found" ]
                                Html.list report.Findings
                                if leftOut <> [] then
                                    Html.fold "What was left out" [ Html.list leftOut ]
                            ]
                            best page
                        ]
                        nav [ attr "aria-label" "Contents" ] [
                            ol [] [ for s in sections -> li [] [ a [ _href $"#{s.Id}" ] [ str s.Title ] ] ]
                        ]
                    ]
                    main [ _id "main" ] [ for s in sections -> s.Node ]
                    footer [] [ str "Made with Attribution." ]
                    tag "dialog" [ attr "aria-label" "Enlarged figure" ] [
                        div [ _class "stage" ] []
                        p [] []
                        div [ _class "bar" ] [
                            for value, words in [ "previous", "← Previous"; "next", "Next →"; "close", "Close" ] ->
                                button [ _type "button"; _value value ] [ str words ]
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

        AtomicFile.Write(folder.Draft "index.html", _.Write(ReadOnlySpan(Text.Encoding.UTF8.GetBytes html)))

        pictures.Length
