module TasksTests

open System
open System.IO
open Expecto
open TorchSharp
open Attribution
open Support

let private numbers (shape: int64 list) (values: float seq) =
    torch.tensor(values |> Seq.map float32 |> Array.ofSeq).reshape(Array.ofList shape)

let private spread count = [ for i in 0 .. count - 1 -> sin (float (7 * i + 3)) ]

let private save folder (file: OnnxWriter) output classes =
    let path = folder </> "model.onnx"
    File.WriteAllBytes(path, file.File(output, [ int64 classes ]))
    path

/// Three scores of five features, by these weights.
let private weights = spread 15

let private table folder =
    let file = OnnxWriter(17, [ 5L ])
    let w = file.Numbers("w", numbers [ 5L; 3L ] weights)
    save folder file (file.Node("MatMul", "scores", [ "images"; w ])) 3

let private rows = [ [ 1.; 2.; -3.; 4.; 0.5 ]; [ 0.; -1.; 2.; 1.; 1. ] ]

let private csv folder =
    let path = folder </> "rows.csv"

    File.WriteAllLines(
        path,
        [
            "\"age, in years\",weight,height,pulse,label,steps"
            yield! [
                for row in rows do
                    let text =
                        row |> List.map (fun number -> number.ToString Globalization.CultureInfo.InvariantCulture)

                    String.Join(",", text[..3] @ [ "1" ] @ text[4..])
            ]
        ]
    )

    path

/// Scores of two classes at 8×8 positions of images 3×16×16.
let private segmentation folder =
    let file = OnnxWriter(17, [ 3L; 16L; 16L ])
    let w = file.Numbers("w", numbers [ 2L; 3L; 2L; 2L ] (spread 24))
    let step = struct ("strides", box [| 2L; 2L |])
    save folder file (file.Node("Conv", "scores", [ "images"; w ], step)) 2

let private pictures folder =
    let bytes = Array.init (2 * 16 * 16 * 3) (fun i -> byte (i * 37))
    Tiny.write (folder </> "x.npz") [ "X", torch.tensor(bytes).reshape(2L, 16L, 16L, 3L) ]

let tests =
    testList "tasks" [
        example "rows of a table are explained, measured and drawn, feature by feature" (fun folder ->
            let options = $"--model {table folder} --dataset {csv folder}"

            attribution
                $"explain {options} --quantity class:1 --method occlusion,saliency,rise --window 1 --out {folder}/out"
            |> ok
            |> ignore

            let expected = [
                for row in rows do
                    for i, value in List.indexed row -> value * weights[3 * i + 1]
            ]

            for method in [ "occlusion"; "saliency" ] do
                let shape, found = read (folder </> "out" </> $"attributions-{method}.npz") "pixels"
                Expect.equal shape [ 2; 1; 5 ] "a number a feature"
                close 1e-5 expected found method

            Expect.isNonEmpty (files (folder </> "out") |> List.filter _.EndsWith(".png")) "pictures"

            let said =
                attribution
                    $"evaluate {options} --methods saliency --metrics deletion,sparseness,infidelity --out {folder}/scores"
                |> ok

            Expect.stringContains said "Deletion" "scores"

            attribution
                $"study {options} --methods saliency,occlusion --metrics deletion,insertion --out {folder}/study"
            |> ok
            |> ignore)

        example "a table that is none is refused by what is wrong with it" (fun folder ->
            let model = table folder

            for lines, words in
                [
                    [], [ "is empty" ]
                    [ "a,b,c,d,e" ], [ "no row" ]
                    [ "1,2,3,4,5"; "1,2,3,4" ], [ "line 2 has 4 cells" ]
                    [ "a,b,c,d,e"; "1,2,x,4,5" ], [ "line 2 has 'x' in column 'c'" ]
                    [ "a,b,c,d,e"; "1,2,NaN,4,5" ], [ "'NaN'"; "finite" ]
                    [ "1,2,3,4" ], [ "4 columns"; "5" ]
                    [ "\"1,2" ], [ "close its quotes" ]
                ] do
                File.WriteAllLines(folder </> "bad.csv", (lines: string list))

                let error =
                    attribution
                        $"explain --model {model} --dataset {folder}/bad.csv --method saliency --out {folder}/out"
                    |> fails

                for word in "bad.csv" :: words do
                    Expect.stringContains error word "what is wrong"

                Expect.isFalse (Directory.Exists(folder </> "out")) "nothing is written")

        example "signals and volumes are explained as they are" (fun folder ->
            for instance, kernel in [ [ 2L; 9L ], [ 3L ]; [ 2L; 3L; 4L; 5L ], [ 3L; 3L; 3L ] ] do
                let file = OnnxWriter(17, instance)
                let count = List.fold (*) 1L
                let w = file.Numbers("w", numbers ([ 4L; 2L ] @ kernel) (spread (8 * int (count kernel))))
                let conv = file.Node("Conv", "conv", [ "images"; w ])
                let bent = file.Node("Relu", "bent", [ conv ])
                let mean = file.Node("GlobalAveragePool", "mean", [ bent ])
                let model = save folder file (file.Node("Flatten", "scores", [ mean ])) 4

                let data =
                    Tiny.write (folder </> "x.npz") [
                        "X", numbers (2L :: instance) (spread (2 * int (count instance)))
                    ]

                let out = $"{folder}/out-{instance.Length}"

                attribution
                    $"explain --model {model} --dataset {data} --method saliency,integrated-gradients,lrp-epsilon --out {out}"
                |> ok
                |> ignore

                let shape, _ = read (out </> "attributions-saliency.npz") "pixels"
                Expect.equal (List.fold (*) 1 shape) (2 * int (count instance.Tail)) "a number a position"

                attribution
                    $"evaluate --model {model} --dataset {data} --methods saliency --metrics deletion --out {out}-scores"
                |> ok
                |> ignore

                let wrong = Tiny.write (folder </> "wrong.npz") [ "X", torch.zeros (2L, 3L, 3L) ]

                let error =
                    attribution $"explain --model {model} --dataset {wrong} --method saliency --out {out}-no" |> fails

                Expect.stringContains error "the model takes n x" "its shape")

        example "a segmentation is asked for a region, and the picture shows which" (fun folder ->
            let options = $"--model {segmentation folder} --preprocess none --dataset {pictures folder}"
            let mask = Array.init 256 (fun i -> if i % 16 < 8 then 255uy else 0uy)
            let file = folder </> "mask.png"

            use bitmap = new SkiaSharp.SKBitmap(16, 16, SkiaSharp.SKColorType.Gray8, SkiaSharp.SKAlphaType.Opaque)
            Runtime.InteropServices.Marshal.Copy(mask, 0, bitmap.GetPixels(), 256)
            use encoded = bitmap.Encode(SkiaSharp.SKEncodedImageFormat.Png, 100)
            File.WriteAllBytes(file, encoded.ToArray())

            let said =
                attribution
                    $"explain {options} --quantity region:1@{file} --method saliency,occlusion --out {folder}/out"
                |> ok

            Expect.stringContains said "scores of 2 classes at each of 8×8 positions" "what is taken"
            let _, found = read (folder </> "out" </> "attributions-saliency.npz") "pixels"

            for i, value in Array.indexed found do
                if i % 16 >= 8 then
                    Expect.equal value 0. "nothing outside of the mask matters"

            for quantity in [ "point:0@3,5"; "output:77"; "class:1"; "predicted" ] do
                attribution $"explain {options} --quantity {quantity} --method saliency --out {folder}/more"
                |> ok
                |> ignore

            for quantity, words in
                [
                    "region:7", "no class 7"
                    "point:0@16,0", "no pixel 16,0"
                    "box:0,0,4,4", "no boxes"
                    $"region:0@{folder}/no.png", "no.png"
                ] do
                let error =
                    attribution $"explain {options} --quantity {quantity} --method saliency --out {folder}/no" |> fails

                Expect.stringContains error words quantity

            for quantity in [ "point:0"; "box:1,2,3"; "output:x"; "detection:1" ] do
                attribution $"explain {options} --quantity {quantity} --method saliency --out {folder}/no"
                |> misused "explain"
                |> ignore)

        example "a transformer comes with the program" (fun folder ->
            for network in [ "vit"; "swin" ] do
                let said = attribution $"layers --demo --network {network}" |> ok
                Expect.stringContains said "heads" "heads are units"
                Expect.stringContains said "positions 8×8" "where tokens lie"

                attribution
                    $"explain --demo --network {network} --indices 0 --method attention-rollout,attention-relevance,grad-cam --out {folder}/{network}"
                |> ok
                |> ignore

            attribution
                $"explain --demo --network segmentation --indices 0 --quantity region:0 --method saliency --out {folder}/seg"
            |> ok
            |> fun said -> Expect.stringContains said "background" "the class of most pixels"

            attribution $"demo --network segmentation --out {folder}/no" |> misused "demo" |> ignore
            let error = attribution $"explain --demo --method attention-rollout --out {folder}/no" |> fails
            Expect.stringContains error "is about attention" "of a network without"

            attribution $"layers --demo --network resnet" |> misused "layers" |> ignore)
    ]
