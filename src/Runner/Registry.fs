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

let private run (given: Given) =
    match given.Get Out with
    | Some folder -> document given folder
    | None -> Seq.iter Terminal.say (TextTables.Registry())

let command = {
    Name = "methods"
    Summary = "Lists the methods and the metrics, with formulas and sources; with --out, a page of each, with pictures."
    Syntax = "[--out FOLDER]"
    Options = [ Group.of'<OutOption> ]
    Run = run
}
