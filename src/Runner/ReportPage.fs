namespace Attribution.Runner

open System
open System.Globalization
open System.IO
open System.Runtime.InteropServices
open Attribution
open Giraffe.ViewEngine

/// What a report was made from, for its page.
type ReportSource = {
    Title: string
    Model: string
    Data: string
    Command: string
}

/// A report as one HTML page that asks for nothing from outside. All texts from a user's files are escaped.
[<RequireQualifiedAccess>]
module ReportPage =
    let private asset name =
        use stream = typeof<ReportSource>.Assembly.GetManifestResourceStream name
        use reader = new StreamReader(stream)
        reader.ReadToEnd()

    // Numbers -----------------------------------------------------------------------------------------------------------

    let private fixedTo (digits: int) (value: float) =
        if Double.IsFinite value then
            // A typographic minus is as wide as a digit.
            value.ToString("F" + string digits, CultureInfo.InvariantCulture).Replace('-', '\u2212')
        else
            "undefined"

    let private percent digits value =
        if Double.IsFinite value then
            fixedTo digits (100. * value) + "%"
        else
            "undefined"

    /// As many decimals as show three digits of the largest number.
    let private decimals (values: float seq) =
        let largest = values |> Seq.filter Double.IsFinite |> Seq.map abs |> Seq.fold max 0.

        if largest = 0. then
            1
        else
            2 - int (floor (log10 largest)) |> max 0 |> min 8

    let private exact (value: float) =
        if Double.IsFinite value then
            value.ToString("R", CultureInfo.InvariantCulture)
        else
            ""

    let private px (value: float) =
        value.ToString("0.##", CultureInfo.InvariantCulture)

    // Tables ------------------------------------------------------------------------------------------------------------

    type private Cell = {
        Content: XmlNode list
        Sort: string option
        IsNumber: bool
    }

    let private words content = {
        Content = content
        Sort = None
        IsNumber = false
    }

    let private text (s: string) = words [ str s ]

    let private number shown (value: float) = {
        Content = [ str shown ]
        Sort = Some(exact value)
        IsNumber = true
    }

    let private count (n: int) = number (string n) (float n)

    let private cell isHead (c: Cell) =
        let attributes = [
            if c.IsNumber then
                _class "n"
            match c.Sort with
            | Some value -> attr "data-value" value
            | None -> ()
            if isHead then
                attr "scope" "row"
        ]

        (if isHead then th else td) attributes c.Content

    /// A table whose columns sort; the first column names the row.
    let private table (title: string) (headers: string list) (rows: Cell list list) (foot: Cell list list) =
        let isNumber =
            match rows with
            | first :: _ -> first |> List.map _.IsNumber
            | [] -> headers |> List.map (fun _ -> false)

        let head =
            List.zip headers isNumber
            |> List.map (fun (header, isNumber) ->
                th [
                    attr "scope" "col"
                    attr "aria-sort" "none"
                    if isNumber then
                        _class "n"
                ] [ button [ _type "button" ] [ str header ] ])

        let row cells =
            tr [] (cells |> List.mapi (fun i c -> cell (i = 0) c))

        div [
            _class (if headers.Length < 7 then "scroll wide" else "scroll")
            attr "role" "region"
            attr "tabindex" "0"
            attr "aria-label" title
        ] [
            HtmlElements.table [] [
                caption [] [ div [] [ str title ] ]
                thead [] [ tr [] head ]
                tbody [] (List.map row rows)
                if foot <> [] then
                    tfoot [] (List.map row foot)
            ]
        ]

    // Figures -----------------------------------------------------------------------------------------------------------

    let private zoom (title: string) (content: XmlNode) =
        button [
            _type "button"
            _class "zoom"
            attr "data-caption" title
            attr "aria-haspopup" "dialog"
        ] [ content ]

    let private picture (title: string) (image: ReportImage) =
        zoom
            title
            (img [
                _src $"data:image/png;base64,{Convert.ToBase64String image.Png}"
                _alt image.Description
                _width (string image.Width)
                _height (string image.Height)
                attr "decoding" "async"
            ])

    let private panel (label: string) caption image =
        div [ _class "panel" ] [ picture caption image; str label ]

    let private panels columns narrow content =
        div [ _class "panels"; _style $"--columns:{columns};--narrow:{narrow}" ] content

    /// The name and sign of a method, and its place among the colours.
    let private methodName =
        function
        | "saliency" -> "Saliency map"
        | "integrated-gradients" -> "Integrated gradients"
        | "influence-directed" -> "Influence-directed"
        | other -> other

    let private svg width height (label: string) content =
        tag
            "svg"
            [
                attr "viewBox" $"0 0 {width} {height}"
                attr "role" "img"
                attr "aria-label" label
            ]
            content

    let private shape name (attributes: (string * string) list) =
        tag name [ for key, value in attributes -> attr key value ] []

    let private line style x1 y1 x2 y2 =
        shape "line" [ "class", style; "x1", px x1; "y1", px y1; "x2", px x2; "y2", px y2 ]

    let private label style anchor x y (content: string) =
        tag "text" [
            attr "class" style
            attr "text-anchor" anchor
            attr "x" (px x)
            attr "y" (px y)
        ] [ str content ]

    /// The round numbers of an axis from 0 that holds a value: steps of 1, 2 or 5 times a power of ten.
    let private ticks (value: float) =
        if value <= 0. || not (Double.IsFinite value) then
            [ 0.; 1. ]
        else
            let power = 10. ** floor (log10 value)

            let step =
                [ 0.2; 0.5; 1.; 2.; 5. ]
                |> List.map ((*) power)
                |> List.find (fun step -> value <= 5. * step)

            [ for i in 0 .. int (Math.Ceiling(value / step - 1e-9)) -> float i * step ]

    let private legend (items: (XmlNode * string) list) =
        ul [ _class "legend" ] [ for mark, name in items -> li [] [ mark; str name ] ]

    let private mark content =
        tag "svg" [ attr "viewBox" "0 0 36 12"; attr "aria-hidden" "true" ] content

    let private circle style x y =
        shape "circle" [ "class", style; "cx", px x; "cy", px y; "r", "5" ]

    let private diamond style (x: float) (y: float) =
        shape "path" [
            "class", style
            "d", $"M{px x} {px (y - 6.)}L{px (x + 6.)} {px y}L{px x} {px (y + 6.)}L{px (x - 6.)} {px y}Z"
        ]

    // Sections ----------------------------------------------------------------------------------------------------------

    let private sectionOf (id: string) (title: string) (exercise: string) content =
        section [ _id id; attr "aria-labelledby" $"{id}-title" ] [
            h2 [ _id $"{id}-title" ] [
                str title
                if exercise <> "" then
                    span [ _class "exercise" ] [ str exercise ]
            ]
            yield! content
        ]

    let private verdict (instance: ReportInstance) =
        match Option.ofNullable instance.IsCorrect with
        | Some true -> "correctly classified"
        | Some false -> "misclassified"
        | None -> "true class not known"

    let private badge (instance: ReportInstance) =
        match Option.ofNullable instance.IsCorrect with
        | Some true -> span [ _class "badge right" ] [ str "✓ correctly classified" ]
        | Some false -> span [ _class "badge wrong" ] [ str "✗ misclassified" ]
        | None -> span [ _class "badge" ] [ str "true class not known" ]

    let private truth (report: AttributionReport) (instance: ReportInstance) =
        match Option.ofNullable instance.TrueClass with
        | Some y -> report.Names[y]
        | None -> "not known"

    let private sentence report (instance: ReportInstance) =
        $"image {instance.Label} · true: {truth report instance} · predicted: {report.Names[instance.PredictedClass]} · {verdict instance}"

    let private captionOf report (instance: ReportInstance) more =
        figcaption [] [
            strong [] [ str $"Image {instance.Label}" ]
            str $"true: {truth report instance}"
            br []
            str $"predicted: {report.Names[instance.PredictedClass]}"
            br []
            badge instance
            yield! more
        ]

    let private quantity (report: AttributionReport) (expert: ReportExpert) =
        match Option.ofNullable expert.Against with
        | Some other -> $"{report.Names[expert.Class]} − {report.Names[other]}"
        | None -> report.Names[expert.Class]

    let private distribution (report: AttributionReport) (expert: ReportExpert) =
        if not expert.IsOverOwnImages then
            $"all {expert.Instances} images"
        elif expert.Against.HasValue then
            $"the {expert.Instances} images of both"
        else
            $"its own {expert.Instances} images"

    let private expertTable title report (experts: ReportExpert seq) =
        let experts = List.ofSeq experts
        let digits = experts |> List.map _.Influence |> decimals

        table
            title
            [
                "quantity of interest"
                "distribution of interest"
                $"expert ({experts.Head.Noun})"
                "influence"
                $"runners-up: {experts.Head.Noun} (influence)"
                "active on the distribution"
                "active on the class"
                "other class"
                "active on the other"
                "selectivity"
            ] [
                for e in experts ->
                    [
                        text (quantity report e)
                        text (distribution report e)
                        {
                            count e.Unit with
                                Content = [
                                    str (string e.Unit)
                                    if e.IsDead then
                                        span [ _class "dead" ] [ str " dead" ]
                                ]
                        }
                        number (fixedTo digits e.Influence) e.Influence
                        text (
                            e.Top
                            |> Seq.skip 1
                            |> Seq.truncate 3
                            |> Seq.map (fun u -> $"{u.Unit}\u00A0({fixedTo digits u.Influence})")
                            |> String.concat ", "
                        )
                        number (percent 0 e.ActiveShare) e.ActiveShare
                        number (percent 0 e.ActiveOnClass) e.ActiveOnClass
                        text report.Names[e.Sibling]
                        number (percent 0 e.ActiveOnSibling) e.ActiveOnSibling
                        number (fixedTo 2 e.Selectivity) e.Selectivity
                    ]
            ] []

    let private comparisonTable (report: AttributionReport) (comparisons: ExpertComparison seq) =
        let name (e: ReportExpert) =
            $"{quantity report e}, over {distribution report e}"

        table
            $"Whether the experts coincide, and Spearman’s rank correlation of the influences of all {report.Noun}s."
            [ "one"; "other"; "experts"; "coincide"; "rank correlation" ] [
                for c in comparisons ->
                    [
                        text (name c.One)
                        text (name c.Other)
                        text $"{c.One.Unit}, {c.Other.Unit}"
                        text (if c.Coincide then "yes" else "no")
                        number (fixedTo 3 c.RankCorrelation) c.RankCorrelation
                    ]
            ] []

    let private view (report: AttributionReport) title narrow (view: ExpertView) =
        figure [ _class "row crisp" ] [
            captionOf report view.Instance [ br []; str $"value of the {report.Noun}: {fixedTo 2 view.Activation}" ]
            panels view.Panels.Count narrow [
                for p in view.Panels -> panel p.Label $"{title}: {p.Label} · {sentence report view.Instance}" p.Image
            ]
        ]

    let private expertFigures (report: AttributionReport) (figures: ExpertFigure seq) = [
        for f in figures do
            let first = f.Experts[0]

            let overs =
                f.Experts |> Seq.map (distribution report) |> String.concat ", and over "

            let title =
                $"{Terminal.capital first.Noun} {first.Unit} of {first.Layer}: {quantity report first}"

            h3 [] [ str title ]

            p [] [
                str $"The expert over {overs}, on the images of {report.Names[first.Class]} on which it is most active."
            ]

            if f.Views |> Seq.forall (fun v -> v.Activation <= 0.) then
                p [ _class "dead" ] [ str $"The {first.Noun} is not above 0 on any of them." ]

            for v in f.Views do
                view report title 3 v
    ]

    let private dead (report: AttributionReport) (section: ExpertSection) = [
        if section.Companions.Count > 0 then
            let deadOf (experts: ReportExpert seq) =
                experts |> Seq.filter _.IsDead |> Seq.length

            let before, after =
                if report.IsCutBeforeActivation then
                    report.Layer, report.Companion
                else
                    report.Companion, report.Layer

            let own, other = deadOf section.Experts, deadOf section.Companions
            let total = section.Experts.Count

            let side = if report.IsCutBeforeActivation then "after" else "before"
            h3 [] [ str $"The same definition {side} the activation" ]

            let ofAfter, ofBefore =
                if report.IsCutBeforeActivation then
                    other, own
                else
                    own, other

            p [] [
                str "Cut after the activation ("
                code [] [ str after ]
                str
                    $"), the derivative does not ask whether a {report.Noun} is ever above 0, and {ofAfter} of the {total} experts are active on no image of their distribution. Cut before it ("
                code [] [ str before ]
                str
                    $"), the derivative passes through the activation and is 0 wherever the {report.Noun} is off, and {ofBefore} of the {total} are."
            ]

            if not report.IsCutBeforeActivation && own > 0 then
                p [ _class "dead" ] [
                    str
                        $"Dead experts at {report.Layer}: their maps are zero where the {report.Noun} is off. Cut at {report.Companion} (--layer {report.Companion}) for experts that fire."
                ]

            expertTable $"What the same definition names at {report.Companion}." report section.Companions
    ]

    let private experts (report: AttributionReport) =
        sectionOf "experts" "Experts" "Exercises 11–12" [
            p [] [
                str $"The expert of a class is the {report.Noun} of layer "
                code [] [ str report.Layer ]
                str
                    " with the largest influence on the class’s score, averaged over a distribution of interest: all images, or the class’s own. Its selectivity is the area under the ROC curve of its value as a detector of the class against the other one of the pair."
            ]
            expertTable "The experts of the classes’ scores." report report.Experts.Experts
            comparisonTable report report.Experts.Comparisons
            yield! dead report report.Experts
            yield! expertFigures report report.Experts.Figures
        ]

    let private margins (report: AttributionReport) =
        sectionOf "margins" "What tells two classes apart" "Exercise 13" [
            p [] [
                str
                    "The same for the margin of two classes: the quantity of interest is the one’s score minus the other’s, and the distribution is all images, or those of both classes."
            ]
            expertTable "The experts of the margins." report report.Margins.Experts
            comparisonTable report report.Margins.Comparisons
            yield! dead report report.Margins
            yield! expertFigures report report.Margins.Figures
        ]

    let private methodRow (report: AttributionReport) (row: MethodRow) =
        let caption kind (v: MethodView) =
            $"{methodName v.Method}, {kind} · {sentence report row.Instance}"

        let note (v: MethodView) =
            let unit =
                if v.Unit.HasValue then
                    $", {report.Noun} {v.Unit.Value}"
                else
                    ""

            let empty =
                if v.PositivePixels = 0 then
                    ", no positive attribution"
                else
                    ""

            unit + empty

        figure [ _class "row crisp" ] [
            captionOf report row.Instance []
            panels 4 4 [
                panel "Input" $"Input · {sentence report row.Instance}" row.Input
                for v in row.Views do
                    panel $"{methodName v.Method}, point cloud{note v}" (caption "point cloud" v) v.PointCloud
                div [ _class "panel" ] []
                for v in row.Views do
                    panel $"{methodName v.Method}, binary mask" (caption "binary mask" v) v.Mask
                div [ _class "panel" ] []
                for v in row.Views do
                    panel
                        $"{methodName v.Method}, heat map, {MapScale.Number -v.Magnitude} to {MapScale.Number v.Magnitude}"
                        (caption "heat map" v)
                        v.HeatMap
            ]
        ]

    let private methods (report: AttributionReport) =
        let right, others =
            report.Methods
            |> List.ofSeq
            |> List.partition (fun row -> row.Instance.IsCorrect = Nullable true)

        let wrong, unknown =
            others |> List.partition (fun row -> row.Instance.IsCorrect = Nullable false)

        let group (title: string) rows = [
            if rows <> [] then
                h3 [] [ str title ]
                yield! List.map (methodRow report) rows
        ]

        sectionOf "methods" "Methods side by side" "Exercise 14" [
            p [] [
                str
                    $"Each method explains the score of the class that the model predicts. The influence-directed map is that of the expert of the predicted class, over this class’s images (over all where it has none), at layer {report.Layer}. A point cloud is the mean of the attribution over the colour channels divided by its largest value; a binary mask keeps the pixels above 0.2 of the largest value, after a Gaussian blur of σ = {px report.Blur} px; a heat map is red where a pixel speaks for the class and blue where it speaks against it, on the scale below it."
            ]
            if report.HasTrueClasses && wrong.Length < 5 then
                p [] [
                    let all =
                        report.Instances
                        |> Seq.filter (fun i -> i.IsCorrect = Nullable false)
                        |> Seq.length

                    str
                        $"Fewer than five misclassified images are shown ({wrong.Length}): the model misclassifies {all} of the {report.Instances.Count} images."
                ]
            yield! group "Correctly classified" right
            yield! group "Misclassified" wrong
            yield! group "True class not known" unknown
        ]

    let private dropChart (drops: MethodDrop list) =
        let ticks =
            drops
            |> List.map (fun d -> if Double.IsFinite d.High then d.High else 0.)
            |> List.max
            |> ticks

        let x value = 130. + 400. * value / List.last ticks

        svg 560 130 "Average drop of each method with its 95% bootstrap interval; the table gives the numbers." [
            for value in ticks do
                line "axis" (x value) 6. (x value) 104.
                label "" "middle" (x value) 122. (px value + "%")
            for i, d in List.indexed drops do
                let y = 22. + 33. * float i
                label "label" "end" 120. (y + 4.) (methodName d.Method)

                if Double.IsFinite d.Score then
                    line $"curve s{i}" (x d.Low) y (x d.High) y
                    circle $"f{i}" (x d.Score) y
        ]

    /// A column that says which maps are not sound, where there are such.
    let private mapsHeader (all: MapStates seq) =
        if all |> Seq.exists (fun maps -> maps.Unsound > 0) then
            [ "maps left out" ]
        else
            []

    let private mapsCell (all: MapStates seq) (maps: MapStates) =
        if all |> Seq.exists (fun maps -> maps.Unsound > 0) then
            [ text (Option.defaultValue "none" (Option.ofObj maps.Summary)) ]
        else
            []

    let private drop (report: AttributionReport) =
        let section = report.Drop
        let name = report.Names[section.Class]

        sectionOf "drop" "Average drop" "Exercise 17" [
            p [] [
                str
                    $"How much of the predicted class’s score is lost when only the pixels of positive attribution are kept, over all {section.Instances.Count} images of {name}. Lower means that what the map keeps suffices."
            ]
            table
                $"Average drop over the images of {name}, with a 95%% bootstrap interval (10 000 samples, seed {report.Seed})."
                ([ "method"; "average drop"; "from"; "to"; "images" ]
                 @ mapsHeader (section.Drops |> Seq.map _.Maps)) [
                    for d in section.Drops ->
                        [
                            text (methodName d.Method)
                            number (fixedTo 2 d.Score + if Double.IsFinite d.Score then "%" else "") d.Score
                            number (fixedTo 2 d.Low) d.Low
                            number (fixedTo 2 d.High) d.High
                            count d.Count
                            yield! mapsCell (section.Drops |> Seq.map _.Maps) d.Maps
                        ]
                ] []
            for d in section.Drops |> Seq.filter (fun d -> d.Skipped > 0) |> Seq.truncate 1 do
                p [] [
                    str
                        $"{d.Skipped} of {d.Drops.Count} images are left out: the score of their predicted class is not positive, so that a drop in percent is undefined."
                ]
            figure [ _class "wide" ] [
                zoom
                    "Average drop of each method, with its 95% bootstrap interval"
                    (dropChart (List.ofSeq section.Drops))
            ]
        ]

    let private curveChart (report: AttributionReport) (row: NecessityRow) =
        let points (c: MethodCurve) =
            (0., row.Whole)
            :: [
                for removed, score in Seq.zip c.Curve.Removed c.Curve.Scores -> float removed, score
            ]

        let all = row.Curves |> Seq.collect points |> List.ofSeq
        let right = all |> List.map fst |> List.max |> max 1.
        let ticks = all |> List.map snd |> List.max |> ticks
        let x value = 40. + 270. * value / right
        let y value = 160. - 145. * value / List.last ticks

        svg 320 200 $"Score against pixels removed for {sentence report row.Instance}; the table gives the areas." [
            for value in ticks do
                line "axis" 40. (y value) 310. (y value)
                label "" "end" 34. (y value + 4.) (value.ToString("0.######", CultureInfo.InvariantCulture))
            label "" "start" 40. 176. "0"
            label "" "end" 310. 176. (px right)
            label "" "middle" 175. 194. "pixels removed"
            for i, c in Seq.indexed row.Curves do
                shape "polyline" [
                    "class", $"curve s{i}"
                    "points",
                    points c
                    |> List.map (fun (a, b) -> $"{px (x a)},{px (y b)}")
                    |> String.concat " "
                ]
        ]

    let private necessity (report: AttributionReport) =
        let rows = List.ofSeq report.Necessity
        let scores = rows |> List.map (fun row -> [ for c in row.Curves -> c.Score ])
        let digits = scores |> List.concat |> decimals

        // Over the images whose map is sound.
        let means =
            [ 0 .. ReportMethods.All.Count - 1 ]
            |> List.map (fun i ->
                match
                    [
                        for row in rows do
                            if row.Curves[i].Map = MapState.Sound then
                                row.Curves[i].Score
                    ]
                with
                | [] -> nan
                | sound -> List.average sound)

        let numbers = List.map (fun score -> number (fixedTo digits score) score)

        let scored (c: MethodCurve) =
            let what =
                match c.Map with
                | MapState.Sound -> ""
                | MapState.Empty -> " (empty map)"
                | MapState.Constant -> " (constant map)"
                | MapState.NothingPositive -> " (nothing positive)"
                | _ -> " (map not finite)"

            number (fixedTo digits c.Score + what) c.Score

        let isAllSound =
            rows
            |> List.forall (fun row -> row.Curves |> Seq.forall (fun c -> c.Map = MapState.Sound))

        let rowOf (row: NecessityRow) = [
            text $"{row.Instance.Label}"
            text (truth report row.Instance)
            text report.Names[row.Instance.PredictedClass]
            words [ badge row.Instance ]
            yield! Seq.map scored row.Curves
        ]

        let legends =
            legend [
                for i, m in Seq.indexed ReportMethods.All -> mark [ line $"curve s{i}" 1. 6. 35. 6. ], methodName m
            ]

        sectionOf "necessity" "Necessity ordering" "Exercise 20" [
            p [] [
                str
                    $"The mean score of the predicted class, above the black image’s, while the pixels of positive attribution are removed, largest first, {report.Steps}. Lower means that what the map ranks first is needed."
            ]
            table
                $"Necessity ordering of {rows.Length} images."
                [
                    "image"
                    "true class"
                    "predicted class"
                    "classified"
                    yield! Seq.map methodName ReportMethods.All
                ]
                (List.map rowOf rows)
                [
                    [
                        text (if isAllSound then "mean" else "mean of sound maps")
                        text ""
                        text ""
                        text ""
                        yield! numbers means
                    ]
                ]
            legends
            div [ _class "charts" ] [
                for row in rows ->
                    figure [] [
                        zoom
                            $"Score against pixels removed · solid: saliency map, dashed: integrated gradients, dotted: influence-directed · {sentence report row.Instance}"
                            (curveChart report row)
                        figcaption [] [
                            strong [] [ str $"Image {row.Instance.Label}" ]
                            str
                                $" · true: {truth report row.Instance} · predicted: {report.Names[row.Instance.PredictedClass]} · "
                            badge row.Instance
                        ]
                    ]
            ]
        ]

    let private pairName (report: AttributionReport) (pair: PairLocation) =
        $"{report.Names[pair.Expert.Class]} − {report.Names[pair.Expert.Sibling]}"

    let private locationChart (report: AttributionReport) (pairs: PairLocation list) =
        let ticks =
            pairs
            |> List.collect (fun p -> [ p.Gradient.PartShare; p.Integrated.PartShare; p.Gradient.PartArea ])
            |> List.max
            |> ticks

        let x value = 20. + 580. * value / List.last ticks
        let height = 44 * pairs.Length + 34

        svg 620 height "Share of the positive attribution on the distinguishing part; the table gives the numbers." [
            for value in ticks do
                line "axis" (x value) 4. (x value) (float height - 26.)
                label "" "middle" (x value) (float height - 8.) (percent 0 value)
            for i, p in List.indexed pairs do
                let y = 34. + 44. * float i
                label "label" "start" 20. (y - 14.) $"{pairName report p} ({p.Part})"
                let shares = [ p.Gradient.PartArea; p.Gradient.PartShare; p.Integrated.PartShare ]
                line "axis" (x (List.min shares)) y (x (List.max shares)) y
                circle "fe" (x p.Gradient.PartArea) y
                circle "f0" (x p.Gradient.PartShare) y
                diamond "f1" (x p.Integrated.PartShare) y
        ]

    let private locations (report: AttributionReport) (section: LocationSection) =
        let pairs = List.ofSeq section.Pairs
        let share value = number (percent 1 value) value
        let times value = number (fixedTo 1 value + "×") value

        sectionOf "locations" "Where the attribution lies" "" [
            p [] [
                str
                    $"The scenes are drawn, so it is known where the object lies and which part tells the two classes of a pair apart. A uniform map puts on a region the region’s share of the image, its area. Over {section.Instances} images, the same number of each class."
            ]
            ul [] [ for s in section.Verdict -> li [] [ str s ] ]
            table
                "Each method: share of the positive attribution inside, and how often the largest pixel is inside."
                [
                    "method"
                    "on the object"
                    "object’s area"
                    "ratio"
                    "largest pixel on the object"
                    "on the part"
                    "part’s area"
                    "ratio"
                    "largest pixel on the part"
                ] [
                    for m in section.Methods ->
                        [
                            text (methodName m.Method)
                            share m.ObjectShare
                            share m.ObjectArea
                            times m.ObjectRatio
                            share m.ObjectHits
                            share m.PartShare
                            share m.PartArea
                            times m.PartRatio
                            share m.PartHits
                        ]
                ] []
            table
                $"The expert of each margin at {report.Layer}, over the images of both classes, on the images of the class that the margin favours; IG: integrated gradients of the expert."
                [
                    "margin"
                    "part"
                    $"expert ({report.Noun})"
                    "selectivity"
                    "active on the class"
                    "active on the other"
                    "x ⊙ ∇h on the part"
                    "IG on the part"
                    "part’s area"
                    "ratio, x ⊙ ∇h"
                    "ratio, IG"
                    "largest pixel on the part, x ⊙ ∇h"
                ] [
                    for p in pairs ->
                        [
                            text (pairName report p)
                            text p.Part
                            count p.Expert.Unit
                            number (fixedTo 2 p.Expert.Selectivity) p.Expert.Selectivity
                            number (percent 0 p.Expert.ActiveOnClass) p.Expert.ActiveOnClass
                            number (percent 0 p.Expert.ActiveOnSibling) p.Expert.ActiveOnSibling
                            share p.Gradient.PartShare
                            share p.Integrated.PartShare
                            share p.Gradient.PartArea
                            times p.Gradient.PartRatio
                            times p.Integrated.PartRatio
                            share p.Gradient.PartHits
                        ]
                ] []
            figure [ _class "wide" ] [
                zoom
                    "Share of the positive attribution of each margin’s expert on the distinguishing part"
                    (locationChart report pairs)
                legend [
                    mark [ circle "fe" 18. 6. ], "uniform map"
                    mark [ circle "f0" 18. 6. ], "x ⊙ ∇h of the expert"
                    mark [ diamond "f1" 18. 6. ], "integrated gradients of the expert"
                ]
                figcaption [] [
                    str
                        "Share of the positive attribution of each margin’s expert that lies on the distinguishing part."
                ]
            ]
            for p in pairs do
                let title =
                    $"{pairName report p}: {report.Noun} {p.Expert.Unit} of {report.Layer}, part: {p.Part}"

                h3 [] [ str title ]
                view report title 3 p.View
        ]

    let private estimate digits sign (e: Estimate) =
        number $"{fixedTo digits e.Value}{sign}" e.Value

    let private interval digits (e: Estimate) =
        words [
            if Double.IsFinite e.Low then
                str $"{fixedTo digits e.Low} to {fixedTo digits e.High}"
        ]

    let private drawn title (image: ReportImage) =
        figure [ _class "wide drawn" ] [ picture title image ]

    let private truths (section: TruthSection) =
        sectionOf "truth" "Which methods find what tells two classes apart" "" [
            p [] [
                str
                    $"Every method explains the margin of an image’s class over its sibling, over {section.Instances} scenes, the same number of each class. The distinguishing part covers {percent 1 section.Area} of an image on average; a uniform map puts as much of itself on it. Intervals are the bootstrap’s, over images."
            ]
            ul [] [ for s in section.Verdict -> li [] [ str s ] ]
            table
                "Share of each method’s positive attribution on the distinguishing part, as a multiple of a uniform map’s."
                [
                    "method"
                    "times a uniform map"
                    "95% interval"
                    "on the part"
                    "largest pixel on the part"
                    "images"
                ] [
                    for m in section.Methods ->
                        [
                            text m.Method
                            estimate 1 "×" m.Ratio
                            interval 1 m.Ratio
                            number (percent 1 m.Share) m.Share
                            number (percent 0 m.Hits) m.Hits
                            count m.Count
                        ]
                ] []
        ]

    let private study (section: StudySection) =
        let steps =
            if section.Study.Steps.HasValue then
                $", {section.Study.Steps.Value}"
            else
                ""

        sectionOf "study" "Every method, by four criteria" "" [
            p [] [
                str
                    $"Necessity and sufficiency ordering ask whether the pixels that a map ranks first are needed, and whether they suffice; the two proportionalities, whether the score falls and rises in proportion to the attribution removed and put back (0 if it does). Over {section.Instances} images, the predicted class’s score{steps}."
            ]
            drawn "Each method’s scores by the four criteria of Wang et al., 2020" section.Figure
            for metric in section.Study.Metrics do
                let better = if metric.Better = Better.Lower then "lower" else "higher"

                let pairs =
                    section.Study.Pairs
                    |> Seq.filter (fun p -> p.Metric = metric.Name && p.Count > 0)

                let sure = pairs |> Seq.filter (fun p -> p.Corrected < 0.05) |> Seq.length

                let maps =
                    section.Study.Rows
                    |> Seq.map (fun row -> section.Study.Maps row.Method)
                    |> List.ofSeq

                let rows = section.Study.Rows |> Seq.filter (fun row -> row.Metric = metric.Name)

                let ranked =
                    match rows |> Seq.tryFind (fun row -> row.Ranked > 0) with
                    | Some row -> $"{row.Ranked} images"
                    | None -> "no image"

                table
                    $"{metric.Title}: {better} is better. Medians, and mean ranks over {ranked}, with 95%% bootstrap intervals; {sure} of {Seq.length pairs} pairs of methods differ (signed-rank test, Holm’s correction, 5%%)."
                    ([ "method"; "median"; "95% interval"; "mean rank"; "95% interval"; "images" ]
                     @ mapsHeader maps) [
                        for row in rows ->
                            [
                                text row.Method
                                estimate 3 "" row.Median
                                interval 3 row.Median
                                estimate 1 "" row.Rank
                                interval 1 row.Rank
                                count row.Count
                                yield! mapsCell maps (section.Study.Maps row.Method)
                            ]
                    ] []
        ]

    let private essence (report: AttributionReport) (section: EssenceSection) =
        let curves = section.Kept
        let few = curves.Counts |> Seq.filter (fun k -> k <= 20 || k = curves.UnitCount)

        let line (curves: EssenceCurves) count =
            let f1 ranking =
                let value = curves.Mean(ranking, count, fun p -> p.F1)
                number (fixedTo 2 value) value

            let verb = if curves.IsSilencing then "silenced" else "kept"

            words [ str $"{count} {verb}" ]
            :: [ for ranking in curves.Rankings -> f1 ranking ]

        let whole = curves.Mean(EssenceCurves.WholeModel, curves.UnitCount, fun p -> p.F1)

        sectionOf "essence" "The essence of a class" "" [
            p [] [
                str
                    $"Of the {curves.UnitCount} {report.Noun}s of {curves.Layer}, the first few for a class are kept and all others set to 0, or these are silenced; then it is asked how well the rest of the network tells the class from all others. {report.Noun.Substring(0, 1).ToUpperInvariant() + report.Noun.Substring 1}s are ranked by their influence on the class’s score over its images, by the magnitude of that, by their mean activation, and at random. The whole model’s F1 is {fixedTo 2 whole} (mean over {curves.Classes.Count} classes)."
            ]
            table
                "F1, the mean over classes, by what the units are ranked by."
                (report.Noun + "s" :: List.ofSeq curves.Rankings) [
                    for count in few -> line section.Kept count
                    for count in few -> line section.Silenced count
                ] []
            drawn "Recall, precision, F1 and accuracy against the number of units kept" section.KeptFigure
            drawn "The same against the number of units silenced" section.SilencedFigure
        ]

    let private formula (html: string) = span [ _class "math" ] [ rawText html ]

    let private computed (source: ReportSource) (report: AttributionReport) =
        let entry (term: string) content = [ dt [] [ str term ]; dd [] content ]

        let version (t: Type) = t.Assembly.GetName().Version.ToString 3

        sectionOf "computed" "What was computed" "" [
            dl [ _class "definitions" ] [
                yield! entry "model" [ code [] [ str source.Model ] ]
                yield!
                    entry "images" [
                        code [] [ str source.Data ]
                        str $", {report.Instances.Count} of {report.Width}×{report.Height} pixels"
                    ]
                for choice in report.Choices do
                    yield! entry choice.What [ str $"{choice.Value} ({choice.Reason})" ]
                yield!
                    entry "saliency map" [
                        formula "x ⊙ ∇<sub>x</sub> f<sub>c</sub>(x)"
                        str ", f before softmax, c the predicted class"
                    ]
                yield!
                    entry "integrated gradients" [
                        formula "(x − b) ⊙ (1/N) Σ<sub>i=1…N</sub> ∇<sub>x</sub> f<sub>c</sub>(b + (i/N)(x − b))"
                        str ", N = 50, b = 0 (black)"
                    ]
                yield!
                    entry "influence" [
                        formula "I = (1/|D|) Σ<sub>x∈D</sub> ∂q(f(x)) / ∂h(x)"
                        str
                            $", h the layer, q the quantity of interest, D the distribution of interest; the expert is the {report.Noun} with the largest, sign included"
                    ]
                yield!
                    entry "expert’s picture" [
                        formula "x ⊙ ∇<sub>x</sub> h<sub>i</sub>(x)"
                        str ", and integrated gradients of "
                        formula "h<sub>i</sub>"
                        str ", i the expert"
                    ]
                yield!
                    entry "average drop" [
                        formula "(100/n) Σ max(f<sub>c</sub>(x) − f<sub>c</sub>(M(x)), 0) / f<sub>c</sub>(x)"
                        str ", M(x) the image with the pixels of positive attribution alone"
                    ]
                yield!
                    entry "necessity ordering" [
                        formula "1/(N+1) Σ<sub>i=1…N</sub> max(f<sub>c</sub>(R(i)) − f<sub>c</sub>(0), 0)"
                        str $", R(i) the image without its first i pixels of positive attribution, {report.Steps}"
                    ]
                yield!
                    entry "rank correlation" [
                        str "Spearman’s: Pearson’s correlation of the ranks, ties sharing their mean rank"
                    ]
                if not (isNull report.Locations) then
                    yield!
                        entry "share on a region" [
                            formula "Σ<sub>p∈region</sub> max(A<sub>p</sub>, 0) / Σ<sub>p</sub> max(A<sub>p</sub>, 0)"
                            str ", A the mean over the colour channels; the mean over images"
                        ]
                yield! entry "seed" [ str (string report.Seed) ]
                yield!
                    entry "versions" [
                        str
                            $"Attribution {version typeof<AttributionReport>}, TorchSharp {version typeof<TorchSharp.torch>}, .NET {Environment.Version}, {RuntimeInformation.RuntimeIdentifier}"
                    ]
                yield! entry "command" [ code [] [ str source.Command ] ]
                yield! entry "duration" [ tag "time" [] [ str $"{fixedTo 0 report.Duration.TotalSeconds} s" ] ]
                for note in report.Notes do
                    yield! entry "note" [ str note ]
            ]
            p [] [
                str "Beside this page: "
                code [] [ str "scores.csv" ]
                str ", "
                code [] [ str "scores.json" ]
                str ", "
                code [] [ str "experts.json" ]
                str $" and the {report.Images.Count} pictures as PNG."
            ]
        ]

    let private brief (report: AttributionReport) = [
        if not (isNull report.Locations) then
            yield! report.Locations.Verdict |> Seq.truncate 1

        if not (isNull report.Truth) then
            yield! report.Truth.Verdict |> Seq.truncate 1

        let best = report.Drop.Drops |> Seq.filter (fun d -> Double.IsFinite d.Score)

        if not (Seq.isEmpty best) then
            let each =
                best
                |> Seq.map (fun d -> $"{(methodName d.Method).ToLowerInvariant()} {fixedTo 1 d.Score}%%")
                |> String.concat ", "

            $"Average drop over the images of {report.Names[report.Drop.Class]}: {each}."

        for sentence in report.Unsound do
            $"{sentence.TrimEnd '.'}: such maps take part in no mean, rank or comparison."

        yield! report.Failures

        for pair in report.Pairs do
            let a, b = report.Names[pair.First], report.Names[pair.Second]

            for c in report.Experts.Comparisons do
                if
                    not c.One.IsOverOwnImages
                    && c.One.Class = pair.First
                    && c.Other.Class = pair.Second
                    && not c.Other.IsOverOwnImages
                then
                    if c.Coincide then
                        $"{a} and {b} have the same expert over all images, {report.Noun} {c.One.Unit} of {report.Layer}; the rank correlation of their influences is {fixedTo 2 c.RankCorrelation}."
                    else
                        $"{a} and {b} have different experts over all images, {report.Noun}s {c.One.Unit} and {c.Other.Unit} of {report.Layer}; the rank correlation of their influences is {fixedTo 2 c.RankCorrelation}."
    ]

    let private contents (report: AttributionReport) = [
        "experts", "Experts"
        "margins", "What tells two classes apart"
        "methods", "Methods side by side"
        "drop", "Average drop"
        "necessity", "Necessity ordering"
        if not (isNull report.Locations) then
            "locations", "Where the attribution lies"
        if not (isNull report.Truth) then
            "truth", "Which methods find what tells two classes apart"
        if not (isNull report.Study) then
            "study", "Every method, by four criteria"
        if not (isNull report.Essence) then
            "essence", "The essence of a class"
        "computed", "What was computed"
    ]

    /// The page.
    let render (source: ReportSource) (report: AttributionReport) : string =
        let fact (term: string) (value: string) =
            div [] [ dt [] [ str term ]; dd [] [ str value ] ]

        html [ _lang "en" ] [
            head [] [
                meta [ _charset "utf-8" ]
                meta [ _name "viewport"; _content "width=device-width, initial-scale=1" ]
                meta [
                    attr "http-equiv" "Content-Security-Policy"
                    _content "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
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
                    p [ _class "lede" ] [
                        str
                            "Which unit of the network decides, what it sees, and how its maps compare with saliency and integrated gradients."
                    ]
                    dl [ _class "facts" ] [
                        fact "images" (string report.Instances.Count)
                        fact
                            "classes"
                            (report.Instances
                             |> Seq.map (truth report)
                             |> Seq.distinct
                             |> Seq.length
                             |> string)
                        if report.HasTrueClasses then
                            fact "correctly classified" (percent 1 report.Accuracy)
                        fact "cut at layer" report.Layer
                    ]
                    div [ _class "brief" ] [
                        h2 [] [ str "In brief" ]
                        ul [] [ for s in brief report -> li [] [ str s ] ]
                    ]
                    nav [ attr "aria-label" "Contents" ] [
                        ol [] [
                            for id, name in contents report -> li [] [ a [ _href $"#{id}" ] [ str name ] ]
                        ]
                    ]
                ]
                HtmlElements.main [ _id "main" ] [
                    experts report
                    margins report
                    methods report
                    drop report
                    necessity report
                    if not (isNull report.Locations) then
                        locations report report.Locations
                    if not (isNull report.Truth) then
                        truths report.Truth
                    if not (isNull report.Study) then
                        study report.Study
                    if not (isNull report.Essence) then
                        essence report report.Essence
                    computed source report
                ]
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
