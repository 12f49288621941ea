namespace Attribution.Pages

open System
open System.Globalization
open System.IO
open System.Reflection
open System.Text.RegularExpressions
open Attribution

/// The documentation of every attribution method and metric, in Markdown: what is written about them by hand (Documents/)
/// and what their registries say.
[<RequireQualifiedAccess>]
module internal Documents =
    // The method that is in no registry, since it takes a question and not an image alone: by the same columns.
    let influence =
        struct ("influence-directed",
                "Influence-directed explanation",
                "x ⊙ ∇ₓ h_i(x), unit i having the largest mean of ∂q(g(z))/∂z, z = h(x), over the distribution",
                "Leino, Sen, Datta, Fredrikson and Li, arXiv 1802.03788")

    // An anchor, and a part of a file's name.
    let place (name: string) = name.Replace("+", "-plus")

    let private read name =
        use stream = Assembly.GetExecutingAssembly().GetManifestResourceStream name
        use reader = new StreamReader(stream)
        reader.ReadToEnd().ReplaceLineEndings "\n"

    /// A page, {{name}} in it replaced by what is found for it.
    let private fill page (found: (string * string) list) =
        (read page, found) ||> List.fold (fun text (name, value) -> text.Replace("{{" + name + "}}", value))

    /// The notes of a page by name: each one's fields, the first without a name.
    let private notes page =
        let field (paragraph: string) =
            let line = paragraph.Trim().Replace('\n', ' ')
            let found = Regex.Match(line, "^(?:(Where|Chosen|C#|Sums to): )?(.*)$")
            found.Groups[1].Value, found.Groups[2].Value

        Map [
            for section in (read page).Split "\n## " |> Array.tail do
                let paragraphs = section.Trim().Split "\n\n"
                paragraphs[0], paragraphs |> Array.tail |> Array.map field |> Map
        ]

    let private methodNotes = lazy notes "method-notes.md"
    let private metricNotes = lazy notes "metric-notes.md"

    let private code (text: string) = "`" + text.Replace("|", "\\|") + "`"
    let private lower value = (string value).ToLowerInvariant()
    let private link title page name = $"[{title}]({page}#{place name})"

    let private linked source = Regex.Replace(source, @"arXiv (\d{4}\.\d{4,5})", "[arXiv $1](https://arxiv.org/abs/$1)")

    let private paragraphs: string seq -> string = String.concat "\n\n"

    let private table heads rows =
        heads :: [ for _ in heads -> "---" ] :: List.ofSeq rows
        |> List.map (fun row -> "| " + String.concat " | " row + " |")
        |> String.concat "\n"

    let private facts rows = table [ ""; "" ] [ for name, value in rows -> [ name; value ] ]

    // A heading's own anchor depends on who renders it.
    let private heading name title = $"<a id=\"{place name}\"></a>\n\n## {title}"

    let private fenced formula = $"```\n{formula}\n```"

    let private arguments = List.ofArray (Enum.GetValues<Argument>())

    let private nameOf argument =
        match argument with
        | Argument.Image -> "x"
        | Argument.Map -> "map"
        | _ -> "parameters"

    let private word smoothness =
        match smoothness with
        | Smoothness.Smooth -> "smooth"
        | Smoothness.AlmostEverywhere -> "almost everywhere"
        | Smoothness.PiecewiseConstant -> "piecewise constant"
        | _ -> "none"

    let private relaxed (metric: AttributionMetric) =
        arguments
        |> List.filter (fun argument -> metric.Smoothness(argument, Relaxation.Soft 1.) <> metric.Smoothness argument)
        |> List.map nameOf
        |> String.concat ", "

    let private derivative smoothness among =
        among
        |> List.map (fun argument -> $"by {nameOf argument}: {word (smoothness argument)}")
        |> String.concat "; "

    let private options (method: AttributionMethod) =
        let used =
            [
                MethodSetting.Steps, "`--steps`, `--rule`"
                MethodSetting.Baseline, "`--baseline`"
                MethodSetting.Multiply, "`--no-multiply`"
                MethodSetting.Samples, "`--samples`, `--seed`"
                MethodSetting.Layer, "`--map-layer`"
                MethodSetting.Noise, "`--noise`"
                MethodSetting.Window, "`--window`, `--stride`"
                MethodSetting.MaxPool, "`--max-pool`"
                MethodSetting.Iterations, "`--iterations`"
                MethodSetting.Area, "`--area`"
                MethodSetting.Features, "`--features`"
                MethodSetting.Background, "`--background`"
            ]
            |> List.filter (fst >> method.Uses.HasFlag)

        if used.IsEmpty then
            "none but those of every method, such as `--quantity` and `--smooth`"
        else
            used |> List.map snd |> String.concat ", "

    let private ofMethod (method: AttributionMethod) =
        let note = methodNotes.Value[method.Name]

        paragraphs [
            heading method.Name method.Title
            note[""]
            fenced method.Formula
            $"![{method.Title}: the maps of a car and a camel, each beside the scene seen through it](pictures/{place method.Name}.png)"
            facts [
                "Name", code method.Name
                "Options", options method
                "[Derivative](derivatives.md)", derivative method.Smoothness [ Argument.Image; Argument.Parameters ]
                "Sums to", Option.defaultValue "nothing in particular" (note.TryFind "Sums to")
                "C#", code note["C#"]
                "Source", linked method.Source
            ]
        ]

    let private ofMetric (metric: AttributionMetric) =
        let note = metricNotes.Value[metric.Name]
        let relaxed = relaxed metric

        paragraphs [
            heading metric.Name metric.Title
            note[""]
            fenced metric.Formula
            $"""*Where* {note["Where"]}"""
            $"""*Chosen.* {note["Chosen"]}"""
            facts [
                "Name", code metric.Name
                "Better", lower metric.Better
                "Range", metric.Range
                "Hidden pixels", (if metric.Blank = "-" then "none are" else metric.Blank)
                if metric.NeedsMasks then
                    "Needs", "masks of the part that maps are to point at: `--masks`"
                "Over", (if metric.Over = Scale.Map then "the map alone" else lower metric.Over)
                "[Derivative](derivatives.md)",
                derivative metric.Smoothness arguments
                + (if relaxed = "" then "" else $"; relaxed, almost everywhere by {relaxed}")
                "C#", code note["C#"]
                "Source", linked metric.Source
            ]
        ]

    let methods () =
        let row struct (name, title, formula, source) = [ link title "" name; code name; code formula; linked source ]

        let struct (name, title, _, source) = influence
        let all = List.ofSeq AttributionMethod.All

        fill "methods.md" [
            "table",
            table [ "Method"; "Name"; "Formula"; "Source" ] [
                row influence
                for m in all do
                    row struct (m.Name, m.Title, m.Formula, m.Source)
            ]
            name, heading name title
            "facts",
            facts [
                "Name", code name
                "Options",
                "`--layer`, `--units`, `--quantity`, `--distribution`, `--around`, `--times-activation`, `--no-multiply`"
                "Source", linked source
            ]
            "sections", paragraphs (List.map ofMethod all)
        ]

    let metrics () =
        // Its first sentence, or question.
        let inShort (metric: AttributionMetric) =
            Regex.Match(metricNotes.Value[metric.Name][""], "^.*?[.?](?= |$)").Value

        let all = List.ofSeq AttributionMetric.All

        fill "metrics.md" [
            "table",
            table [ "Metric"; "Name"; "Better"; "In short"; "Source" ] [
                for m in all -> [ link m.Title "" m.Name; code m.Name; lower m.Better; inShort m; linked m.Source ]
            ]
            "sections", paragraphs (List.map ofMetric all)
        ]

    let derivatives () =
        fill "derivatives.md" [
            "methods",
            table [ "Method"; nameOf Argument.Image; nameOf Argument.Parameters ] [
                for m in AttributionMethod.All ->
                    [
                        link m.Title "methods.md" m.Name
                        word (m.Smoothness Argument.Image)
                        word (m.Smoothness Argument.Parameters)
                    ]
            ]
            "metrics",
            table [ "Metric"; yield! List.map nameOf arguments; "Relaxed" ] [
                for m in AttributionMetric.All ->
                    [
                        link m.Title "metrics.md" m.Name
                        for argument in arguments do
                            word (m.Smoothness argument)
                        relaxed m
                    ]
            ]
        ]

    let agreement (found: TruthAgreement) =
        let number (value: float) =
            // Adding 0 takes the sign off what is rounded to none.
            (Math.Round(value, 2) + 0.).ToString("0.00", CultureInfo.InvariantCulture).Replace('-', '−')

        let estimate (found: Estimate) =
            if Double.IsNaN found.Value then
                [ "undefined"; "" ]
            else
                [ number found.Value; $"{number found.Low} to {number found.High}" ]

        // By the network alone.
        let blind =
            found.Rows
            |> Seq.filter (fun row ->
                not (AttributionMetric.Find(row.Metric).NeedsMasks || Double.IsNaN row.Correlation.Value))
            |> List.ofSeq

        let told (row: AgreementRow) =
            $"""{link (AttributionMetric.Find row.Metric).Title "metrics.md" row.Metric} ({number row.Correlation.Value})"""

        let lead =
            match blind with
            | [] -> ""
            | rows ->
                let sure = rows |> List.filter (fun row -> row.Correlation.Low > 0.) |> List.length
                let against = rows |> List.filter (fun row -> row.Correlation.High < 0.) |> List.length

                $"Of the {rows.Length} metrics that are not given the mask, {told rows.Head} agrees most and {told (List.last rows)} least. For {sure} the whole interval lies above 0, and for {against} below it."

        fill "agreement.md" [
            "lead", lead
            "methods-count", string found.Methods.Count
            "images", string found.Images
            "most", (1. / found.Area).ToString("0", CultureInfo.InvariantCulture)
            "truth", link (AttributionMetric.Find TruthAgreement.Truth).Title "metrics.md" TruthAgreement.Truth
            "left-out",
            (if found.LeftOut.Count = 0 then
                 ""
             else
                 paragraphs [ ""; found.LeftOut |> Seq.map (fun sentence -> $"- {sentence}") |> String.concat "\n" ])
            "table",
            table [ "Metric"; "Name"; "Correlation"; "95 % interval"; "Methods" ] [
                for row in found.Rows ->
                    [
                        link (AttributionMetric.Find row.Metric).Title "metrics.md" row.Metric
                        code row.Metric
                        yield! estimate row.Correlation
                        string row.Methods
                    ]
            ]
            "methods",
            table [ "Method"; "On the part, to a uniform map"; "95 % interval"; "Sound maps" ] [
                for row in found.Methods ->
                    [ link row.Method "methods.md" row.Method; yield! estimate row.Ratio; string row.Count ]
            ]
        ]

namespace Attribution

open Attribution.Pages

/// <summary>The documentation of every attribution method and metric, in Markdown, from their registries.</summary>
[<Sealed; AbstractClass>]
type MethodDocs =
    /// <summary>The method that is in no registry, since it takes a question and not an image alone: its name, title, formula and
    /// source.</summary>
    static member InfluenceDirected: struct (string * string * string * string) = Documents.influence

    /// <summary>The page of the methods; its pictures are those of <c>MethodPictures</c>.</summary>
    static member Methods() : string = Documents.methods ()

    /// <summary>The page of the metrics; its pictures are those of <c>MethodPictures</c>.</summary>
    static member Metrics() : string = Documents.metrics ()

    /// <summary>The page of what can be differentiated by what.</summary>
    static member Derivatives() : string = Documents.derivatives ()

    /// <summary>The page of which metrics agree with the truth; its picture is <c>pictures/agreement.png</c>, that of
    /// <c>TruthAgreement</c>.</summary>
    /// <param name="agreement">What was found of the demo's scenes.</param>
    static member Agreement(agreement: TruthAgreement) : string = Documents.agreement agreement
