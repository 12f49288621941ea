[<RequireQualifiedAccess>]
module Attribution.Runner.Examples

open System.Collections.Generic
open System.IO
open Attribution
open TorchSharp

/// The images that examples are chosen from, and whether they are the command's own.
let private among (given: Given) (inputs: Inputs) : ImageSet * bool =
    match List.concat (given.All Among) with
    | [] -> inputs.All, false
    | [ file ] when Path.GetExtension(file).ToLowerInvariant() = ".npz" -> ImageSet.LoadNpz file, true
    | paths -> ImageSet.LoadImages(paths, inputs.Model), true

/// A name of a file for each image: by its id where ids tell them apart, else by its place.
let private pictureNames (images: ImageSet) =
    let numbers = [ for i in 0 .. images.Count - 1 -> if images.HasIds then images.Ids[i] else int64 i ]
    let isOwn = List.length (List.distinct numbers) = numbers.Length

    [
        for i, number in List.indexed numbers -> if isOwn then $"examples-{number}.png" else $"examples-{i}.png"
    ]

let private run (given: Given) =
    let count = Arguments.atLeast 1 "--count" (given.Get Count) |> Option.defaultValue 4
    use output = Output.Of given
    use inputs = Inputs.load given
    let images = Inputs.few given 6 inputs
    let layer = Methods.layers given inputs |> List.last
    let examples = Examples(inputs.Model, layer, Arguments.units given)
    let set, isOwn = among given inputs

    try
        use _ = torch.NewDisposeScope()

        let found =
            Terminal.watch "Looking for examples" (fun progress ->
                examples.Find(
                    Instances.op_Implicit images,
                    Instances.op_Implicit set,
                    count,
                    Arguments.batchSize given,
                    progress,
                    given.Stop
                ))

        let name (k: int) = inputs.Names[k]
        let number (images: ImageSet) i = if images.HasIds then images.Ids[i] else int64 i
        let rows = Records("image", "class", "kind", "rank", "position", "example", "example_class", "distance")
        let pixels = PictureTable.Images(images.Images(), float images.Peak)
        let caption = Inputs.caption inputs

        let tile (example: Example) =
            let one = PictureTable.Images((set.Take [ example.Position ]).Images(), float set.Peak)

            PictureTile(
                one[0L],
                caption set example.Position,
                $"says {name example.Class}",
                $"distance %.3g{example.Distance}"
            )

        for i, (near, file) in Seq.indexed (Seq.zip found (pictureNames images)) do
            given.Stop.ThrowIfCancellationRequested()
            let own = PictureTile(pixels[int64 i], caption images i, $"says {name near.Class}")

            let groups = [
                for kind, title, some in
                    [
                        "similar", $"The nearest that it says {name near.Class} of, too", near.Similar
                        "counterfactual", "The nearest that it says something else of", near.Counterfactual
                    ] do
                    for rank, example in Seq.indexed some do
                        rows.Add(
                            number images i,
                            name near.Class,
                            kind,
                            rank + 1,
                            example.Position,
                            number set example.Position,
                            name example.Class,
                            example.Distance
                        )

                    KeyValuePair(title, [ own; yield! Seq.map tile some ] :> IReadOnlyList<_>)
            ]

            PictureTable.Write(
                output.Draft file,
                $"Examples for {caption images i}",
                $"On the left what is explained, then what is nearest to it of {set.Count} images by the values of layer {layer}: cosine distance",
                1,
                168.,
                groups
            )

        rows.WriteJson(
            output.Draft "examples.json",
            Dictionary(
                dict [ "layer", box layer; "distance", box "cosine"; "count", box count; "among", box set.Count ]
            )
        )

        Terminal.table (
            TextTable.Of(
                $"""The nearest of {Words.Count(set.Count, "image")}, by layer {layer}""",
                4,
                [| "image"; "class"; "kind"; "example's class"; "example"; "distance" |],
                [|
                    for row in rows.Rows do
                        if row[3] :?> int = 1 then
                            [|
                                for column in [ 0; 1; 2; 6; 5 ] do
                                    string row[column]

                                $"%.3g{row[7] :?> float}"
                            |]
                            :> IReadOnlyList<_>
                |],
                [||]
            )
        )

        output.Commit $"""{Words.Count(images.Count, "picture")} and examples.json"""
    finally
        if isOwn then
            set.Dispose()

let command = {
    Name = "examples"
    Summary =
        "Shows the images that a layer puts nearest to one: those that the model says the same of, and the others."
    Syntax = $"{Inputs.syntax} [--layer NAME] [--count N] [--among FILE-OR-FOLDER…] --out FOLDER"
    Options =
        Inputs.options
        @ [
            Group.of'<CutOption>
            Group.of'<CountOption>
            Group.of'<ExamplesOption>
            Group.of'<SeedOption>
            Group.of'<BatchOption>
            Group.of'<OutOption>
        ]
    Run = run
}
