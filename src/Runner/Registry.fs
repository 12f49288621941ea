[<RequireQualifiedAccess>]
module Attribution.Runner.Registry

open System
open Attribution

let private entry (name: string) title formula source =
    String.concat "\n" [ $"{name, -28} {title}"; $"    {formula}"; $"    {source}" ]

let private list () =
    Terminal.say "METHODS, for --method and --methods\n"

    let struct (name, title, formula, source) = MethodDocs.InfluenceDirected
    Terminal.say (entry name title formula source)

    for m in AttributionMethod.All do
        Terminal.say (entry m.Name m.Title m.Formula m.Source)

    Terminal.say "\nMETRICS, for --metrics\n"

    for m in AttributionMetric.All do
        let better = (string m.Better).ToLowerInvariant()
        let over = (string m.Over).ToLowerInvariant()

        let hidden = if m.Blank = "-" then "" else $", hidden pixels {m.Blank}"

        Terminal.say (entry m.Name $"{m.Title}: {better} is better, {m.Range}, over {over}{hidden}" m.Formula m.Source)

/// Writes what is known of all of them, with pictures of the demo's network and scenes.
let private document arguments folder =
    use output = Output.createIn folder arguments
    IO.File.WriteAllText(output.Draft "methods.md", MethodDocs.Methods())
    IO.File.WriteAllText(output.Draft "metrics.md", MethodDocs.Metrics())
    IO.File.WriteAllText(output.Draft "derivatives.md", MethodDocs.Derivatives())

    use inputs = Inputs.load { arguments with Given = [ Arg.Demo ] }
    let scenes = inputs.Scenes
    use twins = ConceptScenes.DrawTwins(scenes.Images.Count, scenes.Seed)

    let truth = ReportTruth(scenes.ObjectMasks, scenes.PartMasks, ConceptScenes.Pairs)

    let known = KnownImages(scenes.Images, twins.Images, inputs.Names, truth)

    Terminal.watch "Drawing what each makes of scenes" (fun report ->
        MethodPictures.Draw(
            (fun name -> output.Draft $"pictures/{name}"),
            inputs.Model,
            known,
            Terminal.part report 0. 1.,
            arguments.Stop
        ))

    output
    |> Output.commit "methods.md, metrics.md, derivatives.md and their pictures"

let private run arguments =
    let folder =
        arguments
        |> Arguments.tryPick (function
            | Arg.Out folder -> Some folder
            | _ -> None)

    match folder with
    | Some folder -> document arguments folder
    | None -> list ()

let command = {
    Name = "methods"
    Summary = "Lists the methods and the metrics, with formulas and sources; with --out, a page of each, with pictures."
    Syntax = "[--out FOLDER]"
    Options = [ "--out" ]
    Run = run
}
