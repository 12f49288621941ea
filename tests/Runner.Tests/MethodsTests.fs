module MethodsTests

open System
open Expecto
open SkiaSharp
open TorchSharp
open Attribution
open Support

/// The maps that 'explain' writes: n×C×H×W.
let private maps folder (methods: string) =
    attribution $"explain {tiny folder} {methods} --out {folder}/out" |> ok |> ignore

    let name = (methods.Split ' ')[1]
    use file = NpzFile.Open(folder </> $"out/attributions-{name}.npz")
    file.Read("attributions").permute(0L, 3L, 1L, 2L).contiguous().``to`` torch.float64

let private numbersOf (maps: torch.Tensor) = maps.``to``(torch.float64).contiguous().data<float>().ToArray()

let private described folder = (json (folder </> "out/summary.json")).GetProperty("methods").GetRawText()

/// A picture whose blue are those numbers.
let private picture file (numbers: int64[,]) =
    use bitmap = new SKBitmap(Array2D.length2 numbers, Array2D.length1 numbers)

    numbers
    |> Array2D.iteri (fun row column n -> bitmap.SetPixel(column, row, SKColor(0uy, 0uy, byte n)))

    use data = bitmap.Encode(SKEncodedImageFormat.Png, 100)
    IO.File.WriteAllBytes(file, data.ToArray())
    file

let tests =
    testList "methods" [
        testCase "'methods' lists every method and metric, with formula and source" (fun () ->
            let lines = (attribution "methods" |> ok).Split '\n'

            let entries = [
                for m in AttributionMethod.All -> m.Name, m.Title, m.Formula, m.Source
                for m in AttributionMetric.All -> m.Name, m.Title, m.Formula, m.Source
            ]

            for name, title, formula, source in ("influence-directed", "Influence", "", "") :: entries do
                let at =
                    lines |> Array.tryFindIndex (fun line -> line.StartsWith(name + " ", StringComparison.Ordinal))

                match at with
                | Some at ->
                    Expect.stringContains lines[at] title name
                    Expect.stringContains lines[at + 1] formula name
                    Expect.stringContains lines[at + 2] source name
                | None -> failtest $"{name} is not listed.")

        example "--noise is smoothgrad's: without any it is the gradient" (fun folder ->
            let gradient = maps folder "--method saliency --no-multiply"

            close
                1e-6
                (numbersOf gradient)
                (maps folder "--method smoothgrad --samples 3 --noise 0" |> numbersOf)
                "none"

            Expect.stringContains (described folder) "noise 0" "summary.json"
            use model = Model.LoadVgg16(folder </> "vgg16.npz")
            use images = ImageSet.LoadNpz(folder </> "data.npz")

            let expected = SmoothGrad(model, samples = 3, noise = 0.4).Attribute images

            close
                1e-6
                (numbersOf expected)
                (maps folder "--method smoothgrad --samples 3 --noise 0.4" |> numbersOf)
                "much")

        example "--window and --stride are occlusion's" (fun folder ->
            let found = (maps folder "--method occlusion --window 10 --stride 7").select(1L, 2L)

            Expect.stringContains (described folder) "window 10 · stride 7" "summary.json"
            use model = Model.LoadVgg16(folder </> "vgg16.npz")
            use images = ImageSet.LoadNpz(folder </> "data.npz")

            let expected = Occlusion(model, windowSize = 10, stride = 7).Attribute images

            close 1e-6 (numbersOf expected) (numbersOf found) "maps")

        example "--features says what is hidden as one: a grid, superpixels, or a file of regions" (fun folder ->
            use model = Model.LoadVgg16(Tiny.vgg16 folder)
            use images = ImageSet.LoadNpz(Tiny.dataset folder)

            let agrees options (features: Features) =
                let found = (maps folder $"--method feature-ablation --features {options}").select(1L, 2L)
                let expected = FeatureAblation(model, features).Attribute images
                close 1e-6 (numbersOf expected) (numbersOf found) options

            agrees "grid:2" (Features.Grid 2)
            Expect.stringContains (described folder) "features grid:2" "summary.json"

            // Two halves, as a picture of two colours and as numbers.
            let half =
                Array2D.init images.Height images.Width (fun _ column -> if column < images.Width / 2 then 7L else 0L)

            agrees (picture (folder </> "halves.png") half) (Features.Given(torch.tensor half))

            attribution $"explain {tiny folder} --method lime --features {folder}/none.png --out {folder}/out"
            |> misused "explain"
            |> fun error -> Expect.stringContains error "superpixels:N, grid:N, each or a file" "no such file"

            let small = picture (folder </> "small.png") half[0..2, *]

            attribution $"explain {tiny folder} --method lime --features {small} --out {folder}/out"
            |> fails
            |> fun error -> Expect.stringContains error "one whole number a pixel" "another size")

        example
            "--smooth, --augment, --background and several --map-layer change maps, and summary.json says so"
            (fun folder ->
                let plain = numbersOf (maps folder "--method saliency")

                for options, said in
                    [
                        "--method saliency --smooth 2 --noise 0.3", "over 2 copies with noise 0.3"
                        "--method saliency --augment", "mirrored, darker and brighter"
                    ] do
                    Expect.notEqual (numbersOf (maps folder options)) plain options
                    Expect.stringContains (described folder) said options

                let one = numbersOf (maps folder "--method grad-cam --map-layer conv5_3l")
                let two = numbersOf (maps folder "--method grad-cam --map-layer conv5_3l --map-layer conv4_3l")
                Expect.notEqual two one "fused"
                Expect.stringContains (described folder) "fused with conv4_3l" "summary.json"

                let against background = numbersOf (maps folder $"--method deep-shap --samples 2 {background}")
                let own = against ""
                let file = Tiny.dataset folder
                Expect.equal (against $"--background {file}") own "the same images"

                attribution $"explain {tiny folder} --method deep-shap --background {folder}/none --out {folder}/out"
                |> fails
                |> ignore)

        example "'all' stands for every name, wherever it is among them" (fun folder ->
            attribution
                $"evaluate {tiny folder} --indices 0 --methods saliency --metrics sparseness all --pixels-per-step 500 --out {folder}/out"
            |> ok
            |> ignore

            let methods = [ for m in (json (folder </> "out/scores.json")).EnumerateObject() -> m ]
            Expect.equal [ for m in methods -> m.Name ] [ "saliency" ] "methods"

            Expect.equal
                [ for metric in methods[0].Value.EnumerateObject() -> metric.Name ]
                [
                    for metric in AttributionMetric.All do
                        if not metric.NeedsMasks then
                            metric.Name
                ]
                "metrics")
    ]
