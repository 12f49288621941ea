module QuantityTests

open System
open Expecto
open TorchSharp
open Attribution
open Attribution.Core
open Support

let private outputs = tensor [ 3; 3 ] [ 1; 5; 2; 9; 0; 3; 4; 4; 6 ]

let private explained = { Rows = torch.tensor [| 4L; 0L; 2L |]; Outputs = lazy outputs }

let private of' (quantity: Quantity) = values (quantity.Of explained outputs)
let private labels = [| 1L; 2L; 0L; 2L; 2L |]

let private quantities =
    testList "Quantity" [
        example "each picks its numbers from the logits" (fun () ->
            Expect.equal (of' Quantity.predicted) [| 5.; 9.; 6. |] "predicted"
            Expect.equal (of' (Quantity.trueClassOf labels)) [| 2.; 0.; 4. |] "true class, by position among all"
            Expect.equal (of' (Quantity.ofClass 2)) [| 2.; 3.; 6. |] "a class"
            Expect.equal (of' (Quantity.margin 0 2)) [| -1.; 6.; -2. |] "margin"
            Expect.equal (of' (Quantity.predictedMinusTrue labels)) [| 3.; 9.; 2. |] "predicted minus true"

            let names = [ Quantity.predicted; Quantity.trueClassOf labels; Quantity.ofClass 2; Quantity.margin 0 2 ]

            Expect.equal (names |> List.map _.Name) [ "predicted"; "true"; "class:2"; "margin:0,2" ] "names"
            Expect.equal (of' (Quantity.ofFunction "sum" (fun s -> s.sum 1L))) [| 8.; 12.; 14. |] "a function")

        example "the predicted class is the explained instance's, whatever outputs it is asked of" (fun () ->
            let elsewhere = -outputs
            Expect.equal (values (Quantity.predicted.Of explained elsewhere)) [| -5.; -9.; -6. |] "predicted"
            same (vector [ -2.; 0.; -4. ]) ((Quantity.trueClassOf labels).Of explained elsewhere) "true class")

        example "outputs that no quantity asks for are never computed" (fun () ->
            let unasked = { explained with Outputs = lazy (failtest "computed") }

            same (vector [ -1.; 6.; -2. ]) ((Quantity.margin 0 2).Of unasked outputs) "margin"
            same (vector [ 2.; 0.; 4. ]) ((Quantity.trueClassOf labels).Of unasked outputs) "true class")

        example "ofProbabilities is of the softmax, and takes the class from the logits" (fun () ->
            let softmax = values (outputs.softmax 1L) |> Array.chunkBySize 3
            let found = Quantity.ofProbabilities (Quantity.ofClass 2)
            same (vector [ for row in softmax -> row[2] ]) (found.Of explained outputs) "a class"
            Expect.equal found.Linear None "it is not linear"

            // Both probabilities round to 1/2 in float32; the larger logit is the second.
            let narrow = { Rows = torch.tensor [| 0L |]; Outputs = lazy torch.tensor (array2D [ [ 1f; 1.0000001f ] ]) }

            let elsewhere = torch.tensor (array2D [ [ 0f; 3f ] ])
            let predicted = (Quantity.ofProbabilities Quantity.predicted).Of narrow elsewhere
            same (vector [ 1. / (1. + exp -3.) ]) predicted "the predicted class"

            // 1 - 2e-9 is 1 in float32.
            let sure =
                (Quantity.ofProbabilities (Quantity.ofClass 0)).Of narrow (torch.tensor (array2D [ [ 20f; 0f ] ]))

            Expect.isLessThan (abs (1. - sure.item<float>() - 2.061e-9)) 1e-12 "nearly sure")

        example "one logit is explained on the side where it is, and its probability is σ of it" (fun () ->
            let one = tensor [ 3; 1 ] [ 2; -1; 0.5 ]

            let explained = { explained with Outputs = lazy one }

            let elsewhere = tensor [ 3; 1 ] [ -4; 3; 1 ]
            let sigma z = 1. / (1. + exp -z)
            same (vector [ -4.; -3.; 1. ]) (Quantity.predictedSide.Of explained elsewhere) "predicted"
            same (vector [ -4.; 3.; 1. ]) ((Quantity.ofClass 0).Of explained elsewhere) "the logit itself"

            let probability (quantity: Quantity) = (Quantity.ofProbabilities quantity).Of explained elsewhere

            same
                (vector [ sigma -4.; sigma -3.; sigma 1. ])
                (probability Quantity.predictedSide)
                "its side's probability"

            same (vector [ sigma -4.; sigma 3.; sigma 1. ]) (probability (Quantity.ofClass 0)) "its own")

        example "probabilities are made of scores as the model's head makes them" (fun () ->
            let by head = (Quantity.ofProbabilitiesBy head (Quantity.ofClass 1)).Of explained outputs

            same ((outputs.softmax 1L).select(1L, 1L)) (by Head.Softmax) "softmax"
            same (outputs.sigmoid().select(1L, 1L)) (by Head.Sigmoid) "sigmoid"
            same (outputs.select (1L, 1L)) (by Head.Identity) "as they are")

        example "a model of one logit for two classes has the scores -z and z" (fun () ->
            let functions = [ "sum", (fun (x: Tensor) -> x.sum ([| 1L |], true)) ]

            let model = { ofFunctions functions with IsTwoSided = true }

            let x = tensor [ 2; 3 ] [ 1; 2; 3; -4; 0; 1 ]
            let target = Target.ofQuantity Quantity.predicted model
            same (tensor [ 2; 2 ] [ -6; 6; 3; -3 ]) (target.Output x) "scores"

            let several = { ofFunctions [ "x", id ] with IsTwoSided = true }

            rejects<AttributionException>
                (fun () -> (Target.ofQuantity Quantity.predicted several).Output x)
                "of several logits")

        example "what the model has not is the caller's mistake" (fun () ->
            let wrong (quantity: Quantity) message =
                rejects<AttributionException> (fun () -> quantity.Of explained outputs) message

            wrong (Quantity.ofClass 3) "class 3 of 3"
            wrong (Quantity.ofClass -1) "class -1"
            wrong (Quantity.margin 0 9) "margin of class 9"
            wrong (Quantity.trueClassOf [| 0L; 1L |]) "labels for two instances"
            wrong (Quantity.trueClassOf [| 0L; 1L; 7L; 0L; 0L |]) "label 7"
            wrong (Quantity.trueClassOf [| 0L; 1L; -1L; 0L; 0L |]) "label -1"

            rejects<ArgumentException>
                (fun () -> (Quantity.ofFunction "sum" (fun s -> s.sum ())).Of explained outputs)
                "not one number an instance")
    ]

let private targets =
    testList "Target" [
        example "ofUnit is the unit's value, and says which units there are" (fun () ->
            let net = Plain.random (Random 1) 24 6 4 0.
            let x = gaussian (Random 2) [ 2; 2; 3; 4 ]
            let target = Target.ofUnit Units.Auto "z" 5 (Plain.model net)

            let expected = values x |> Array.chunkBySize 24 |> Array.map (fun x -> (Plain.hidden net x)[5])

            same (vector expected) (Target.here target (batch x) x) "value"

            for unit in [ 6; -1 ] do
                let wrong = Target.ofUnit Units.Auto "z" unit (Plain.model net)
                rejects<AttributionException> (fun () -> Target.here wrong (batch x) x) $"unit {unit}")

        example "no op above a unit's layer runs" (fun () ->
            let model = ofFunctions [ "double", (fun x -> x * 2.); "never", (fun _ -> failtest "ran") ]

            let target = Target.ofUnit Units.Auto "double" 1 model

            same
                (vector [ 4. ])
                (Target.here target (batch (tensor [ 1; 2 ] [ 1; 2 ])) (tensor [ 1; 2 ] [ 1; 2 ]))
                "unit")

        law "along takes each point's class from the instance at its position" (fun rng ->
            let net, model, images, x = case rng 0.
            let target = Target.ofQuantity Quantity.predicted model
            let positions = Array.init 7 (fun _ -> rng.Next images.Length)
            let points = Array.init 7 (fun _ -> gaussians rng 24)
            let explained = Target.explained target (batch x)
            let at = torch.tensor (positions |> Array.map int64)

            let actual = Target.score target (Target.at at explained) (tensor [ 7; 2; 3; 4 ] (Array.concat points))

            let expected =
                Array.map2 (fun i p -> (Plain.logits net p)[Plain.predicted net images[i]]) positions points

            same (vector expected) actual "values")

        example "an output that is no finite number names its instance among all" (fun () ->
            let model = ofFunctions [ "log", (fun x -> x.log ()) ]
            let target = Target.ofQuantity (Quantity.ofClass 0) model

            let bad = {
                Rows = torch.tensor [| 40L; 41L; 42L |]
                Ids = [| 40L; 41L; 42L |]
                X = tensor [ 3; 1 ] [ 1; -1; 2 ]
            }

            for work in
                [
                    (fun () -> Target.here target bad bad.X)
                    (fun () -> (Target.explained target bad).Outputs.Force())
                    (fun () -> Saliency.attribute true target bad)
                ] do
                try
                    work () |> ignore
                    failtest "accepted"
                with :? AttributionException as e ->
                    Expect.stringContains e.Message "instance 41" "the instance")

        example "what is explained is computed once, however many scopes ask for it" (fun () ->
            let mutable passes = 0
            let model = Plain.model (Plain.random (Random 1) 24 6 4 0.)

            let counted = { model with OnPass = fun _ -> passes <- passes + 1 }

            let target = Target.ofQuantity Quantity.predicted counted

            let work () =
                use _ = torch.NewDisposeScope()
                let explained = Target.explained target (batch (gaussian (Random 2) [ 2; 2; 3; 4 ]))

                let read () =
                    use _ = torch.NewDisposeScope()
                    values (explained.Outputs.Force())

                Expect.equal (read ()) (read ()) "outputs"

            Expect.equal (liveAfter work) 0L "live tensors"
            Expect.equal passes 1 "passes")

        law "known outputs are those that are computed without knowing, and are computed once an instance" (fun rng ->
            let _, model, images, x = case rng 0.
            let mutable passed = 0
            let n = images.Length

            let counted = {
                batching (Fixed(rng.Next(1, 4))) model with
                    OnPass = fun instances -> passed <- passed + instances
            }

            let plain = Target.ofQuantity Quantity.predicted counted

            let knowing = { plain with Cache = Some(OutputCache n) }

            let outputs target =
                inBatches (rng.Next(1, 4)) (fun batch -> (Target.explained target batch).Outputs.Force().clone()) x

            let expected = outputs plain
            passed <- 0
            let map = inBatches (rng.Next(1, 4)) (Saliency.attribute true knowing) x
            Expect.equal passed n "the map's own passes"
            same expected (outputs knowing) "outputs"
            Expect.equal passed n "nothing is computed again"
            same (inBatches n (Saliency.attribute true plain) x) map "the map")

        example "the black image is scored once" (fun () ->
            let mutable passes = 0

            let model = { Plain.model (Plain.random (Random 1) 24 6 4 0.) with OnPass = fun _ -> passes <- passes + 1 }

            let target = Target.ofQuantity Quantity.predicted model
            let x = gaussian (Random 2) [ 2; 2; 3; 4 ]
            let expected = Model.logits model (torch.zeros_like (x.narrow (0L, 0L, 1L)))
            same expected (target.OfBlack x) "black"
            same expected (Scope.run (fun () -> (target.OfBlack x).clone())) "again"
            Expect.equal passes 2 "passes, one of them the test's")
    ]

let tests = testList "Quantity and Target" [ quantities; targets ]
