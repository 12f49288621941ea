[<RequireQualifiedAccess>]
module Attribution.Runner.Registry

open System
open Attribution

/// Writes what is known of all of them, with pictures of the demo's network and scenes.
let private document (given: Given) folder =
    use output = new Output(folder, given)
    IO.File.WriteAllText(output.Draft "methods.md", MethodDocs.Methods())
    IO.File.WriteAllText(output.Draft "metrics.md", MethodDocs.Metrics())
    IO.File.WriteAllText(output.Draft "derivatives.md", MethodDocs.Derivatives())
    use inputs = Inputs.demo given
    let scenes = inputs.Scenes
    use twins = ConceptScenes.DrawTwins(scenes.Images.Count, scenes.Seed)

    let truth = ReportTruth(scenes.ObjectMasks, scenes.PartMasks, ConceptScenes.Pairs)

    let known = KnownImages(scenes.Images, twins.Images, inputs.Names, truth)

    use transformer = Model.LoadOnnx(DemoNetworks.ModelPath SceneNetwork.Vit)
    let path name = output.Draft $"pictures/{name}"

    Terminal.watch "Drawing what each makes of scenes" (fun progress ->
        MethodPictures.Draw(path, [ inputs.Model; transformer ], known, progress, given.Stop))

    output.Commit "methods.md, metrics.md, derivatives.md and their pictures"

/// One of each class.
[<Literal>]
let private Scenes = 14

/// Writes which metrics agree with the truth about the demo's scenes.
let private agree (given: Given) folder =
    let methods, isEveryMethod =
        given.All Methods
        |> Arguments.namesOr ([ for m in AttributionMethod.All -> m.Name ], true) "--methods" [
            for m in AttributionMethod.All -> m.Name
        ]

    let metrics, isEveryMetric =
        given.All Metrics
        |> Arguments.namesOr ([ for m in TruthAgreement.AllMetrics -> m.Name ], true) "--metrics" [
            for m in TruthAgreement.AllMetrics -> m.Name
        ]

    use output = new Output(folder, given)
    use inputs = Inputs.demo given
    let images = inputs.Scenes.Images.Take [ 0 .. Scenes - 1 ]
    use masks = inputs.Scenes.PartMasks.narrow (0L, 0L, int64 Scenes)
    let options = RunOptions(Names = inputs.Names, IsEveryMethod = isEveryMethod, Said = Terminal.say)

    let found =
        Terminal.watch "Comparing metrics with the truth" (fun progress ->
            TruthAgreement.Run(
                inputs.Model,
                images,
                masks,
                [|
                    for method in TruthAgreement.AllMethods inputs.All do
                        if List.contains method.Name methods then
                            method
                |],
                [| for name in metrics -> AttributionMetric.Find name |],
                null,
                options,
                progress,
                given.Stop
            ))

    if not (isEveryMethod && isEveryMetric) then
        Seq.iter Terminal.say found.LeftOut

    IO.File.WriteAllText(output.Draft "agreement.md", MethodDocs.Agreement found)
    found.WriteCsv(output.Draft "agreement.csv")

    found.Draw(
        output.Draft "pictures/agreement.png",
        $"{found.Methods.Count} methods on {Scenes} scenes of the demo; the lines hold 95 %% of samples of the scenes"
    )

    output.Commit "agreement.md, agreement.csv and their picture"

let private run (given: Given) =
    match given.Get Out, given.Has Agreement with
    | Some folder, true -> agree given folder
    | None, true -> Arguments.require "--out" None
    | _ when not ((given.All Methods).IsEmpty && (given.All Metrics).IsEmpty) ->
        Arguments.wrong "--methods and --metrics go with --agreement: without it every one is listed."
    | Some folder, false -> document given folder
    | None, false -> Seq.iter Terminal.say (TextTables.Registry())

let command = {
    Name = "methods"
    Summary = "Lists the methods and the metrics, with formulas and sources; with --out, a page of each, with pictures."
    Syntax = "[--out FOLDER [--agreement [--methods METHOD,…] [--metrics METRIC,…]]]"
    Options = [
        Group.of'<AgreementOption>
        Group.of'<MethodsOption>
        Group.of'<MetricOption>
        Group.of'<OutOption>
    ]
    Run = run
}
