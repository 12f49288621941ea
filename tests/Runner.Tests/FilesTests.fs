module FilesTests

open System
open System.IO
open Expecto
open SkiaSharp
open TorchSharp
open Attribution
open Support

let private notes file = (json file).GetProperty("notes").EnumerateArray() |> Seq.map _.GetString() |> List.ofSeq

let private image (file: string) (colour: SKColor) =
    Directory.CreateDirectory(Path.GetDirectoryName file) |> ignore
    use bitmap = new SKBitmap(4, 4)
    bitmap.Erase colour
    use data = bitmap.Encode(SKEncodedImageFormat.Png, 100)
    File.WriteAllBytes(file, data.ToArray())

/// The colours of a panel of a picture of images of 32×32.
let private panel i (file: string) =
    use picture = SKBitmap.Decode file
    let left = 20 + i * (224 + 12)

    [
        for x in left + 3 .. 7 .. left + 223 do
            for y in 120 + 3 .. 7 .. 120 + 223 do
                picture.GetPixel(x, y)
    ]

let private red, blue = SKColor(178uy, 24uy, 43uy), SKColor(33uy, 102uy, 172uy)

let private pictures =
    testList "pictures" [
        example
            "have a heat map whose largest attribution has the full colour; on a shared scale, one of all has"
            (fun folder ->
                let full out = [
                    for i in 0..9 do
                        let heat = panel 3 (folder </> out </> $"saliency-{i}.png")
                        List.exists (fun c -> c = red || c = blue) heat
                ]

                let data = tiny folder

                for out, options in [ "default", ""; "own", "--scale own"; "shared", "--scale shared" ] do
                    attribution $"explain {data} --method saliency {options} --out {folder}/{out}" |> ok |> ignore

                Expect.equal (full "own") (List.replicate 10 true) "each by its own"
                let largest = full "shared" |> List.filter id |> List.length
                Expect.equal largest 1 "one image has the largest"

                let bytes out = File.ReadAllBytes(folder </> out </> "saliency-3.png")

                Expect.equal (bytes "default") (bytes "own") "own is the default"

                let maps out = snd (read (folder </> out </> "attributions-saliency.npz") "attributions")

                Expect.equal (maps "shared") (maps "own") "maps are what they were")

        example "of maps of 1e-15 are drawn as any other" (fun folder ->
            let model = Tiny.onnx [] folder
            let size = int64 Tiny.size
            let x = torch.rand (1L, size, size, 3L)

            for name, scale in [ "ordinary", 1.; "small", 1e-12 ] do
                let data = Tiny.write (folder </> $"{name}.npz") [ "X", (x * scale.ToScalar()).``to`` torch.float32 ]

                attribution $"explain --model {model} --dataset {data} --method saliency --out {folder}/{name}"
                |> ok
                |> ignore

            for i in 0..3 do
                let of' name = panel i (folder </> name </> "saliency-0.png")

                if i > 0 then
                    let near (a: SKColor) (b: SKColor) =
                        abs (int a.Red - int b.Red) <= 1 && abs (int a.Blue - int b.Blue) <= 1

                    let same = List.map2 near (of' "ordinary") (of' "small") |> List.filter id
                    Expect.isGreaterThanOrEqual same.Length 1020 $"panel {i}")

        example "of which nothing is kept are dim" (fun folder ->
            let model = Tiny.onnx [] folder
            let size = int64 Tiny.size
            let x = torch.full ([| 1L; size; size; 3L |], 200uy.ToScalar(), torch.uint8)
            let data = Tiny.write (folder </> "x.npz") [ "X", x ]
            // No pixel varies the gradient of a mean.
            attribution $"explain --model {model} --dataset {data} --method vargrad --out {folder}/out"
            |> ok
            |> ignore

            let seen = panel 2 (folder </> "out/vargrad-0.png")
            Expect.isTrue (seen |> List.forall (fun c -> c.Red < 30uy)) "the masked input")
    ]

let private labels =
    testList "labels" [
        example "that are not as many as the classes are told of, by every command that takes them" (fun folder ->
            let file = folder </> "names.txt"
            File.WriteAllText(file, "name\ncat\ndog\nhen\nowl\n")
            let data = $"{tiny folder} --labels {file}"

            for command in
                [
                    $"explain {data} --method saliency --out {folder}/explain"
                    $"experts {data} --layer fc1 --no-pictures --out {folder}/experts"
                    $"evaluate {data} --methods saliency --metrics sparseness --out {folder}/evaluate"
                    $"study {data} --methods saliency --metrics sparseness --out {folder}/study"
                    $"report {data} --out {folder}/report"
                ] do
                Expect.stringContains
                    (attribution command |> ok)
                    "has 5 names, for classes up to 4, but the model has 4"
                    command

            Expect.isTrue
                (notes (folder </> "explain/summary.json") |> List.exists _.Contains("has 5 names"))
                "summary"

            Expect.stringContains (File.ReadAllText(folder </> "report/index.html")) "has 5 names" "the page"
            File.WriteAllText(file, "k,name\n0,cat\n1,dog\n2,hen\n3,owl\n")
            let said = attribution $"explain {data} --method saliency --out {folder}/csv" |> ok
            Expect.stringContains said "'k,name', is taken for a header" "a table"
            Expect.isFalse (said.Contains "names, ") "as many")

        example "in another encoding are refused" (fun folder ->
            File.WriteAllBytes(folder </> "names.txt", [| 0xe9uy; 10uy |])

            let said =
                attribution $"explain {tiny folder} --labels {folder}/names.txt --method saliency --out {folder}/out"
                |> fails

            Expect.stringContains said "UTF-8" "what to do")
    ]

let private images =
    testList "images" [
        example "in 0-1 are multiplied by 255 where preprocessing is for bytes, and this is said" (fun folder ->
            let model = Tiny.onnx [] folder
            let size = int64 Tiny.size
            let bytes = (torch.rand (3L, size, size, 3L) * 255.0.ToScalar()).round()

            let said = [
                for name, x in [ "bytes", bytes; "unit", bytes / 255.0.ToScalar() ] do
                    let data = Tiny.write (folder </> $"{name}.npz") [ "X", x.``to`` torch.float32 ]

                    attribution
                        $"explain --model {model} --dataset {data} --preprocess imagenet --method saliency --out {folder}/{name}"
                    |> ok
            ]

            Expect.isFalse (said[0].Contains "multiplied") "bytes"
            Expect.stringContains said[1] "multiplied by 255" "0-1"
            Expect.isTrue (notes (folder </> "unit/summary.json") |> List.exists _.Contains("multiplied")) "summary"

            let maps name = snd (read (folder </> name </> "attributions-saliency.npz") "attributions")

            close 1e-4 (maps "bytes") (maps "unit") "the same maps")

        example "in folders have the folders' classes: by name, else in order, else none" (fun folder ->
            let model = Tiny.onnx [] folder

            for class', colour in [ "hen", SKColors.Red; "cat", SKColors.Lime; "dog", SKColors.Blue ] do
                image (folder </> $"tree/{class'}/1.png") colour

            File.WriteAllText(folder </> "names.txt", "hen\ndog\ncat")

            let classes out options =
                let said =
                    attribution
                        $"explain --model {model} --images {folder}/tree --method saliency --out {folder}/{out} {options}"
                    |> ok

                let instances = (json (folder </> out </> "summary.json")).GetProperty "instances"

                said,
                [
                    for instance in instances.EnumerateArray() do
                        instance.GetProperty("name").GetString(),
                        match instance.TryGetProperty "true" with
                        | true, k -> k.GetInt32()
                        | _ -> -1
                ]

            let said, found = classes "order" ""
            Expect.equal found [ "cat/1.png", 0; "dog/1.png", 1; "hen/1.png", 2 ] "in order"
            Expect.stringContains said "cat 0, dog 1, hen 2" "this is said"
            let said, found = classes "names" $"--labels {folder}/names.txt"
            Expect.equal (List.map snd found) [ 2; 1; 0 ] "by name"
            Expect.stringContains said "cat 2, dog 1, hen 0" "this is said"
            image (folder </> "tree/owl/1.png") SKColors.Gray
            let said, found = classes "none" ""
            Expect.equal (List.map snd found) [ -1; -1; -1; -1 ] "none"
            Expect.stringContains said "true classes are not known" "this is said")

        example "may be an X that stands alone, and those of other channels are told how to be made" (fun folder ->
            let model = Tiny.onnx [] folder
            let size = int64 Tiny.size

            let grey = Tiny.write (folder </> "grey.npz") [ "X", torch.zeros ([| 2L; size; size |], torch.uint8) ]

            let said =
                attribution $"explain --model {model} --dataset {grey} --method saliency --out {folder}/out"
                |> fails

            Expect.stringContains said "numpy.repeat" "three channels"

            let header = $"{{'descr': '|u1', 'fortran_order': False, 'shape': (1, {size}, {size}, 3), }}"

            let length = 64 * ((header.Length + 11) / 64 + 1) - 10

            File.WriteAllBytes(
                folder </> "x.npy",
                Array.concat [
                    [| 0x93uy |]
                    Text.Encoding.ASCII.GetBytes "NUMPY"
                    [| 1uy; 0uy; byte length; byte (length / 256) |]
                    Text.Encoding.ASCII.GetBytes(header.PadRight(length - 1) + "\n")
                    Array.create (int (size * size * 3L)) 7uy
                ]
            )

            let said =
                attribution $"explain --model {model} --dataset {folder}/x.npy --method saliency --out {folder}/out"
                |> ok

            Expect.stringContains said "Wrote 1 picture" "one image")
    ]

let private choices =
    testList "choices" [
        example
            "the layer of class activation maps is in the output, the summary and the picture's settings"
            (fun folder ->
                let run options out =
                    let said =
                        attribution $"explain {tiny folder} --method grad-cam,layer-cam {options} --out {folder}/{out}"
                        |> ok

                    let methods = (json (folder </> out </> "summary.json")).GetProperty "methods"

                    said, [ for m in methods.EnumerateArray() -> m.GetProperty("description").GetString() ]

                let said, descriptions = run "" "default"
                Expect.stringContains said "(grad-cam, layer-cam) look at layer 'conv5_3'" "the output"

                for description in descriptions do
                    Expect.stringContains description "layer conv5_3" "the summary"

                let _, descriptions = run "--map-layer conv2_1" "named"

                for description in descriptions do
                    Expect.stringContains description "layer conv2_1" "the layer that was named"

                for command in [ "evaluate"; "study" ] do
                    let said =
                        attribution
                            $"{command} {tiny folder} --methods layer-cam --metrics sparseness,complexity --out {folder}/{command}"
                        |> ok

                    Expect.stringContains said "look at layer 'conv5_3'" command

                let settings =
                    (json (folder </> "evaluate/scores.json"))
                        .GetProperty("layer-cam")
                        .GetProperty("complexity")
                        .GetProperty("settings")

                Expect.stringContains (settings.GetString()) "layer conv5_3" "scores.json"

                let settings = (json (folder </> "study/study.json")).GetProperty("settings").GetProperty "layer-cam"

                Expect.stringContains (settings.GetString()) "layer conv5_3" "study.json"
                let said, _ = run "--quantity unit:conv3_1,0" "unit"
                Expect.stringContains said "look at layer 'conv3_1'" "a unit's own layer")

        example
            "expected gradients compare with all images of the data, and are refused where there is no other"
            (fun folder ->
                let run data options =
                    attribution
                        $"explain --model {Tiny.vgg16 folder} --dataset {data} --method expected-gradients {options} --out {folder}/out"

                let data = Tiny.dataset folder
                let said = run data "--indices 2" |> ok
                Expect.stringContains said "all 10 images" "the background is told"
                Expect.isFalse (said.Contains "zero everywhere") "the map is not empty"

                let alone = snd (read (folder </> "out/attributions-expected-gradients.npz") "pixels")

                run data "" |> ok |> ignore
                let all = snd (read (folder </> "out/attributions-expected-gradients.npz") "pixels")
                let pixels = Tiny.size * Tiny.size
                Expect.isTrue (Array.exists ((<>) 0.) all[2 * pixels .. 3 * pixels - 1]) "among all, too"
                Expect.hasLength alone pixels "one map"

                use source = NpzFile.Open data
                let one = (source.Read "X").narrow(0L, 0L, 1L)
                let said = run (Tiny.write (folder </> "one.npz") [ "X", one ]) "" |> fails
                Expect.stringContains said "image 0" "which"
                Expect.stringContains said "give more images" "what to do")
    ]

let tests = testList "files" [ pictures; labels; images; choices ]
