[<RequireQualifiedAccess>]
module Attribution.Runner.TracIn

open System
open System.Collections.Generic
open Attribution
open TorchSharp

[<Literal>]
let private DemoTraining = 2800

let private run (given: Given) =
    let layers = Arguments.atLeast 1 "--last" (given.Get Last) |> Option.defaultValue 1
    let top = Arguments.atLeast 1 "--top" (given.Get Top) |> Option.defaultValue 4

    match given.Get Training with
    | Some _ when given.Has Demo -> Arguments.wrong "--demo has training images of its own: leave --training out."
    | None when not (given.Has Demo) -> Arguments.wrong "--training is missing."
    | _ -> ()

    use output = Output.Of given
    use inputs = Inputs.load given
    let images = Inputs.few given 7 inputs

    use training =
        match given.Get Training with
        | Some file -> ImageSet.LoadNpz file
        | None -> (DemoNetwork.TrainingScenes DemoTraining).Images

    use _ = torch.NewDisposeScope()
    let tracing = TracIn(inputs.Model, layers)

    let influence =
        Terminal.watch $"""Tracing {Words.Count(training.Count, "training image")}""" (fun _ ->
            tracing.Influence(Instances.op_Implicit images, training, cancellation = given.Stop))

    use scores = inputs.Model.ClassScores(Instances.op_Implicit images, cancellation = given.Stop)
    let predicted = scores.argmax(1L).data<int64>().ToArray()
    let name (k: int64) = inputs.Names[int k]
    let rows = Records("image", "predicted", "side", "rank", "training_image", "class", "influence")
    let explained = PictureTable.Images(images.Images(), float images.Peak)

    let groups = [
        for i in 0 .. images.Count - 1 ->
            let sides = [
                "proponent", TracIn.Proponents(influence, i, top)
                "opponent", TracIn.Opponents(influence, i, top)
            ]

            let tiles = [
                PictureTile(explained[int64 i], Inputs.caption inputs images i, $"says {name predicted[i]}")

                for side, found in sides do
                    for rank, image in Seq.indexed found do
                        let label = training.TrueClasses[image.Index]
                        rows.Add(i, name predicted[i], side, rank + 1, image.Index, name label, image.Influence)
                        let pixels = PictureTable.Images((training.Take [ image.Index ]).Images(), float training.Peak)
                        PictureTile(pixels[0L], name label, $"%+.3g{image.Influence}")
            ]

            KeyValuePair("", tiles :> IReadOnlyList<_>)
    ]

    rows.WriteCsv(output.Draft "tracin.csv")

    rows.WriteJson(
        output.Draft "tracin.json",
        Dictionary(dict [ "layers", box tracing.Layers; "training_images", box training.Count ])
    )

    PictureTable.Write(
        output.Draft "tracin.png",
        "Which training images made it say so",
        $"""On the left what is explained, then the {top} training images that speak most for what it says, and the {top} that speak most against it · {String.Join(", ", tracing.Layers)}""",
        1,
        128.,
        groups
    )

    Terminal.table (
        TextTable.Of(
            $"""The strongest of {Words.Count(training.Count, "training image")}""",
            4,
            [| "image"; "predicted"; "side"; "class"; "training image"; "influence" |],
            [|
                for row in rows.Rows do
                    if row[3] :?> int = 1 then
                        [|
                            for column in [ 0; 1; 2; 5; 4 ] do
                                string row[column]

                            $"%.3g{row[6] :?> float}"
                        |]
                        :> IReadOnlyList<_>
            |],
            [||]
        )
    )

    output.Commit "tracin.csv, tracin.json and tracin.png"

let command = {
    Name = "tracin"
    Summary = "Shows which training images made the model say so: TracIn, by the gradients of the last layers."
    Syntax =
        "(--demo | --model FILE (--dataset FILE | --images PATH…) --training FILE) [--last N] [--top N] --out FOLDER"
    Options =
        Inputs.options
        @ [ Group.of'<TracInOption>; Group.of'<TopOption>; Group.of'<SeedOption>; Group.of'<OutOption> ]
    Run = run
}
