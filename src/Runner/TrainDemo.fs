[<RequireQualifiedAccess>]
module Attribution.Runner.TrainDemo

open System.Collections.Generic
open Attribution

let private run (given: Given) =
    use output = new Output(defaultArg (given.Get Out) "demo-network", given)

    let accuracy =
        Terminal.watch "Training on scenes" (fun progress ->
            DemoNetwork.Train(output.Draft "demo-vgg.npz", Arguments.seed given, progress, given.Stop))

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

    output.Commit "demo-vgg.npz"

let command = {
    Name = "train-demo"
    Summary = "Trains the demo's network anew, on scenes that it draws."
    Syntax = "[--seed N] [--out FOLDER]"
    Options = [ Group.of'<SeedOption>; Group.of'<OutOption> ]
    Run = run
}
