namespace Attribution.Runner

open System
open System.Collections.Generic
open Attribution
open TorchSharp

/// A metric, set up.
type Metric = {
    Info: AttributionMetric
    /// Forward passes an image, about: for the progress.
    Passes: float
    /// Whether it removes or puts back pixels in steps.
    HasSteps: bool
    /// The scores of a method's maps of a part of the images.
    Score: Method -> Part -> Instances -> torch.Tensor -> IProgress<Progress> -> float seq
}

/// Maps of methods, and their scores by metrics.
[<RequireQualifiedAccess>]
module Scoring =
    let known = [ for metric in AttributionMetric.All -> metric.Name ]

    let options = [ "--pixels-per-step" ]

    let private pixelsPerStep arguments =
        let given =
            arguments
            |> Arguments.atLeast
                1
                "--pixels-per-step"
                (function
                | Arg.Pixels_Per_Step n -> Some n
                | _ -> None)
                0

        if given = 0 then Nullable() else Nullable given

    /// The steps in which pixels of the images change.
    let steps arguments (inputs: Inputs) =
        PixelSteps.For(pixelsPerStep arguments, int64 inputs.All.Height * int64 inputs.All.Width)

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
            Passes = info.Passes(settings None None, int64 inputs.All.Height * int64 inputs.All.Width)
            HasSteps = info.HasSteps
            Score =
                fun method part instances maps progress ->
                    MapScores.Of(
                        info.Create(inputs.Model, settings (Some method) (Some part)),
                        maps,
                        instances,
                        Arguments.batchSize arguments,
                        progress,
                        arguments.Stop
                    )
        }

    /// What the metrics did to the model, where that is to be known.
    let note (inputs: Inputs) (metrics: Metric list) =
        if
            metrics
            |> List.exists (fun metric -> metric.Info.Name = "parameter-randomisation")
        then
            try
                Some
                    $"Parameter randomisation redraws {ParameterRandomisation.Redraws inputs.Model}, from the logits down."
            with :? AttributionException ->
                // Of a model without weights the metric itself has said so.
                None
        else
            None

    /// What a metric is called where it fails.
    let failing name = $"The metric {name}"

    /// Under which name a store keeps what a method's maps are.
    [<Literal>]
    let Maps = "maps"

    let private coded (maps: MapStates) = [| for map in maps -> float (int map) |]

    /// What maps are, of what a store kept.
    let mapStates (kept: float seq) =
        MapStates(kept |> Seq.map (fun code -> enum<MapState>(int code)))

    /// The scores of a method by a metric, of what a store kept.
    let found
        arguments
        inputs
        (failures: Dictionary<struct (string * string), exn>)
        (method: Method)
        metric
        (kept: string -> float[])
        =
        match failures.TryGetValue(struct (method.Name, metric.Info.Name)) with
        | true, e -> MethodScores.Failed(method.Name, metric.Info.Name, inputs.Selected.Count, Sentence.ofError e)
        | _ ->
            MethodScores(
                method.Name,
                metric.Info.Name,
                kept metric.Info.Name,
                Settings = method.Description,
                Maps = mapStates (kept Maps),
                Steps =
                    (if metric.HasSteps then
                         Nullable(steps arguments inputs)
                     else
                         Nullable())
            )

    // Maps of several methods are scored together, so that their passes are full; so many of them are held.
    [<Literal>]
    let private MostMapBytes = 268435456L

    /// Hands `keep` what every method's maps are (as numbers, under the name `maps`) and their scores by every metric, for a part
    /// of the images after the other, but for what `isKnown` says is known. A method that fails is noted among the failures,
    /// and so is a metric that fails for all of them; what failed of a method by a metric is returned.
    let run
        arguments
        (inputs: Inputs)
        (methods: Method list)
        (metrics: Metric list)
        (methodFailures: Failures)
        (metricFailures: Failures)
        (isKnown: Method -> string -> Part -> bool)
        (keep: Method -> string -> Part -> float[] -> unit)
        : Dictionary<struct (string * string), exn> =
        let images = inputs.Selected
        let failed = Dictionary<struct (string * string), exn>()

        let hasFailed (method: Method) =
            methodFailures.Has(Methods.failing method.Name)

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

                /// The scores of maps of several methods at once; where that fails, of each by itself.
                let rec scoreTogether (metric: Metric) (group: (Method * torch.Tensor) list) =
                    try
                        use every = torch.cat [| for _, maps in group -> maps |]
                        let instances = part.Instances.Repeated group.Length

                        spend
                            (metric.Passes * float group.Length)
                            (metric.Score (fst group.Head) part instances every)
                        |> Seq.chunkBySize part.Images.Count
                        |> Seq.iter2 (fun (method, _) scores -> keep method metric.Info.Name part scores) group
                    with
                    | UsageError _ -> reraise ()
                    | :? OperationCanceledException -> reraise ()
                    | e ->
                        match group with
                        | [ method, _ ] -> failed[struct (method.Name, metric.Info.Name)] <- e
                        | several ->
                            for one in several do
                                scoreTogether metric [ one ]

                /// Each by itself where the metric explains again, and apart what is multiplied with the distance from
                /// different baselines: a metric may ask for it.
                let score (metric: Metric) (asked: (Method * torch.Tensor) list) =
                    let groups =
                        if metric.Info.NeedsExplain then
                            List.map List.singleton asked
                        else
                            asked
                            |> List.groupBy (fun (method, _) -> method.MultipliedFrom part)
                            |> List.map snd

                    groups |> List.filter (not << List.isEmpty) |> List.iter (scoreTogether metric)

                for group in List.chunkBySize together methods do
                    let isAsked (method: Method) (metric: Metric) =
                        not (isKnown method metric.Info.Name part)
                        && not (failed.ContainsKey(struct (method.Name, metric.Info.Name)))

                    let asked =
                        group
                        |> List.filter (fun method ->
                            not (hasFailed method)
                            && (not (isKnown method Maps part) || List.exists (isAsked method) metrics))

                    let maps = [
                        for method in asked do
                            match
                                methodFailures.Try (Methods.failing method.Name) (fun () ->
                                    spend method.Passes (method.Attribute part))
                            with
                            | Some maps -> method, maps
                            | None -> ()
                    ]

                    for method, maps in maps do
                        keep method Maps part (coded (MapStates.Of maps))

                    for metric in metrics do
                        maps |> List.filter (fun (method, _) -> isAsked method metric) |> score metric

                    for _, maps in maps do
                        maps.Dispose()

                methodFailures.Require [ for method in methods -> Methods.failing method.Name ]))

        let rest = methods |> List.filter (not << hasFailed)

        for metric in metrics do
            let failing' = [
                for method in rest do
                    match failed.TryGetValue(struct (method.Name, metric.Info.Name)) with
                    | true, e -> method.Name, e
                    | _ -> ()
            ]

            match failing' with
            | (_, e) :: _ when failing'.Length = rest.Length -> metricFailures.Add(failing metric.Info.Name, e)
            | some ->
                for method, e in some do
                    metricFailures.Add($"{failing metric.Info.Name} of {method}", e)

        metricFailures.Require [ for metric in metrics -> failing metric.Info.Name ]

        for method in methods do
            if hasFailed method then
                for metric in metrics do
                    let reason = methodFailures.Reason(Methods.failing method.Name)
                    failed[struct (method.Name, metric.Info.Name)] <- AttributionException(Option.get reason)

        failed
