module LayersTests

open Expecto
open Attribution
open Support

let tests =
    testList "layers" [
        example "lists each layer's name, operation, shape and number of units" (fun folder ->
            let said = attribution $"layers --model {Tiny.vgg16 folder}" |> ok

            let rows =
                said.Split '\n' |> Array.map (fun line -> line.Split('│') |> Array.map _.Trim())

            use model = Model.LoadVgg16(folder </> "vgg16.npz")

            let expected = [
                for layer in model.Describe() ->
                    layer.Name, layer.Operation, System.String.Join("×", layer.Shape), string layer.Units
            ]

            let listed = [
                for row in rows do
                    if row.Length = 6 && row[1] <> "layer" then
                        row[1], row[2], row[3], row[4]
            ]

            Expect.equal listed expected "rows"
            Expect.contains listed ("fc1l", "Linear 6", "6", "6") "a dense layer")

        example "prints no control codes into a pipe, and no line is cut" (fun folder ->
            let outcome = start $"layers --model {Tiny.vgg16 folder}" |> finish
            let said = ok outcome
            Expect.isFalse (said.Contains '\027') "no escape codes"
            Expect.isFalse (said.Contains '…') "nothing is cut")
    ]
