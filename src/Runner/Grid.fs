namespace Attribution.Runner

open System
open Attribution

/// Methods against metrics, for the commands that measure.
[<RequireQualifiedAccess>]
module Grid =
    let options =
        Inputs.options
        @ [ Group.of'<MethodsOption>; Group.of'<MetricOption>; Group.of'<MaskOption>; Group.of'<StepOption> ]
        @ Methods.options
        @ Clusters.submitting

    // What a study is of beside them is counted otherwise.
    let private counted = [ "--methods"; "--metrics"; "--batch-size"; "--pixels-per-step"; "--memory" ]

    /// The metrics that are asked for by name, of which those that need masks are refused where there are none.
    let masked (given: Given) (metrics, isEvery) =
        let needing = [
            for name in metrics do
                if AttributionMetric.Find(name).NeedsMasks then
                    name
        ]

        if not (isEvery || needing.IsEmpty || given.Has Demo || (given.Get MaskOption.Masks).IsSome) then
            Arguments.wrong
                $"""{String.concat ", " needing} asks whether a map points at a part of the image that is known: give masks of it with --masks."""

        metrics, isEvery

    /// What a study of the arguments is done with, and the class whose score is measured.
    let private optionsOf (given: Given) (inputs: Inputs) isEveryMethod isEveryMetric onNonPositive kept =
        let target = (Methods.quantity given).Class |> Option.ofObj |> Option.map (Inputs.classOf inputs)
        let step = Arguments.positive "--pixels-per-step" (given.Get Pixels_Per_Step)
        let seed = Arguments.seed given

        let options =
            StudyOptions(
                IsMixed = given.Has Mixed,
                BatchSize = Arguments.batchSize given,
                Names = inputs.Names,
                IsEveryMethod = isEveryMethod,
                IsEveryMetric = isEveryMetric,
                Said = Terminal.say,
                Metrics =
                    MetricSettings(
                        TargetClass = Option.toNullable target,
                        PixelsPerStep = step,
                        Seed = int64 seed,
                        Masks = Inputs.masks given inputs
                    ),
                OnNonPositive = onNonPositive,
                Seed = seed,
                Kept = kept,
                Files = Inputs.files given inputs,
                Settings = Clusters.settings counted given
            )

        options, target

    let private metricsOf names = names |> Seq.map AttributionMetric.Find |> Array.ofSeq

    /// The work of a study, for a worker.
    let plan (given: Given) (inputs: Inputs) prepared (methods, isEveryMethod) (metrics, isEveryMetric) =
        let options, _ = optionsOf given inputs isEveryMethod isEveryMetric (Nullable()) null

        Study.Plan(
            inputs.Model,
            inputs.Selected,
            Methods.told given inputs prepared methods,
            metricsOf metrics,
            options
        )

    /// One part of the work of a study, which is kept.
    let runPart (given: Given) (inputs: Inputs) (methods, isEveryMethod) (metrics, isEveryMetric) kept (part, parts) =
        let options, _ = optionsOf given inputs isEveryMethod isEveryMetric (Nullable()) kept

        Terminal.watch "Evaluating" (fun progress ->
            Study.RunPart(
                part,
                parts,
                inputs.Model,
                inputs.Selected,
                Methods.create given inputs methods,
                metricsOf metrics,
                options,
                progress,
                given.Stop
            ))

    /// The study that the arguments ask for, and the class whose score is measured, for people.
    let run (given: Given) (inputs: Inputs) (methods, isEveryMethod) (metrics, isEveryMetric) onNonPositive kept =
        let options, target = optionsOf given inputs isEveryMethod isEveryMetric onNonPositive kept
        let methods, metrics = Methods.create given inputs methods, metricsOf metrics

        let study =
            Clusters.at given (fun place ->
                Terminal.watch "Evaluating" (fun progress ->
                    Study.Run(inputs.Model, inputs.Selected, methods, metrics, options, progress, given.Stop, place)))

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
