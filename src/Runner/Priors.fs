[<RequireQualifiedAccess>]
module Attribution.Runner.Priors

open System.Collections.Generic
open Attribution

let private title = "Networks that are told where the evidence may lie"

/// The maps of the first networks, a group a scene.
let private maps (examples: ShortcutExamples) = [
    let images = PictureTable.Images examples.Images

    let clouds = [ for struct (network, maps, said) in examples.Maps -> network, PictureTable.Clouds maps, said ]

    for i in 0 .. examples.Captions.Count - 1 ->
        KeyValuePair(
            examples.Captions[i],
            [
                PictureTile(images[int64 i])
                for network, clouds, said in clouds do
                    PictureTile(clouds[int64 i], network, $"says {said[i]}")
            ]
            :> IReadOnlyList<_>
        )
]

let private run (given: Given) =
    use output = Output.Of given
    let seeds = Arguments.atLeast 1 "--seeds" (given.Get Seeds) |> Option.defaultValue 5

    let results =
        Terminal.watch "Drawing scenes" (fun progress ->
            PriorExperiment.Run(seeds, progress = progress, cancellation = given.Stop))

    let trials = results.Trials
    Terminal.table (trials.Table(title, "network"))
    trials.WriteCsv(output.Draft "priors.csv")
    trials.WriteJson(output.Draft "priors.json")
    trials.WritePicture(output.Draft "priors.png", title)

    PictureTable.Write(
        output.Draft "priors-maps.png",
        "What each network looks at where the mark lies",
        "Integrated gradients of the predicted class from black, what speaks for it · networks of seed 1",
        2,
        112.,
        maps results.Examples
    )

    output.Commit "priors.csv, priors.json, priors.png and priors-maps.png"

let command = {
    Name = "priors"
    Summary =
        "Trains networks with and without a prior on their explanations, on scenes with a shortcut that lies in the test."
    Syntax = "--demo [--seeds N] --out FOLDER"
    Options = [ Group.of'<DemoOption>; Group.of'<PriorsOption>; Group.of'<OutOption> ]
    Run = run
}
