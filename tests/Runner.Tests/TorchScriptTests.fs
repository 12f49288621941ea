module TorchScriptTests

open System
open System.IO
open Expecto
open Attribution
open Support

let private file name = Path.Combine(AppContext.BaseDirectory, "Models", "TorchScript", name)

let private tiny = $"""--model {file "net.pt"} --dataset {file "net.npz"}"""

let tests =
    testList "TorchScript" [
        example "models are explained by PyTorch's gradients, and scored" (fun folder ->
            attribution
                $"explain {tiny} --method saliency integrated-gradients --quantity class:1 --no-multiply --out {folder}/out"
            |> ok
            |> ignore

            let _, expected = read (file "net.npz") "gradient"
            use maps = NpzFile.Open(folder </> "out/attributions-saliency.npz")
            let actual = maps.Read("attributions").permute(0L, 3L, 1L, 2L).contiguous()
            close 1e-5 expected (actual.``to``(TorchSharp.torch.float64).data<float>()) "gradients"

            attribution
                $"evaluate {tiny} --preprocess unit --precision float64 --methods saliency --metrics average-drop necessity-ordering --skip-non-positive --out {folder}/scores"
            |> ok
            |> ignore)

        example "models have no layers to cut, which every command says" (fun folder ->
            let said = attribution $"""layers --model {file "net.pt"} --preprocess imagenet""" |> ok

            Expect.stringContains said "TorchScript" "the one step"

            for command in
                [
                    "experts"
                    "experts --layer conv"
                    "explain --method influence-directed"
                    "evaluate --methods influence-directed --metrics average-drop"
                ] do
                let wrong = attribution $"{command} {tiny} --out {folder}/out" |> fails
                Expect.stringContains wrong "cannot be cut: export the model to ONNX" command

            Expect.isEmpty (files folder) "nothing is written")

        example "models need images of their size, and a batch size in place of memory" (fun folder ->
            let small = Tiny.dataset folder

            let wrong =
                attribution
                    $"""explain --model {file "net.pt"} --dataset {small} --method saliency --out {folder}/out"""

            Expect.stringContains (fails wrong) "3×32×32" "the size"

            attribution $"explain {tiny} --memory 1GB --method saliency --out {folder}/out"
            |> fails
            |> fun wrong -> Expect.stringContains wrong "batch size" "memory")
    ]
