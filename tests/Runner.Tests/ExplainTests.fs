module ExplainTests

open System
open System.IO
open System.Text.Json
open Expecto
open SkiaSharp
open TorchSharp
open Attribution
open Support

let private shape name folder file = fst (read (folder </> file) name)

/// n×C×H×W as n×H×W×C.
let private channelsLast (maps: torch.Tensor) =
    maps.permute(0L, 2L, 3L, 1L).contiguous().``to``(torch.float64).data<float>().ToArray()

let tests =
    testList "explain" [
        example "writes the maps, what is known of the images, a picture of each and a summary" (fun folder ->
            let out = folder </> "out"
            let said = attribution $"explain {tiny folder} --method saliency --out {out}" |> ok

            let pictures = [ for i in 0..9 -> $"saliency-{i}.png" ]
            Expect.equal (files out) ([ "attributions-saliency.npz" ] @ pictures @ [ "summary.json" ]) "files"
            Expect.equal (shape "attributions" out "attributions-saliency.npz") [ 10; 32; 32; 3 ] "attributions"
            Expect.equal (shape "pixels" out "attributions-saliency.npz") [ 10; 32; 32 ] "pixels"

            let member' name = snd (read (out </> "attributions-saliency.npz") name)

            close 0. (Seq.map float Tiny.truth) (member' "Y") "Y"
            close 0. (Seq.map float Tiny.ids) (member' "Idx") "Idx"
            Expect.stringContains said out "the summary line says where"
            Expect.stringContains said "Wrote 10 pictures" "the summary line says what")

        example "gives the façade's maps, and the model's predictions" (fun folder ->
            let methods = "saliency,integrated-gradients,influence-directed"

            attribution $"explain {tiny folder} --method {methods} --layer fc1l --steps 7 --out {folder}/out"
            |> ok
            |> ignore

            use model = Model.LoadVgg16(folder </> "vgg16.npz")
            use images = ImageSet.LoadNpz(folder </> "data.npz")
            let influence = InflDirected(model, "fc1l", Quantity.Predicted)
            let expert = influence.DisInfluence images

            let same name (maps: torch.Tensor) =
                close
                    1e-6
                    (channelsLast maps)
                    (snd (read (folder </> $"out/attributions-{name}.npz") "attributions"))
                    name

            same "saliency" (SaliencyMap(model).Attribute images)
            same "integrated-gradients" (IntegratedGrad(model).Attribute(images, numSteps = 7))
            same "influence-directed" (influence.ExpertAttribution(expert, images))
            let summary = json (folder </> "out/summary.json")
            Expect.equal (summary.GetProperty("expert").GetProperty("expert").GetInt32()) expert "the expert"

            let predicted = model.Logits(images).argmax(1L).data<int64>().ToArray()
            close 0. (Seq.map float predicted) (snd (read (folder </> "out/attributions-saliency.npz") "Pred")) "Pred")

        example "hands on the quantity, the baseline, the rule and the gradient alone" (fun folder ->
            let options = "--quantity margin:2,1 --baseline random:5 --rule gauss-legendre --steps 4 --no-multiply"

            attribution $"explain {tiny folder} --method integrated-gradients {options} --out {folder}/out"
            |> ok
            |> ignore

            use model = Model.LoadVgg16(folder </> "vgg16.npz")
            use images = ImageSet.LoadNpz(folder </> "data.npz")

            let expected =
                IntegratedGrad(model, Quantity.Margin(2, 1))
                    .Attribute(
                        images,
                        Baseline.Random 5L,
                        numSteps = 4,
                        multiplyWithInput = false,
                        rule = IntegrationRule.GaussLegendre
                    )

            close
                1e-6
                (channelsLast expected)
                (snd (read (folder </> "out/attributions-integrated-gradients.npz") "attributions"))
                "maps")

        example "gives the same maps whatever the batch size" (fun folder ->
            let run size =
                attribution
                    $"explain {tiny folder} --method influence-directed --quantity true --batch-size {size} --out {folder}/{size}"
                |> ok
                |> ignore

                snd (read (folder </> $"{size}/attributions-influence-directed.npz") "attributions")

            close 1e-5 (run 10) (run 3) "maps")

        example "explains the images that are selected, by the expert of the whole data set" (fun folder ->
            let explain selection out =
                attribution $"explain {tiny folder} --method influence-directed {selection} --out {folder}/{out}"
                |> ok
                |> ignore

                read (folder </> $"{out}/attributions-influence-directed.npz") "attributions"

            let _, all = explain "" "all"
            let shape, some = explain "--indices 7,2" "some"
            let row = all.Length / 10
            Expect.equal shape [ 2; 32; 32; 3 ] "shape"
            close 1e-5 (Array.append all[7 * row .. 8 * row - 1] all[2 * row .. 3 * row - 1]) some "maps"

            Expect.equal
                (files (folder </> "some") |> List.filter _.EndsWith(".png"))
                [ "influence-directed-2.png"; "influence-directed-7.png" ]
                "pictures are named by position in the data"

            explain "--ids 103" "ids" |> ignore

            Expect.equal
                (files (folder </> "ids") |> List.filter _.EndsWith(".png"))
                [ "influence-directed-6.png"; "influence-directed-7.png" ]
                "all images of an id")

        example "says how often the file's predictions are not the model's" (fun folder ->
            let said = attribution $"explain {tiny folder} --method saliency --out {folder}/out" |> ok

            let predicted = snd (read (folder </> "out/attributions-saliency.npz") "Pred")
            let wrong = predicted |> Seq.filter ((<>) 3.) |> Seq.length
            Expect.isGreaterThan wrong 0 "the file's predictions are made up"

            Expect.equal
                ((json (folder </> "out/summary.json")).GetProperty("disagreements").GetInt32())
                wrong
                "summary.json"

            Expect.stringContains said $"not the file's Pred for {wrong} of 10 images" "the terminal")

        example "explains image files, resized to the model's input" (fun folder ->
            use bitmap = new SKBitmap(50, 40)
            bitmap.Erase SKColors.Orange

            do
                use data = bitmap.Encode(SKEncodedImageFormat.Png, 100)
                use file = File.Create(folder </> "orange.png")
                data.SaveTo file

            attribution
                $"explain --model {Tiny.vgg16 folder} --images {folder}/orange.png --method saliency --out {folder}/out"
            |> ok
            |> ignore

            Expect.equal
                (files (folder </> "out"))
                [ "attributions-saliency.npz"; "saliency-0.png"; "summary.json" ]
                "files"

            let instance = (json (folder </> "out/summary.json")).GetProperty("instances")[0]
            Expect.equal (instance.GetProperty("name").GetString()) "orange.png" "its name"
            use picture = SKBitmap.Decode(folder </> "out/saliency-0.png")
            Expect.isGreaterThanOrEqual picture.Width (3 * 224) "three panels"
            let fromTheFile = picture.GetPixel(100, 250)
            Expect.equal fromTheFile SKColors.Orange "the input is shown as it is")

        example "says of which images the map is empty, and how to fill it" (fun folder ->
            let options = $"--model {Tiny.withDeadUnit folder} --dataset {Tiny.dataset folder} --quantity class:0"

            let explain layer =
                let said =
                    attribution
                        $"explain {options} --method influence-directed --layer {layer} --indices 4,1 --out {folder}/{layer}"
                    |> ok

                let methods = (json (folder </> $"{layer}/summary.json")).GetProperty "methods"
                said, numbers (methods[0].GetProperty "zero_maps")

            let said, empty = explain "fc1"
            Expect.equal empty [ 4.; 1. ] "a dead unit sees nothing"
            Expect.stringContains said "zero everywhere for 2 of 2 images" "the terminal"
            Expect.stringContains said "--layer fc1l" "the remedy"
            Expect.equal (snd (explain "fc1l")) [] "before the activation")

        example "one method that fails is named, and the others' files are whole" (fun folder ->
            let out = folder </> "out"

            let told =
                attribution $"explain {Tiny.means folder} --method saliency,lrp-epsilon,grad-cam,occlusion --out {out}"

            Expect.equal told.Code 1 "exit code"
            let sentences = (Support.said told).TrimEnd('\n').Split '\n'
            Expect.hasLength sentences 2 "a sentence each"
            Expect.stringStarts sentences[0] "The method lrp-epsilon failed: " "which, and why"
            Expect.stringStarts sentences[1] "The method grad-cam failed: " "which, and why"

            let ofMethod name = $"attributions-{name}.npz" :: [ for i in 0..3 -> $"{name}-{i}.png" ]

            Expect.equal
                (files out)
                (List.sort (ofMethod "saliency" @ ofMethod "occlusion" @ [ "summary.json" ]))
                "files of the others"

            let summary = json (out </> "summary.json")
            Expect.equal (summary.GetProperty("methods").GetArrayLength()) 2 "methods"
            let failed = [ for f in summary.GetProperty("failed").EnumerateArray() -> f.GetString() ]
            Expect.equal failed (List.ofArray sentences) "summary.json"

            Expect.stringContains
                told.Out
                "Wrote 8 pictures, attributions-saliency.npz, attributions-occlusion.npz"
                "said"

            // Of 'all', what the model does not allow is left out.
            let said =
                attribution $"explain {Tiny.means folder} --method all --samples 3 --indices 0 --out {folder}/all"
                |> ok

            Expect.stringContains said "The method grad-cam is left out: " "which"
            Expect.contains (files (folder </> "all")) "attributions-saliency.npz" "the others")

        example "maps that are not finite, constant or without positive pixels are named" (fun folder ->
            let out = folder </> "out"

            let said = attribution $"explain {Tiny.roots folder} --method saliency,occlusion --out {out}" |> ok

            Expect.stringContains
                said
                "The map of saliency is not finite for 2 of 4 images; summary.json lists them."
                "said"

            let methods = (json (out </> "summary.json")).GetProperty "methods"
            Expect.equal (numbers (methods[0].GetProperty "not_finite_maps")) [ 0.; 2. ] "which"
            Expect.equal (numbers (methods[1].GetProperty "not_finite_maps")) [] "none of the other"
            Expect.hasLength (files out) 11 "all files"

            // The mean's gradient is the same everywhere, and minus another channel's is never positive.
            for quantity, words, name in
                [
                    "class:0", "is the same number everywhere for 4 of 4 images", "constant_maps"
                    "margin:0,1", "is zero everywhere for 4 of 4 images", "zero_maps"
                ] do
                let said =
                    attribution
                        $"explain {Tiny.means folder} --method saliency --no-multiply --quantity {quantity} --out {out}"
                    |> ok

                Expect.stringContains said words quantity
                let methods = (json (out </> "summary.json")).GetProperty "methods"
                Expect.equal (numbers (methods[0].GetProperty name)) [ 0. .. 3. ] name)

        example "predictions that are one class for nearly all images are doubted, in every command" (fun folder ->
            let colour (i: int) = torch.tensor([| float32 (100 + i); 20f; 30f |]).expand(32L, 32L, 3L)

            let data =
                Tiny.write (folder </> "red.npz") [
                    "X", torch.stack [| for i in 0..19 -> colour i |]
                    "Y", torch.tensor [| for i in 0..19 -> int64 (i % 2) |]
                ]

            let options = $"--model {Tiny.onnx [] folder} --preprocess none --dataset {data}"

            let doubt = "The model gives 20 of 20 images the same class, class 0, though they differ"

            for command in
                [
                    "explain --method saliency --indices 0"
                    "explain --method saliency"
                    "evaluate --methods saliency --metrics sparseness"
                    "study --methods saliency --metrics sparseness"
                    "experts --layer mean --no-pictures"
                ] do
                let said = attribution $"{command} {options} --out {folder}/out" |> ok
                Expect.equal (said.Contains doubt) (not (command.Contains "--indices 0")) command)

        example "leaves other files in the folder alone, and writes over its own" (fun folder ->
            let out = folder </> "out"
            Directory.CreateDirectory out |> ignore
            File.WriteAllText(out </> "notes.txt", "mine")
            File.WriteAllText(out </> "summary.json", "old")

            attribution $"explain {tiny folder} --indices 0 --method saliency --out {out}" |> ok |> ignore

            Expect.equal (File.ReadAllText(out </> "notes.txt")) "mine" "the user's file"

            Expect.equal
                (files out)
                [ "attributions-saliency.npz"; "notes.txt"; "saliency-0.png"; "summary.json" ]
                "files"

            Expect.equal ((json (out </> "summary.json")).GetProperty("images").GetInt32()) 1 "the new summary")

        sharedExample "equals the oracle on a real network and real images" (fun shared folder ->
            let model =
                $"--model {shared}/models/resnet_2b.onnx --scale 255 --mean 0.4914,0.4822,0.4465 --std 0.2471,0.2435,0.2616"

            let methods = "saliency,integrated-gradients,influence-directed"

            attribution
                $"explain {model} --dataset {shared}/data/cifar10-real.npz --method {methods} --layer 32 --quantity predicted --out {folder}/out"
            |> ok
            |> ignore

            Expect.hasLength (files (folder </> "out") |> List.filter _.EndsWith(".png")) 126 "pictures"

            for name, golden in
                [ "saliency", "saliency"; "integrated-gradients", "ig_black"; "influence-directed", "expert" ] do
                let _, maps = read (folder </> $"out/attributions-{name}.npz") "attributions"
                let _, expected = read (shared </> "golden/resnet_2b.npz") golden
                close 2e-4 expected maps[.. expected.Length - 1] name

            let expert =
                (json (folder </> "out/summary.json")).GetProperty("expert").GetProperty("expert").GetInt32()

            Expect.equal (float expert) (snd (read (shared </> "golden/resnet_2b.npz") "expert_id")).[0] "the expert")
    ]
