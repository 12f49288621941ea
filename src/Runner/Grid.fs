namespace Attribution.Runner

open System
open Attribution

/// Methods against metrics, for the commands that measure.
[<RequireQualifiedAccess>]
module Grid =
    let options = Inputs.options @ [ Group.of'<GridOption>; Group.of'<StepOption> ] @ Methods.options

    // No result depends on these.
    let private indifferent = [ "--methods"; "--metrics"; "--out"; "--batch-size"; "--pixels-per-step"; "--memory" ]

    /// The words that results depend on, and the files among them.
    let private subject (given: Given) (inputs: Inputs) =
        let rec settings isKept (words: string list) =
            match words with
            | [] -> []
            | word :: rest ->
                let isKept =
                    if word.StartsWith "--" then not (List.contains (word.Split('=')[0]) indifferent) else isKept

                (if isKept then [ word ] else []) @ settings isKept rest

        let files = [
            inputs.ModelFile
            yield! given.All Dataset
            yield! given.All Labels
            yield! List.concat (given.All DataOption.Images)
        ]

        String.Join(' ', inputs.Source :: settings true given.Words), files

    /// The study that the arguments ask for, and the class whose score is measured, for people.
    let run (given: Given) (inputs: Inputs) (methods, isEveryMethod) (metrics, isEveryMetric) onNonPositive kept =
        let target = (Methods.quantity given).Class |> Option.ofObj |> Option.map (Inputs.classOf inputs)

        let settings, files = subject given inputs
        let step = Arguments.positive "--pixels-per-step" (given.Get Pixels_Per_Step)
        let seed = Arguments.seed given

        let options =
            StudyOptions(
                BatchSize = Arguments.batchSize given,
                Names = inputs.Names,
                IsEveryMethod = isEveryMethod,
                IsEveryMetric = isEveryMetric,
                Said = Terminal.say,
                Metrics =
                    MetricSettings(TargetClass = Option.toNullable target, PixelsPerStep = step, Seed = int64 seed),
                OnNonPositive = onNonPositive,
                Seed = seed,
                Kept = kept,
                Files = files,
                Settings = settings
            )

        let methods = Methods.create given inputs methods
        let metrics = metrics |> Seq.map AttributionMetric.Find |> Array.ofSeq

        let study =
            Terminal.watch "Evaluating" (fun progress ->
                Study.Run(inputs.Model, inputs.Selected, methods, metrics, options, progress, given.Stop))

        study,
        match target with
        | Some k -> $"the score of class {k}"
        | None -> "the predicted class's score"

    /// The steps in which pixels change, at the end of a sentence.
    let steps (study: Study) told =
        match Option.ofNullable study.Steps with
        | Some steps -> $", {told steps}"
        | None -> ""

    /// What there is to say when all is done, beside the notes on maps.
    let conclude (study: Study) (notes: string seq) (best: (string * string) list) =
        Seq.iter Terminal.say study.Remarks
        Seq.iter Terminal.say notes
        Seq.iter Terminal.say study.LeftOut

        if study.Methods.Count > 1 && not best.IsEmpty then
            let told = [
                for method, metrics in List.groupBy fst best ->
                    $"""{method} by {metrics |> List.map snd |> String.concat ", "}"""
            ]

            Terminal.say $"""Best: {String.concat "; " told}."""
