/// The commands that optimise images and maps, and that look at pairs of regions and at training images.
module OptimisedTests

open System.IO
open Expecto
open SkiaSharp
open Support

let private run folder (line: string) written =
    let said = attribution $"{line} {tiny folder} --indices 0,1 --out {folder}/out" |> ok
    Expect.equal (files (folder </> "out")) (List.sort written) "files"

    for name in written do
        if name.EndsWith ".png" then
            use picture = SKBitmap.Decode(folder </> "out" </> name)
            Expect.isTrue (picture.Width > 200 && picture.Height > 100) $"{name} is {picture.Width} by {picture.Height}"

    said

let private columns folder name = (File.ReadAllLines(folder </> "out" </> name)[0]).Split ',' |> List.ofArray

let tests =
    testList "optimised" [
        example "attack changes images within a radius, and compares the smoothed network" (fun folder ->
            let said =
                run folder "attack --method saliency --iterations 2 --radius 0.05" [
                    "attack-saliency.png"
                    "attack.csv"
                    "attack.json"
                ]

            Expect.stringContains said "saliency, β = 3" "the smoothed network")

        example "attack refuses a method about ReLUs, whose slope is that of a network without" (fun folder ->
            let told =
                attribution
                    $"attack --method guided-backpropagation --iterations 1 {tiny folder} --indices 0 --out {folder}/out"
                |> fails

            Expect.stringContains told "is about ReLUs" "why"
            Expect.isFalse (Directory.Exists(folder </> "out")) "no folder")

        example "optimal finds maps that metrics like, from noise or from maps" (fun folder ->
            for from in [ ""; "--from saliency" ] do
                let said =
                    run folder $"optimal --metrics sparseness,necessity-ordering --iterations 3 {from}" [
                        "optimal.csv"
                        "optimal.json"
                        "optimal.png"
                    ]

                Expect.stringContains said "necessity-ordering" "the table")

        example "interactions has a row for each pair of cells" (fun folder ->
            let said =
                run folder "interactions --grid 2 --steps 3" [
                    "interactions.csv"
                    "interactions.json"
                    "interactions.png"
                ]

            Expect.stringContains said "The interactions sum to" "completeness"
            // Of four cells there are ten pairs, those with themselves among them.
            Expect.hasLength (File.ReadAllLines(folder </> "out/interactions.csv")) (1 + 2 * 10) "rows")

        example "tracin lists the training images that speak for and against" (fun folder ->
            run folder $"tracin --training {Tiny.dataset folder} --top 2" [ "tracin.csv"; "tracin.json"; "tracin.png" ]
            |> ignore

            Expect.containsAll (columns folder "tracin.csv") [ "side"; "training_image"; "influence" ] "columns"
            Expect.hasLength (File.ReadAllLines(folder </> "out/tracin.csv")) (1 + 2 * 2 * 2) "rows")

        example "examples shows the nearest images of either kind, and names them" (fun folder ->
            let dataset = Tiny.dataset folder
            use model = Attribution.Model.LoadVgg16(Tiny.vgg16 folder)
            use images = Attribution.ImageSet.LoadNpz dataset
            let x = Attribution.Instances.op_Implicit (images.Take [ 0; 1 ])
            let all = Attribution.Instances.op_Implicit images
            let near = Attribution.Examples(model, "fc1l").Find(x, all, 2)
            // Ids that several images share name no file.
            let written = [ "examples-0.png"; "examples-1.png" ]

            let check options =
                let said = run folder $"examples --layer fc1l --count 2 {options}" ("examples.json" :: written)
                Expect.stringContains said "counterfactual" "the table"
                let rows = (json (folder </> "out/examples.json")).GetProperty("rows").EnumerateArray() |> List.ofSeq
                let text (name: string) (row: System.Text.Json.JsonElement) = row.GetProperty(name).GetString()

                let found kind = [
                    for row in rows do
                        if text "kind" row = kind then
                            row.GetProperty("position").GetInt32()
                ]

                let expected (some: Attribution.NearExamples -> seq<Attribution.Example>) = [
                    for each in near do
                        for example in some each -> example.Position
                ]

                Expect.equal (found "similar") (expected (fun near -> near.Similar)) "similar"
                Expect.equal (found "counterfactual") (expected (fun near -> near.Counterfactual)) "counterfactual"

            check ""
            check $"--among {dataset}")

        example "examples says in a sentence that there is nothing to choose from" (fun folder ->
            for among, message in [ "--indices 0", "explained"; "--layer fc1x", "'fc1'" ] do
                let options = if among.StartsWith "--indices" then $"{among} --among {folder}/one.npz" else among

                if among.StartsWith "--indices" then
                    use images = Attribution.ImageSet.LoadNpz(Tiny.dataset folder)
                    use one = images.Take([ 0 ]).Images().permute(0L, 2L, 3L, 1L).contiguous()
                    use writer = new Attribution.NpzWriter(folder </> "one.npz")
                    writer.Add("X", one)
                    writer.Commit()

                let told = attribution $"examples {tiny folder} {options} --out {folder}/out" |> fails
                Expect.stringContains told message "what is wrong"
                Expect.isFalse (Directory.Exists(folder </> "out")) "no folder")
    ]
