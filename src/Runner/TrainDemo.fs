[<RequireQualifiedAccess>]
module Attribution.Runner.TrainDemo

open System.Collections.Generic
open Attribution

let private prior (given: Given) =
    match given.Get Prior with
    | None
    | Some "none" -> ScenePrior.None
    | Some "object" -> ScenePrior.Object
    | Some "part" -> ScenePrior.Part
    | Some other -> Arguments.wrong $"--prior takes part, object or none, and not '{other}'."

let private run (given: Given) =
    let prior = prior given
    let network = Arguments.network given

    if network.IsSome && prior <> ScenePrior.None then
        Arguments.wrong "--prior is for the network vgg."

    use output = new Output(defaultArg (given.Get Out) "demo-network", given)

    let name =
        match network with
        | Some network -> DemoNetworks.FileName network
        | None -> "demo-vgg.npz"

    let accuracy =
        Terminal.watch "Training on scenes" (fun progress ->
            let file, seed = output.Draft name, Arguments.seed given

            match network with
            | Some network -> DemoNetworks.Train(network, file, seed, progress, given.Stop)
            | None -> DemoNetwork.Train(file, seed, prior, progress, given.Stop))

    let row (part: string) (share: float) = [| part; $"%.1f{100. * share}" |] :> IReadOnlyList<string>

    TextTable.Of(
        "Accuracy on scenes that it never saw",
        1,
        [| "part"; "accuracy (%)" |],
        [|
            for pair, share in Seq.zip ConceptScenes.Pairs accuracy.PerPair do
                yield row pair.Part share

            yield row "all" accuracy.Overall
        |],
        [||]
    )
    |> Terminal.table

    output.Commit name

let command = {
    Name = "train-demo"
    Summary = "Trains a network of the demo anew, on scenes that it draws."
    Syntax = "[--network vgg|vit|swin|segmentation] [--prior part|object|none] [--seed N] [--out FOLDER]"
    Options = [ Group.of'<NetworkOption>; Group.of'<TrainOption>; Group.of'<SeedOption>; Group.of'<OutOption> ]
    Run = run
}
