module MethodsTests

open System
open Expecto
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
