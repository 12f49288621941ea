namespace Attribution

open System
open System.Globalization
open System.Collections.Generic
open System.Runtime.CompilerServices

/// <summary>A table of words and numbers, for a terminal.</summary>
type TextTable = {
    /// <summary>What it is of.</summary>
    Title: string
    /// <summary>How many columns, from the left, are words; the others are numbers.</summary>
    Words: int
    Headers: IReadOnlyList<string>
    /// <summary>Rows of as many cells as there are headers.</summary>
    Rows: IReadOnlyList<IReadOnlyList<string>>
    /// <summary>What there is to say under it, a sentence each.</summary>
    Notes: IReadOnlyList<string>
} with

    /// <summary>A table.</summary>
    static member Of
        (
            title: string,
            words: int,
            headers: IReadOnlyList<string>,
            rows: IReadOnlyList<IReadOnlyList<string>>,
            notes: IReadOnlyList<string>
        ) : TextTable = { Title = title; Words = words; Headers = headers; Rows = rows; Notes = notes }

[<RequireQualifiedAccess>]
module internal TextTable =
    let number (format: string) (value: float) = value.ToString(format, CultureInfo.InvariantCulture)

    let three = number "0.000"

    let percent share = number "0.0" (100. * share) + " %"

    let create title words (headers: string list) (rows: string list list) (notes: string list) =
        TextTable.Of(title, words, headers, [ for row in rows -> row :> IReadOnlyList<string> ], notes)

/// <summary>Tables of results, for a terminal.</summary>
[<Sealed; AbstractClass; Extension>]
type TextTables =
    static member private Auc(expert: ExpertSummary) =
        match Option.ofObj expert.Selectivity with
        | Some s -> TextTable.three s.Auc
        | None -> ""

    static member private OfOne(expert: ExpertSummary, names: ClassNames) : TextTable list =
        let notes = [
            match Option.ofObj expert.Selectivity with
            | Some s ->
                $"Its value tells {names[int s.Class]} from {names[int s.Against]} with selectivity {TextTable.three s.Auc} (area under the ROC curve)."
            | None -> ()

            match Option.ofObj expert.Opposite with
            | Some other ->
                $"The opposite margin's expert is {expert.Noun} {other.Unit}, active on {TextTable.percent other.ActiveShare} of them."
            | None -> ()

            yield! Option.toList (Option.ofObj expert.Warning)
        ]

        let active =
            $"The expert is {expert.Named}, active on {TextTable.percent expert.ActiveShare} of the {expert.Instances} images of its distribution ({expert.Distribution})."

        let influence =
            TextTable.create $"Influence of layer {expert.Layer} on {expert.Quantity}{expert.Taken}" 0 [
                expert.Noun
                "influence"
            ] [ for unit in expert.Top -> [ string unit.Unit; TextTable.number "G6" unit.Influence ] ]

        if expert.Classes.Count = 0 then
            [ influence (active :: notes) ]
        else
            [
                influence [ active ]
                TextTable.create
                    $"How often {expert.Named} is active"
                    1
                    [ "class"; "number"; "images"; "active" ]
                    [
                        for c in expert.Classes ->
                            [ names[int c.Class]; string c.Class; string c.Instances; TextTable.percent c.ActiveShare ]
                    ]
                    notes
            ]

    static member private OfSeveral(experts: ExpertSummary list, images: int) : TextTable list =
        let asks = [ "layer"; "quantity"; "distribution" ]
        let asked (e: ExpertSummary) = [ e.Layer; e.Quantity; e.Distribution ]
        let most = experts |> List.map _.Top.Count |> List.max

        let dead =
            match experts |> List.filter _.IsDead with
            | [] -> []
            | dead ->
                let names = [ for e in dead -> $"{e.Layer}: {e.Expert}" ] |> List.distinct |> String.concat ", "

                [
                    $"{dead.Length} of them are dead experts, active on no image of their distribution ({names}): {dead.Head.Advice}."
                ]

        let all =
            TextTable.create
                $"{experts.Length} experts over {images} images{experts.Head.Taken}"
                3
                (asks @ [ "expert"; "influence"; "active there"; "selectivity" ])
                [
                    for e in experts ->
                        asked e
                        @ [
                            e.Named
                            TextTable.number "G6" e.Top[0].Influence
                            TextTable.percent e.ActiveShare
                            TextTables.Auc e
                        ]
                ]

        if most = 1 then
            [ all dead ]
        else
            [
                all []
                TextTable.create
                    $"The {most} with most influence, largest first"
                    4
                    (asks @ [ "" ])
                    [
                        for e in experts ->
                            asked e @ [ e.Top |> Seq.map (fun u -> string u.Unit) |> String.concat ", " ]
                    ]
                    dead
            ]

    /// <summary>Experts: of one its influence and how often it is active, of several a line each.</summary>
    /// <param name="experts">The experts, at least one.</param>
    /// <param name="names">What classes are called.</param>
    /// <param name="images">How many images they were looked for among.</param>
    [<Extension>]
    static member Tables
        (experts: IReadOnlyList<ExpertSummary>, names: ClassNames, images: int)
        : IReadOnlyList<TextTable> =
        match List.ofSeq experts with
        | [ expert ] -> TextTables.OfOne(expert, names)
        | several -> TextTables.OfSeveral(several, images)

    /// <summary>How well classes are recognised by the first units: the mean over classes, and for a few classes what decides on
    /// each.</summary>
    /// <param name="curves">The curves.</param>
    /// <param name="names">What classes are called.</param>
    /// <param name="images">How many images they are over.</param>
    [<Extension>]
    static member Tables(curves: EssenceCurves, names: ClassNames, images: int) : IReadOnlyList<TextTable> =
        // Nobody reads a longer table than this.
        let mostRows = 40

        let number (value: float) = if Double.IsFinite value then TextTable.three value else "-"

        let noun = if curves.Units = Units.Each then "units" else "channels"
        let verb = if curves.IsSilencing then "silenced" else "kept"

        let row (shown: string) (ranking: string) count =
            let mean (score: EssencePoint -> float) = number (curves.Mean(ranking, count, score))

            [ shown; ranking; mean _.Recall; mean _.Precision; mean _.F1; mean _.Accuracy ]

        let subject =
            match List.ofSeq curves.Classes with
            | [ k ] -> $"{names[k]} against the rest"
            | several -> $"mean of {several.Length} classes, each against the rest"

        let meaning =
            if curves.IsSilencing then
                "without which less than half of the whole model's F1 is left"
            else
                "that reach 90 % of the whole model's F1"

        let decisive k ranking =
            match Option.ofNullable (curves.Decisive(k, ranking)) with
            | Some count -> string count
            | None -> "-"

        [
            TextTable.create
                $"First {noun} of layer {curves.Layer} {verb}: {subject}, {images} images"
                2
                [ $"{noun} {verb}"; "ranked by"; "recall"; "precision"; "F1"; "accuracy" ] [
                    for count in curves.Counts do
                        for ranking in curves.Rankings do
                            row (string count) ranking count

                    row "" EssenceCurves.WholeModel curves.UnitCount
                ] []
            if curves.Classes.Count <= mostRows then
                TextTable.create
                    $"Fewest {noun}, of the numbers above, {meaning}"
                    1
                    ([ "class"; "number"; "images"; "recall"; "precision"; "F1" ] @ List.ofSeq curves.Rankings) [
                        for k in curves.Classes ->
                            let whole = curves.Whole k

                            [
                                names[k]
                                string k
                                string (curves.Images k)
                                number whole.Recall
                                number whole.Precision
                                number whole.F1
                            ]
                            @ [ for ranking in curves.Rankings -> decisive k ranking ]
                    ] []
        ]

    /// <summary>The means of trials with their 95 % intervals, shares in percent: a row a variant.</summary>
    /// <param name="trials">The trials.</param>
    /// <param name="title">What they are of.</param>
    /// <param name="variant">What a variant is called.</param>
    [<Extension>]
    static member Table(trials: Trials, title: string, variant: string) : TextTable =
        let number (value: float) =
            if trials.AreShares then TextTable.number "0.0" (100. * value) else TextTable.number "0.###" value

        let isAlone = trials.Each.Count = 1

        let cell (found: TrialMean) =
            if Double.IsNaN found.Mean then "-"
            elif Double.IsInfinity found.Low then number found.Mean
            else $"{number found.Mean} ({number found.Low} to {number found.High})"

        TextTable.create
            title
            1
            [
                variant
                for measure in trials.Measures do
                    if trials.AreShares then $"{measure} (%%)" else measure
            ] [
                for variant in trials.Variants ->
                    [
                        variant
                        for measure in trials.Measures do
                            cell (trials.Mean(variant, measure))
                    ]
            ] [
                $"""{Words.Count(trials.Each.Count, trials.Trial)}: the mean{if isAlone then "" else " and its 95 % interval, by Student's t"}."""
            ]

    /// <summary>The means of methods by metrics, over the images whose map is sound; where there is none, the score by definition,
    /// so marked.</summary>
    /// <param name="study">The study.</param>
    /// <param name="title">Of what it is.</param>
    [<Extension>]
    static member MeanTable(study: Study, title: string) : TextTable =
        let cell (scores: MethodScores) =
            let sound = scores.OfSound

            if not (isNull scores.Failure) then
                "failed"
            elif sound.Count = 0 && scores.Count > 0 then
                $"{TextTable.three scores.Score} (no sound map)"
            elif scores.Count = 0 then
                "undefined"
            else
                let few = if sound.Count < scores.PerInstance.Count then $" (n = {sound.Count})" else ""

                $"{TextTable.three sound.Score} ± {TextTable.three sound.StandardError}{few}"

        let byMethod = study.Table.Scores |> Seq.groupBy _.Method |> List.ofSeq
        let isAllSound = study.Table.Scores |> Seq.forall (fun s -> isNull s.Maps.Summary)

        let maps (scores: MethodScores seq) =
            if isAllSound then
                []
            else
                [ (Seq.head scores).Maps.Summary |> Option.ofObj |> Option.defaultValue "all sound" ]

        let headers = [
            "method"
            for metric in study.Metrics do
                let arrow = if metric.Better = Better.Lower then "↓" else "↑"
                $"{metric.Title} {arrow}"
            if not isAllSound then
                "maps"
        ]

        let rows = [ for method, scores in byMethod -> method :: [ for s in scores -> cell s ] @ maps scores ]

        // Many metrics of few methods go down the page.
        let whole =
            if study.Metrics.Count > 5 && study.Metrics.Count > rows.Length then
                List.transpose (headers :: rows)
            else
                headers :: rows

        TextTable.create title 1 whole.Head whole.Tail []

    /// <summary>Medians and mean ranks of methods, a table a metric, and how many pairs of methods differ.</summary>
    /// <param name="study">The study.</param>
    [<Extension>]
    static member Tables(study: Study) : IReadOnlyList<TextTable> =
        let estimate (e: Estimate) =
            if Double.IsNaN e.Value then
                "-"
            else
                $"{TextTable.three e.Value} [{TextTable.three e.Low}, {TextTable.three e.High}]"

        let table (metric: AttributionMetric) =
            let better = if metric.Better = Better.Lower then "lower" else "higher"

            let rows = study.Rows |> Seq.filter (fun row -> row.Metric = metric.Name) |> List.ofSeq

            let isAllSound = rows |> List.forall (fun row -> row.Unsound = 0)

            let over =
                match rows |> List.filter (fun row -> row.Ranked > 0) with
                | [] -> "no image has a score by each method"
                | row :: _ as ranked ->
                    $"""mean ranks (1 is the best of {ranked.Length}) over {Words.Count(row.Ranked, "image")}, with 95 %% bootstrap intervals"""

            let pairs = study.Pairs |> Seq.filter (fun p -> p.Metric = metric.Name && p.Count > 0) |> List.ofSeq

            let sure = pairs |> List.filter (fun p -> p.Corrected < 0.05)

            TextTable.create
                $"{metric.Title}: {better} is better; medians, and {over}"
                1
                [
                    "method"
                    "images"
                    "median"
                    "mean rank"
                    if not isAllSound then
                        "maps"
                ] [
                    for row in rows ->
                        [
                            row.Method
                            string row.Count
                            estimate row.Median
                            estimate row.Rank
                            if not isAllSound then
                                Option.defaultValue "all sound" (Option.ofObj (study.Maps(row.Method).Summary))
                        ]
                ] [
                    if not pairs.IsEmpty then
                        $"{sure.Length} of {pairs.Length} pairs of methods differ by this metric (signed-rank test, Holm's correction, 5 %%).\n"
                ]

        [ for metric in study.Metrics -> table metric ]

    /// <summary>The layers at which a model can be cut.</summary>
    /// <param name="layers">What is known of each.</param>
    [<Extension>]
    static member Table(layers: IReadOnlyList<Layer>) : TextTable =
        let haveAliases = layers |> Seq.exists (fun layer -> layer.Aliases.Count > 0)

        let alias (layer: Layer) = Seq.tryHead layer.Aliases |> Option.defaultValue ""

        TextTable.create
            ""
            (if haveAliases then 4 else 3)
            [
                "layer"
                if haveAliases then
                    "or"
                "operation"
                "note"
                "shape"
                "units"
            ] [
                for layer in layers ->
                    [
                        layer.Name
                        if haveAliases then
                            alias layer
                        layer.Operation
                        layer.Note
                        String.Join("×", layer.Shape)
                        if layer.Shape.Count > 0 then string layer.Units else ""
                    ]
            ] []

    /// <summary>What an examination of the machine found.</summary>
    /// <param name="found">The examination.</param>
    [<Extension>]
    static member Tables(found: Examination) : IReadOnlyList<TextTable> =
        // A person reads the first; a machine with many is wrong altogether.
        let mostFaults = 20

        [
            TextTable.create "" 2 [ "what"; "found" ] [ for struct (name, value) in found.Facts -> [ name; value ] ] []
            if found.Faults.Count > 0 then
                TextTable.create
                    $"Convolutions that oneDNN gets wrong (the first of {found.Faults.Count})"
                    3
                    [ "convolution"; "oneDNN"; "computed by" ] [
                        for fault in Seq.truncate mostFaults found.Faults ->
                            [ fault.Convolution; fault.Fault; fault.Instead ]
                    ] []
        ]

    /// <summary>Times against the passes that they need.</summary>
    /// <param name="measurements">The times.</param>
    /// <param name="title">Of what they are.</param>
    [<Extension>]
    static member Table(measurements: IReadOnlyList<Measurement>, title: string) : TextTable =
        let optional (value: Nullable<float>) =
            value |> Option.ofNullable |> Option.map (TextTable.number "0.00") |> Option.defaultValue ""

        TextTable.create title 1 [ "what"; "images"; "seconds"; "images/s"; "ratio"; "at most" ] [
            for m in measurements ->
                [
                    m.Name
                    string m.Images
                    TextTable.number "0.00" m.Seconds
                    TextTable.number "0.00" m.ImagesPerSecond
                    optional m.Ratio
                    optional m.Target
                ]
        ] []

    /// <summary>What was measured of whole processes.</summary>
    /// <param name="processes">The measurements.</param>
    /// <param name="title">Of what they are.</param>
    [<Extension>]
    static member Table(processes: IReadOnlyList<ProcessMeasurement>, title: string) : TextTable =
        TextTable.create title 1 [ "what"; "measured"; "at most" ] [
            for p in processes ->
                [
                    p.Name
                    $"""{TextTable.number "0.00" p.Value} {p.Unit}"""
                    match Option.ofNullable p.Target with
                    | Some target -> $"""{TextTable.number "0.00" target} {p.Unit}"""
                    | None -> ""
                ]
        ] []

    /// <summary>Every method and metric, with formula and source, as lines of text.</summary>
    static member Registry() : IReadOnlyList<string> =
        let entry (name: string) title formula source = [ $"{name, -28} {title}"; $"    {formula}"; $"    {source}" ]

        let struct (name, title, formula, source) = MethodDocs.InfluenceDirected

        [
            "METHODS, for --method and --methods"
            ""
            yield! entry name title formula source
            for m in AttributionMethod.All do
                yield! entry m.Name m.Title m.Formula m.Source
            ""
            "METRICS, for --metrics"
            ""
            for m in AttributionMetric.All do
                let better = (string m.Better).ToLowerInvariant()
                let over = (string m.Over).ToLowerInvariant()
                let hidden = if m.Blank = "-" then "" else $", hidden pixels {m.Blank}"
                let masks = if m.NeedsMasks then ", needs --masks" else ""

                yield!
                    entry
                        m.Name
                        $"{m.Title}: {better} is better, {m.Range}, over {over}{hidden}{masks}"
                        m.Formula
                        m.Source
        ]
