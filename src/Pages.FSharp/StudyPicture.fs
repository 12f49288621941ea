namespace Attribution.Pages

open SkiaSharp
open Attribution

/// The figure of Wang, Mardziel, Datta and Fredrikson, arXiv 2002.07985: a panel of box plots a metric.
[<RequireQualifiedAccess>]
module internal StudyPicture =
    // Of n maps k are sound.
    let private label (study: Study) (row: StudyRow) =
        if row.Unsound > 0 then
            let all = study.Maps(row.Method).Count
            $"{row.Method} {all - row.Unsound}/{all}"
        else
            row.Method

    let private panel (study: Study) (metric: AttributionMetric) =
        let rows =
            study.Rows
            |> Seq.filter (fun row -> row.Metric = metric.Name && (row.Count > 0 || row.Unsound > 0))
            |> Seq.rev
            |> List.ofSeq

        let boxes = [
            for i, row in List.indexed rows do
                match study.Box(metric.Name, row.Method) with
                | null -> ()
                | box -> float i, box
        ]

        let from, upto =
            match boxes with
            | [] -> 0., 1.
            | _ ->
                (boxes |> List.map (fun (_, b) -> b.Least) |> List.min),
                (boxes |> List.map (fun (_, b) -> b.Most) |> List.max)

        let margin = if upto > from then 0.03 * (upto - from) else 0.5

        let better = if metric.Better = Better.Lower then "← better" else "better →"

        {
            Title = metric.Title
            X = Charts.linear better (from - margin) (upto + margin)
            Y = Charts.named (List.map (label study) rows)
            Marks = [ for i, box in boxes -> Charts.box Charts.palette[0] i box ]
        }

    /// The figure, the method of the best median on top; subtitle: of what it is.
    let draw subtitle (study: Study) =
        let most = study.Rows |> Seq.countBy _.Metric |> Seq.map snd |> Seq.fold max 1
        let isAnyUnsound = study.Rows |> Seq.exists (fun row -> row.Unsound > 0)

        let note =
            if isAnyUnsound then
                "k/n: of the n maps k are sound, and the box is of these; the others are empty, constant, without positive pixels or not finite."
            else
                ""

        Charts.draw
            ("Attribution methods by what they are measured by", subtitle)
            []
            (min 2 study.Metrics.Count)
            (if isAnyUnsound then 210f else 165f)
            (SKSize(300f, 19f * float32 most))
            note
            [ for metric in study.Metrics -> panel study metric ]

namespace Attribution

open System.Runtime.CompilerServices
open Attribution.Pages

/// <summary>Draws studies.</summary>
[<Sealed; AbstractClass; Extension>]
type StudyPictures =
    /// <summary>Draws the figure of a study as a PNG file: for each metric a panel of box plots, the method of the best median
    /// on top, after Wang, Mardziel, Datta and Fredrikson, arXiv 2002.07985.</summary>
    /// <param name="study">The study.</param>
    /// <param name="path">The file.</param>
    /// <param name="subtitle">Of what it is.</param>
    /// <exception cref="T:Attribution.AttributionException">The file cannot be written.</exception>
    [<Extension>]
    static member Draw(study: Study, path: string, subtitle: string) : unit =
        (StudyPicture.draw subtitle study).Write path
