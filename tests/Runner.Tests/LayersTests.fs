module LayersTests

open Expecto
open Attribution
open Support

let tests =
    testList "layers" [
        example "lists each layer's name, operation, shape and number of units" (fun folder ->
            let said = attribution $"layers --model {Tiny.vgg16 folder}" |> ok

            let rows = said.Split '\n' |> Array.map (fun line -> line.Split('│') |> Array.map _.Trim())

            use model = Model.LoadVgg16(folder </> "vgg16.npz")

            let expected = [
                for layer in model.Describe() ->
                    layer.Name, layer.Operation, layer.Note, System.String.Join("×", layer.Shape), string layer.Units
            ]

            let listed = [
                for row in rows do
                    if row.Length = 7 && row[1] <> "layer" then
                        row[1], row[2], row[3], row[4], row[5]
            ]

            Expect.equal listed expected "rows"
            Expect.contains listed ("fc1l", "Linear 6", "dense, default cut", "6", "6") "a dense layer"
            Expect.contains listed ("conv5_3l", "Conv 3×3, 3", "last convolution", "3×2×2", "3") "channels")

        testCase "--demo lists those of the demo's network" (fun () ->
            // The first may have to say how well this machine computes.
            attribution "layers --demo" |> ok |> ignore
            let said = attribution "layers --demo" |> ok
            Expect.equal said (attribution $"layers --model {DemoNetwork.WeightsPath}" |> ok) "the same"
            Expect.stringContains said "last convolution" "rows")

        example "lists the other names of an ONNX file's layers, which stand for them" (fun folder ->
            let model = Tiny.onnx [] folder
            let said = attribution $"layers --model {model}" |> ok
            let row = Array.item 1 (said.Split '\n')
            let names = row.Split '│' |> Array.map _.Trim()
            Expect.equal names[1..6] [| "layer"; "or"; "operation"; "note"; "shape"; "units" |] "headers"
            Expect.stringContains said "│ head.pool │" "a module"

            let data = Tiny.dataset folder

            for layer in [ "/head/pool/Pool"; "head.pool"; "mean" ] do
                attribution $"experts --model {model} --dataset {data} --layer {layer} --out {folder}/out"
                |> ok
                |> ignore

                Expect.equal ((json (folder </> "out/experts.json")).GetProperty("layer").GetString()) "mean" layer

            let wrong =
                attribution $"experts --model {model} --dataset {data} --layer head.pol --out {folder}/out" |> fails

            Expect.stringContains wrong "did you mean 'head.pool'" "the closest")

        example "prints no control codes into a pipe, and no line is cut" (fun folder ->
            let outcome = start $"layers --model {Tiny.vgg16 folder}" |> finish
            let said = ok outcome
            Expect.isFalse (said.Contains '\027') "no escape codes"
            Expect.isFalse (said.Contains '…') "nothing is cut")
    ]
