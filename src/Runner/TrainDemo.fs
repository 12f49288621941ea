[<RequireQualifiedAccess>]
module Attribution.Runner.TrainDemo

open Attribution

let private run arguments =
    let pick option otherwise =
        arguments |> Arguments.tryPick option |> Option.defaultValue otherwise

    let folder =
        pick
            (function
            | Arg.Out folder -> Some folder
            | _ -> None)
            "demo-network"

    let seed =
        pick
            (function
            | Arg.Seed n -> Some n
            | _ -> None)
            1

    use output = Output.createIn folder arguments

    let accuracy =
        Terminal.watch "Training on scenes" (fun report ->
            DemoNetwork.Train(output.Draft "demo-vgg.npz", seed, Terminal.part report 0. 1., arguments.Stop))

    Terminal.table "Accuracy on scenes that it never saw" 1 [ "part"; "accuracy (%)" ] [
        for pair, share in Seq.zip ConceptScenes.Pairs accuracy.PerPair do
            yield [ pair.Part; $"%.1f{100. * share}" ]

        yield [ "all"; $"%.1f{100. * accuracy.Overall}" ]
    ]

    Output.commit "demo-vgg.npz" output

let command = {
    Name = "train-demo"
    Summary = "Trains the demo's network anew, on scenes that it draws."
    Syntax = "[--seed N] [--out FOLDER]"
    Options = [ "--seed"; "--out" ]
    Run = run
}
