namespace Attribution.Runner

open System
open Attribution
open TorchSharp

/// A metric, set up.
type Metric = {
    Info: AttributionMetric
    /// Forward passes an image, about: for the progress.
    Passes: float
    /// The scores of a method's maps of a part of the images.
    Score: Method -> Part -> Instances -> torch.Tensor -> IProgress<Progress> -> float seq
}

/// Maps of methods, and their scores by metrics.
[<RequireQualifiedAccess>]
module Scoring =
    let known = [ for metric in AttributionMetric.All -> metric.Name ]

    let options = [ "--pixels-per-step" ]

    let private pixelsPerStep arguments =
        arguments
        |> Arguments.atLeast
            1
            "--pixels-per-step"
            (function
            | Arg.Pixels_Per_Step n -> Some n
            | _ -> None)
            1000

    /// The class whose score is measured, and what it is, for people.
    let target arguments (inputs: Inputs) =
        match Arguments.quantity arguments with
        | QuantitySpec.Class k ->
            let k = Inputs.classOf inputs k
            Nullable k, $"the score of class {k}"
        | _ -> Nullable(), "the predicted class's score"

    /// The metrics that the model allows; those that are left out are said.
    let applicable (inputs: Inputs) names =
        let others, left =
            names
            |> List.partition (fun name -> inputs.Model.IsBinary && (AttributionMetric.Find name).ComparesClasses)

        let list = String.concat ", " others

        if others <> [] && left = [] then
            raise (
                AttributionException
                    $"{list} compares a class's map with another's, but the model has one logit, whose other class's map is its negative: choose another metric."
            )

        if others <> [] then
            Terminal.say
                $"Left out: {list}, which compares a class's map with another's; of a single logit the two are each other's negative."

        left

    let private arrow metric =
        if metric.Info.Better = Better.Lower then "↓" else "↑"

    /// "Average drop (%) ↓".
    let title metric = $"{metric.Info.Title} {arrow metric}"

    let metric arguments (inputs: Inputs) target name : Metric =
        let info = AttributionMetric.Find name

        let settings (method: Method option) (part: Part option) =
            let explain =
                Option.map2
                    (fun (method: Method) part ->
                        Func<Model, Quantity, Explainer>(fun model quantity -> method.Explain part model quantity))
                    method
                    part

            MetricSettings(
                TargetClass = target,
                PixelsPerStep = pixelsPerStep arguments,
                Seed = int64 (Arguments.seed arguments),
                Explain = Option.toObj explain,
                MultipliedFrom =
                    (Option.map2 (fun (m: Method) p -> m.MultipliedFrom p) method part
                     |> Option.toObj)
            )

        {
            Info = info
            Passes = info.Passes.Invoke(settings None None, int64 inputs.All.Height * int64 inputs.All.Width)
            Score =
                fun method part instances maps progress ->
                    info.Create
                        .Invoke(inputs.Model, settings (Some method) (Some part))
                        .Invoke(maps, instances, Arguments.batchSize arguments, progress, arguments.Stop)
        }

    /// What the metrics did to the model, where that is to be known.
    let note (inputs: Inputs) (metrics: Metric list) =
        if
            metrics
            |> List.exists (fun metric -> metric.Info.Name = "parameter-randomisation")
        then
            Some $"Parameter randomisation redraws {ParameterRandomisation.Redraws inputs.Model}, from the logits down."
        else
            None

    // Maps of several methods are scored together, so that their passes are full; so many of them are held.
    [<Literal>]
    let private MostMapBytes = 268435456L

    /// Hands `keep` the scores of every method by every metric for a part of the images after the other, but for those that
    /// `isKnown` says are known.
    let run
        arguments
        (inputs: Inputs)
        (methods: Method list)
        (metrics: Metric list)
        (isKnown: Method -> Metric -> Part -> bool)
        (keep: Method -> Metric -> Part -> float[] -> unit)
        =
        let images = inputs.Selected

        let passes =
            List.sumBy (fun (m: Method) -> m.Passes) methods
            + float methods.Length * List.sumBy _.Passes metrics

        let together =
            let bytes =
                4L
                * int64 images.Channels
                * int64 images.Height
                * int64 images.Width
                * int64 (min 256 images.Count)

            int (max 1L (MostMapBytes / bytes))

        Terminal.watch $"""Evaluating {Terminal.count images.Count "image"}""" (fun report ->
            let mutable spent = 0.

            Methods.forParts inputs (fun part ->
                let spend passes' work =
                    let share = passes' / passes * float part.Images.Count / float images.Count
                    let result = work (Terminal.part report spent share)
                    spent <- spent + share
                    result

                /// Scores maps of several methods at once, or of each by itself where the metric explains again.
                let score (metric: Metric) (asked: (Method * torch.Tensor) list) =
                    let groups =
                        if metric.Info.NeedsExplain then
                            List.map List.singleton asked
                        else
                            [ asked ]

                    for group in groups |> List.filter (not << List.isEmpty) do
                        use every = torch.cat [| for _, maps in group -> maps |]
                        let instances = part.Instances.Repeated group.Length

                        spend
                            (metric.Passes * float group.Length)
                            (metric.Score (fst group.Head) part instances every)
                        |> Seq.chunkBySize part.Images.Count
                        |> Seq.iter2 (fun (method, _) scores -> keep method metric part scores) group

                for group in List.chunkBySize together methods do
                    let isAsked method metric = not (isKnown method metric part)

                    let asked =
                        group |> List.filter (fun method -> List.exists (isAsked method) metrics)

                    let maps = [ for method in asked -> method, spend method.Passes (method.Attribute part) ]

                    for metric in metrics do
                        maps |> List.filter (fun (method, _) -> isAsked method metric) |> score metric

                    for _, maps in maps do
                        maps.Dispose()))
