/// Masks of the part that maps are to point at.
module MasksTests

open System.IO
open Expecto
open TorchSharp
open Attribution
open Support

let private masks (count: int) (size: int) =
    torch.tensor([| for p in 0 .. count * size * size - 1 -> p % 7 = 3 |]).reshape(int64 count, int64 size, int64 size)

let private score file (metric: string) =
    numbers (((json file).GetProperty("saliency").GetProperty metric).GetProperty "per_instance")

let private measured = "--methods saliency --metrics relevance-mass,pointing-game,localisation-auc"

let tests =
    testList "masks" [
        example "evaluate scores each image by its mask, those that are selected too" (fun folder ->
            let masks = masks Tiny.count Tiny.size
            let file = Tiny.write (folder </> "masks.npz") [ "masks", masks.``to`` torch.uint8 ]
            let out = folder </> "out"

            attribution $"evaluate {tiny folder} --indices 7,2 {measured} --masks {file} --out {out}"
            |> ok
            |> ignore

            use model = Model.LoadVgg16(folder </> "vgg16.npz")
            use images = ImageSet.LoadNpz(folder </> "data.npz")
            let some = images.Take [ 7; 2 ]
            let maps = SaliencyMap(model).Attribute some
            let own = masks[torch.tensor [| 7L; 2L |]]
            let written metric = score (out </> "scores.json") metric
            close 1e-5 (Localisation.Shares(own, maps)) (written "relevance-mass") "mass"
            close 1e-5 (Localisation.PointingGame(own, maps)) (written "pointing-game") "pointing"
            close 1e-5 (Localisation.Aucs(own, maps)) (written "localisation-auc") "area"

            attribution $"study {tiny folder} {measured} --masks {file} --out {folder}/study" |> ok |> ignore
            Expect.contains (files (folder </> "study")) "study.csv" "a study takes them too")

        example "masks that are missing, or of another number or size, are answered in a sentence" (fun folder ->
            let refuse more = attribution $"evaluate {tiny folder} {measured} {more} --out {folder}/out"
            let told = refuse "" |> misused "evaluate"
            Expect.stringContains told "relevance-mass" "which"
            Expect.stringContains told "--masks" "what helps"
            attribution $"study {tiny folder} {measured} --out {folder}/out" |> misused "study" |> ignore
            let write values = Tiny.write (folder </> "m.npz") [ "masks", values ]

            let few = refuse $"--masks {write (masks 9 Tiny.size)}" |> fails
            Expect.stringContains few "9 masks" "given"
            Expect.stringContains few "10 images" "there are"
            let small = refuse $"--masks {write (masks Tiny.count 31)}" |> fails
            Expect.stringContains small "10×31×31" "given"
            Expect.stringContains small "32×32" "there is"
            let none = refuse $"--masks {folder}/none.npz" |> fails
            Expect.stringContains none "does not exist" "no file"
            Directory.CreateDirectory(folder </> "empty") |> ignore
            Expect.stringContains (refuse $"--masks {folder}/empty" |> fails) "no pictures" "an empty folder")

        example
            "without masks 'all' leaves out what needs some, and says so; the demo's scenes have their own"
            (fun folder ->
                let said =
                    attribution
                        $"evaluate --demo --indices 3,20 --methods saliency --metrics relevance-mass,sparseness --out {folder}/demo"
                    |> ok

                Expect.isFalse (said.Contains "Left out") "nothing"
                use scenes = ConceptScenes.Draw 28
                use vgg = Model.LoadVgg16 DemoNetwork.WeightsPath
                use model = vgg.To(torch.CPU, Precision.Float32)
                let images = scenes.Images.Take [ 3; 20 ]
                let own = scenes.PartMasks[torch.tensor [| 3L; 20L |]]
                let shares = Localisation.Shares(own, SaliencyMap(model).Attribute images)
                close 1e-4 shares (score (folder </> "demo/scores.json") "relevance-mass") "of the part"

                let without =
                    attribution
                        $"evaluate {tiny folder} --indices 0 --methods saliency --metrics all --pixels-per-step 500 --out {folder}/all"
                    |> ok

                Expect.stringContains without "Left out: relevance-mass, pointing-game" "which")

        example "--agreement compares metrics with the truth about the demo's scenes" (fun folder ->
            let out = folder </> "out"

            let some = "--methods saliency,grad-cam,lrp-epsilon-plus,deconvolution"

            attribution $"methods --out {out} --agreement {some} --metrics sparseness,relevance-mass,random-logit"
            |> ok
            |> ignore

            Expect.equal
                (files out)
                [ "agreement.csv"; "agreement.md"; "pictures"; "pictures/agreement.png" ]
                "files, and no progress is left"

            let lines = File.ReadAllLines(out </> "agreement.csv") |> Array.map _.Split(',')
            Expect.equal lines[0] [| "metric"; "correlation"; "low"; "high"; "methods" |] "header"
            Expect.equal (Array.truncate 2 lines[1]) [| "relevance-mass"; "1" |] "the truth agrees with itself"
            Expect.hasLength lines 4 "a row a metric"

            for row in Array.tail lines do
                Expect.equal row[4] "4" "methods"

            attribution "methods --agreement" |> misused "methods" |> ignore
            let told = attribution $"methods --out {out} --metrics sparseness" |> misused "methods"
            Expect.stringContains told "--agreement" "what it goes with"

            let few =
                attribution $"methods --out {out} --agreement --methods saliency --metrics sparseness" |> fails

            Expect.stringContains few "3" "an order takes three")
    ]
