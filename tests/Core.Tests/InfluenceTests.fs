module InfluenceTests

open System
open Expecto
open TorchSharp
open Attribution
open Attribution.Core
open Support

let private over (members: int -> bool) quantity = { Quantity = quantity; Distribution = fun row -> members (int row) }

let private all = over (fun _ -> true)

let private one interest layer model x =
    (Influence.distributions Neighbourhood.Itself false [| interest |] Units.Each layer model (Instances.ofTensor x))[0]

/// The definition on arrays: the mean over the members of ∂q/∂h, for the quantity that weighs logits by `weights image`.
let private twin net (weights: float[] -> float[]) (members: float[][]) =
    let each = members |> Array.map (fun image -> Plain.hiddenGradient net (weights image))

    Array.init net.B1.Length (fun j -> each |> Array.averageBy (fun g -> g[j]))

let private laws =
    testList "distributions" [
        law "equal the plain twin for every quantity, whatever the batch" (fun rng ->
            let net, model, images, x = case rng 0.
            let labels = images |> Array.map (fun _ -> int64 (rng.Next 4))
            let kept = images |> Array.map (fun _ -> rng.Next 2 = 0)
            kept[rng.Next kept.Length] <- true
            let members = Array.zip3 images labels kept |> Array.filter (fun (_, _, k) -> k)
            let oneHot = Plain.oneHot net
            let predicted image = oneHot (Plain.predicted net image)

            let truth image = members |> Array.find (fun (i, _, _) -> i = image) |> fun (_, y, _) -> oneHot (int y)

            let quantities = [
                Quantity.predicted, predicted
                Quantity.trueClassOf labels, truth
                Quantity.ofClass 2, (fun _ -> oneHot 2)
                Quantity.margin 0 3, (fun _ -> Array.map2 (-) (oneHot 0) (oneHot 3))
                Quantity.predictedMinusTrue labels, (fun i -> Array.map2 (-) (predicted i) (truth i))
            ]

            let interests = quantities |> List.map (fst >> over (Array.get kept)) |> Array.ofList

            let expected =
                quantities
                |> List.map (fun (_, weights) ->
                    twin net weights (members |> Array.map (fun (i, _, _) -> i)) |> vector)

            for size in [ 1; 2; 3; 7 ] do
                let model = batching (Fixed size) model

                Influence.distributions
                    Neighbourhood.Itself
                    false
                    interests
                    Units.Auto
                    "h"
                    model
                    (Instances.ofTensor x)
                |> Seq.iter2 (fun e a -> same e a $"{size} at a time") expected)

        law "at several layers at once are those at each, and so are the layers' values" (fun rng ->
            let model, _, _ = ModelTests.residual rng
            let x = gaussian rng [ 5; 2; 3; 4 ]
            let every = List.except [ "x" ] (Model.layers model)
            let layers = every |> List.filter (fun _ -> rng.Next 2 = 0)
            let layers = if layers.IsEmpty then [ "x"; "sum" ] else layers
            let quantity = Quantity.margin 0 2

            let interests = [|
                all quantity
                over (fun i -> i % 2 = 0) quantity
                over (fun i -> i = 3) Quantity.predicted
            |]

            let seen = Collections.Generic.Dictionary<string, ResizeArray<float>>()

            let observe layer (_: Batch) (value: Tensor) =
                if not (seen.ContainsKey layer) then
                    seen[layer] <- ResizeArray()

                seen[layer].AddRange(values value)

            let model = batching (Fixed(rng.Next(1, 6))) model

            let found =
                Influence.survey
                    Neighbourhood.Itself
                    false
                    observe
                    interests
                    Units.Each
                    layers
                    model
                    (Instances.ofTensor x)

            for layer in layers do
                Influence.distributions
                    Neighbourhood.Itself
                    false
                    interests
                    Units.Each
                    layer
                    model
                    (Instances.ofTensor x)
                |> Array.iteri2 (fun i a e -> same e a $"{layer}, interest {i}") found[layer]

                let expected = Model.units Units.Each layer model x
                same expected (tensor [ 5; int expected.shape[1] ] seen[layer]) $"values of {layer}")

        law "are linear in the quantity" (fun rng ->
            let _, model, _, x = case rng 0.
            let a, b = rng.NextDouble(), rng.NextDouble()

            let mixed = Quantity.ofFunction "mixed" (fun s -> a * s.select (1L, 0L) + b * s.select (1L, 1L))

            let influence quantity = one (all quantity) "h" model x

            same
                (a * influence (Quantity.ofClass 0) + b * influence (Quantity.ofClass 1))
                (influence mixed)
                "linearity"

            same
                (influence (Quantity.ofClass 0) - influence (Quantity.ofClass 1))
                (influence (Quantity.margin 0 1))
                "margin")

        law "over a union are the mean weighted by size, and over one instance its own gradient" (fun rng ->
            let _, model, _, _ = case rng 0.
            let n, m = rng.Next(1, 4), rng.Next(1, 4)
            let x = gaussian rng [ n + m; 2; 3; 4 ]

            let influence members = one (over members Quantity.predicted) "z" model x

            let first, second, whole =
                influence (fun i -> i < n), influence (fun i -> i >= n), influence (fun _ -> true)

            let weighted = (float n * first + float m * second) / float (n + m)
            same weighted whole "union"
            let alone = one (all Quantity.predicted) "z" model (x.narrow (0L, int64 n, 1L))
            same alone (influence (fun i -> i = n)) "one of many")

        law "do not depend on the order of the instances" (fun rng ->
            let _, model, images, x = case rng 0.

            let order = torch.tensor (Array.init images.Length int64 |> Array.sortBy (fun _ -> rng.Next()))

            let influence x = one (all Quantity.predicted) "h" (batching (Fixed 2) model) x

            same (influence x) (influence (x.index_select (0L, order))) "permuted")

        law "at the input are the mean gradient" (fun rng ->
            let _, model, _, x = case rng 0.
            let target = Target.ofQuantity Quantity.predicted model
            let gradient = Saliency.attribute false target (batch x)
            same (gradient.mean [| 0L |]) (one (all Quantity.predicted) "x" model x) "input")

        law "have the layer's shape, and are summed whatever the batch, in a network with shortcuts" (fun rng ->
            let weight = gaussian rng [ 2; 2 ]

            let model =
                graphModel "s" [
                    node "a" (Linear(weight, None)) [ "x" ]
                    node "t" (Activation Tanh) [ "a" ]
                    node "sum" Add [ "t"; "x" ]
                    node "flat" Flatten [ "sum" ]
                    node "s" (Linear(gaussian rng [ 3; 6 ], None)) [ "flat" ]
                ]

            let x = gaussian rng [ 5; 3; 2 ]

            for layer in Model.layers model do
                let whole = one (all Quantity.predicted) layer model x
                Expect.equal whole.shape (Model.cut layer model).H(x).Head.shape[1..] layer
                same whole (one (all Quantity.predicted) layer (batching (Fixed 2) model) x) layer)

        example "come back in the instances' own numbers, whatever the model computes in" (fun () ->
            let _, model, _, x = case (Random 4) 0.
            let single = x.``to`` torch.float32
            let influence = one (all Quantity.predicted) "h" model single
            Expect.equal influence.dtype torch.float32 "influence"
            close 1e-6 (one (all Quantity.predicted) "h" model x) influence "influence"

            let activations = Influence.activations [| 1 |] Units.Auto "h" model (Instances.ofTensor single)

            Expect.equal activations.dtype torch.float32 "activations")

        example "an empty distribution, or no instances, is the caller's mistake" (fun () ->
            let _, model, _, x = case (Random 1) 0.
            let nobody = over (fun _ -> false) Quantity.predicted
            rejects<AttributionException> (fun () -> one nobody "h" model x) "nobody"

            let none = {
                Count = 0
                Type = torch.float64
                Read = fun _ _ -> failtest "read"
                Id = id
            }

            rejects<AttributionException>
                (fun () -> Influence.ofQuantity Quantity.predicted Units.Auto "h" model none)
                "no instances")

        example "a model whose output is NaN names the instance" (fun () ->
            let model = ofFunctions [ "log", (fun x -> x.log ()) ] |> batching (Fixed 2)

            try
                one (all Quantity.predicted) "input" model (tensor [ 4; 1 ] [ 1; 2; 3; -1 ]) |> ignore

                failtest "accepted"
            with :? AttributionException as e ->
                Expect.stringContains e.Message "instance 3" "the instance")

        testCase "leave no tensor behind but the influences" (fun () ->
            let work () =
                use _ = torch.NewDisposeScope()
                let _, model, _, _ = case (Random 1) 0.
                let x = gaussian (Random 2) [ 7; 2; 3; 4 ]
                let interests = [| all Quantity.predicted; over (fun i -> i = 6) (Quantity.ofClass 1) |]
                let model = batching (Fixed 2) model

                let find () =
                    for influence in
                        Influence.distributions
                            Neighbourhood.Itself
                            false
                            interests
                            Units.Auto
                            "h"
                            model
                            (Instances.ofTensor x) do
                        influence.Dispose()

                Expect.equal (liveAfter find) 0L "live tensors"

                let findInScope () =
                    use _ = torch.NewDisposeScope()

                    Influence.distributions
                        Neighbourhood.Itself
                        false
                        interests
                        Units.Auto
                        "h"
                        model
                        (Instances.ofTensor x)
                    |> ignore

                Expect.equal (liveAfter findInScope) 0L "influences belong to the caller's scope"

            work ())
    ]

let private experts =
    testList "experts" [
        example "the expert has the largest signed influence, the first on ties" (fun () ->
            Expect.equal (Influence.expert (vector [ 1.; -9.; 3.; 2. ])) 2 "signed"
            Expect.equal (Influence.expert (vector [ 1.; 3.; 3.; 3. ])) 1 "ties"
            Expect.equal (Influence.expert (vector [ -1.; -3. ])) 0 "none positive"
            Expect.equal (Influence.expert (tensor [ 2; 2 ] [ 0; 0; 5; 5 ])) 2 "row-major")

        law "activations are the units' values, whatever the batch" (fun rng ->
            let net, model, images, x = case rng 0.
            let units = [| 4; 0; 4 |]

            let expected =
                images |> Array.collect (fun i -> let h = Plain.hidden net i in [| for u in units -> max 0. h[u] |])

            for size in [ 1; 3 ] do
                let found =
                    Influence.activations units Units.Auto "h" (batching (Fixed size) model) (Instances.ofTensor x)

                same (tensor [ images.Length; 3 ] expected) found $"{size} at a time")

        law "selectivity is the share of pairs that are in order, ties by half" (fun rng ->
            let draw () = Array.init (rng.Next(1, 12)) (fun _ -> float (rng.Next 5))

            let values, others = draw (), draw ()

            let wins =
                Array.allPairs values others
                |> Array.averageBy (fun (a, b) ->
                    if a > b then 1.
                    elif a = b then 0.5
                    else 0.)

            let found = Influence.selectivity values others
            Expect.floatClose Accuracy.veryHigh found wins "pairs"
            Expect.floatClose Accuracy.veryHigh (Influence.selectivity others values) (1. - wins) "the other way round")

        testCase "selectivity is 1, 0 and a half at its ends, and undefined without values" (fun () ->
            Expect.equal (Influence.selectivity [| 2.; 3. |] [| 0.; 1. |]) 1. "above"
            Expect.equal (Influence.selectivity [| 0.; 1. |] [| 2.; 3. |]) 0. "below"
            Expect.equal (Influence.selectivity [| 0.; 0. |] [| 0. |]) 0.5 "a dead unit tells nothing"

            for a, b in [ [||], [| 1. |]; [| 1. |], [||] ] do
                Expect.throwsT<AttributionException> (fun () -> Influence.selectivity a b |> ignore) "no values")
    ]

let tests = testList "Influence" [ laws; experts ]
