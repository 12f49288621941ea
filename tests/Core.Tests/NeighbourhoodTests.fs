module NeighbourhoodTests

open System
open Expecto
open TorchSharp
open Attribution
open Attribution.Core
open Support

let private over (members: int -> bool) quantity = { Quantity = quantity; Distribution = fun row -> members (int row) }

let private all = over (fun _ -> true)

let private influence around multiply interest layer model (instances: Instances) =
    (Influence.distributions around multiply [| interest |] Units.Each layer model instances)[0]

let private ofTensor around multiply quantity layer model x =
    influence around multiply (all quantity) layer model (Instances.ofTensor x)

let private nodes rule n = Quadrature.nodes rule n

/// A baseline that is not black.
let private shifted = Baseline.ofFunction "shifted" (fun x -> 0.3 * x.flip [| -1L |] + 0.5)

let private neighbourhoods (rng: Random) = [
    Neighbourhood.Itself
    Neighbourhood.Line(shifted, nodes RightHand (rng.Next(1, 5)))
    Neighbourhood.LayerLine(shifted, nodes GaussLegendre (rng.Next(1, 5)))
    Neighbourhood.Gaussian(0.7, rng.Next(1, 5), rng.Next())
]

/// The definition, an instance and a point at a time: Σᵢ wᵢ ∂q/∂h at the points around each instance, and its mean.
let private slow around multiply (quantity: Quantity) layer model (x: Tensor) =
    let slice = Model.cut layer model

    let one i =
        let own = batch x
        let row = x.narrow (0L, i, 1L)

        let explained = { Rows = torch.tensor [| i |]; Outputs = lazy (Model.logits model row) }

        let gradient past z = Diff.gradEach (slice.G past >> quantity.Of explained) z

        let at (point: Tensor) = let h = slice.H point in gradient h.Tail h.Head

        let h = slice.H row
        let start (baseline: Baseline) = baseline.Of(own).narrow(0L, i, 1L)

        let points, factor =
            match around with
            | Neighbourhood.Itself -> [ 1., at row ], h.Head
            | Neighbourhood.Line(baseline, nodes) ->
                let b = start baseline
                [ for place, weight in nodes -> weight, at (b + place * (row - b)) ], h.Head
            | Neighbourhood.LayerLine(baseline, nodes) ->
                let b = (slice.H(start baseline)).Head

                [ for place, weight in nodes -> weight, gradient h.Tail (b + place * (h.Head - b)) ], h.Head - b
            | Neighbourhood.Gaussian(deviation, draws, seed) ->
                [
                    for draw in 0 .. draws - 1 ->
                        let noise = (Noise.normal seed (int64 draw) own).narrow(0L, i, 1L)
                        1. / float draws, at (row + deviation * noise)
                ],
                h.Head

        let mean = points |> List.map (fun (w, g: Tensor) -> w * g) |> List.reduce Tensor.add

        if multiply then mean * factor else mean

    torch.cat([| for i in 0L .. x.shape[0] - 1L -> one i |]).mean [| 0L |]

/// The network of the definitions: h1 = ReLU(x1 - x2, x2), h2 = ReLU(h1a, h1a + h1b), y = h2a + 2 h2b.
let private twoLayers =
    let dense weights = Linear(tensor [ 2; 2 ] weights, None)

    lazy
        (graphModel "y" [
            node "z1" (dense [ 1; -1; 0; 1 ]) [ "x" ]
            node "h1" (Activation Relu) [ "z1" ]
            node "z2" (dense [ 1; 0; 1; 1 ]) [ "h1" ]
            node "h2" (Activation Relu) [ "z2" ]
            node "y" (Linear(tensor [ 1; 2 ] [ 1; 2 ], None)) [ "h2" ]
        ])

let private around =
    testList "around instances" [
        example "the two lines, and the activation's factor, have their closed forms" (fun () ->
            let y = Quantity.ofClass 0
            let x = tensor [ 1; 2 ] [ 1; 2 ]
            let start = Baseline.ofFunction "(2, 1)" (fun x -> x.flip [| 1L |])
            let nodes = nodes Midpoint 4

            let of' around multiply = ofTensor around multiply y "h1" twoLayers.Value x

            same (vector [ 2.; 2. ]) (of' Neighbourhood.Itself false) "at x"
            same (vector [ 0.; 4. ]) (of' Neighbourhood.Itself true) "at x, times the activation (0, 2)"
            // h1a = ReLU(1 - 2α) is above 0 on half of the images' line, and on all of the layer's own.
            let line, layerLine = Neighbourhood.Line(start, nodes), Neighbourhood.LayerLine(start, nodes)

            same (vector [ 2.5; 2. ]) (of' line false) "the images' line"
            same (vector [ 0.; 4. ]) (of' line true) "the images' line, times the activation"
            same (vector [ 3.; 2. ]) (of' layerLine false) "the layer's line"

            same
                (vector [ -3.; 2. ])
                (of' layerLine true)
                "the layer's line, times h(x) - h(b) = (-1, 1): y falls by 1")

        law "equal the definition by loops, whatever the batch" (fun rng ->
            let model, _, _ = ModelTests.residual rng
            let x = gaussian rng [ rng.Next(1, 4); 2; 3; 4 ]
            let layer = List.item (rng.Next 8) (Model.layers model)

            for around in neighbourhoods rng do
                for quantity in [ Quantity.predicted; Quantity.threshold 1 0.4 ] do
                    let multiply = rng.Next 2 = 0
                    let expected = slow around multiply quantity layer model x

                    for size in [ 1; 2; 7 ] do
                        same
                            expected
                            (ofTensor around multiply quantity layer (batching (Fixed size) model) x)
                            $"{quantity.Name}, {layer}, {size} at a time: {around}")

        law "over a few instances are those of these alone, which alone are walked around" (fun rng ->
            let model, _, _ = ModelTests.residual rng
            let x = gaussian rng [ 5; 2; 3; 4 ]
            let first = rng.Next 4

            let alone = { Instances.ofTensor (x.narrow (0L, first, 2L)) with Id = fun i -> i + int64 first }

            let interest = over (fun i -> i = first || i = first + 1) Quantity.predicted

            for around in neighbourhoods rng do
                let mutable passes = 0

                let counted = { batching (Fixed 2) model with OnPass = fun n -> passes <- passes + n }

                let among = influence around true interest "r" counted (Instances.ofTensor x)
                same (influence around true (all Quantity.predicted) "r" model alone) among $"{around}"

                let expected =
                    match around with
                    | Neighbourhood.Itself -> 5
                    | Neighbourhood.Line(_, nodes) -> 5 + 2 * nodes.Length
                    | Neighbourhood.LayerLine(_, nodes) -> 5 + 5 + 2 * nodes.Length
                    | Neighbourhood.Gaussian(_, draws, _) -> 5 + 2 * draws

                Expect.equal passes expected $"passes, {around}")

        law "a line of its end alone, and noise of no size, are the instance itself" (fun rng ->
            let _, model, _, x = case rng 0.

            for multiply in [ false; true ] do
                let of' around = ofTensor around multiply Quantity.predicted "z" model x

                let itself = of' Neighbourhood.Itself
                same itself (of' (Neighbourhood.Line(shifted, [| 1., 1. |]))) "the line's end"
                same itself (of' (Neighbourhood.Gaussian(0., 3, 5L))) "no noise"

            let itself = ofTensor Neighbourhood.Itself false Quantity.predicted "z" model x
            let line = Neighbourhood.LayerLine(shifted, [| 1., 1. |])
            same itself (ofTensor line false Quantity.predicted "z" model x) "the layer's line's end")

        law "at the input, the line times its difference is integrated gradients" (fun rng ->
            let _, model, _, x = case rng 0.
            let nodes = nodes RightHand 5
            let target = Target.ofQuantity Quantity.predicted model
            let expected = IntegratedGradients.attribute nodes shifted true target (batch x)

            same
                (expected.mean [| 0L |])
                (ofTensor (Neighbourhood.LayerLine(shifted, nodes)) true Quantity.predicted "x" model x)
                "x")

        law "on the layer's own line, times the activation, sum to q(f(x)) - q(g(h(b)))" (fun rng ->
            let model, _, _ = ModelTests.residual rng
            let x = gaussian rng [ 2; 2; 3; 4 ]
            let quantity = Quantity.margin 2 0
            // Where weights are large tanh is all but a step, which few nodes miss.
            let around = Neighbourhood.LayerLine(shifted, nodes GaussLegendre 1024)

            // After the last ReLU, where the path has no kink.
            for layer in [ "r"; "b"; "sum"; "t"; "join"; "flat"; "s" ] do
                let slice = Model.cut layer model
                let explained = Target.explained (Target.ofQuantity quantity model) (batch x)
                let h, start = slice.H x, slice.H(shifted.Of(batch x))

                let q z = quantity.Of explained (slice.G h.Tail z)

                let change = (q h.Head - q start.Head).mean()
                close 1e-6 change ((ofTensor around true quantity layer model x).sum()) layer)

        law "at several layers are those at each, and each layer is shown once" (fun rng ->
            let model, _, _ = ModelTests.residual rng
            let x = gaussian rng [ 3; 2; 3; 4 ]
            let layers = [ "r"; "a"; "t" ]
            let model = batching (Fixed 2) model

            for around in neighbourhoods rng do
                let seen = Collections.Generic.Dictionary<string, ResizeArray<float>>()

                let observe layer (_: Batch) (value: Tensor) =
                    if not (seen.ContainsKey layer) then
                        seen[layer] <- ResizeArray()

                    seen[layer].AddRange(values value)

                let interests = [| all (Quantity.margin 0 1); all (Quantity.ofUnit Units.Each "t" 3) |]

                let found =
                    Influence.survey around true observe interests Units.Each layers model (Instances.ofTensor x)

                for layer in layers do
                    let expected = Model.value layer model x
                    Expect.equal seen[layer].Count (int (expected.numel ())) "how many values"
                    same expected ((vector seen[layer]).reshape expected.shape) "the layer's values"

                    for interest, actual in Array.zip interests found[layer] do
                        same
                            (influence around true interest layer model (Instances.ofTensor x))
                            actual
                            $"{layer}, {interest.Quantity.Name}, {around}")

        testCase "leave no tensor behind but the influences" (fun () ->
            let work () =
                use _ = torch.NewDisposeScope()
                let _, model, _, _ = case (Random 1) 0.
                let x = gaussian (Random 2) [ 5; 2; 3; 4 ]

                for around in neighbourhoods (Random 3) do
                    let find () = (ofTensor around true Quantity.predicted "z" (batching (Fixed 2) model) x).Dispose()

                    Expect.equal (liveAfter find) 0L $"live tensors, {around}"

            work ())
    ]

let private outputs = tensor [ 3; 3 ] [ 1; 5; 2; 9; 0; 3; 4; 4; 6 ]

let private explained = { Rows = torch.tensor [| 0L; 1L; 2L |]; Outputs = lazy outputs }

let private quantities =
    testList "quantities" [
        example "several classes, all others and a threshold are computed from the logits" (fun () ->
            let is expected (quantity: Quantity) name =
                same (vector expected) (quantity.Of explained outputs) name
                Expect.equal quantity.Name name "name"

            is [ -3.5; 6.; 1. ] (Quantity.marginOf [ 0; 2 ] [ 1 ]) "margin:0+2,1"
            is [ 3.5; -6.; -1. ] (Quantity.marginOf [ 1; 1 ] [ 2; 0 ]) "margin:1,2+0"
            is [ -4.; 9.; 0. ] (Quantity.margin 0 1) "margin:0,1"
            is [ 3.5; -6.; -1. ] (Quantity.oneVsRest 1) "one-vs-rest:1"
            is [ 0.5; 4.5; 0.5 ] (Quantity.threshold 1 4.5) "threshold:1,4.5"

            same
                (vector [ -9.5; 4.5; 8.5 ])
                ((Quantity.threshold 1 4.5).Of explained -outputs)
                "the explained instance's side of the threshold")

        example "what the model has not is the caller's mistake" (fun () ->
            let wrong (quantity: unit -> Quantity) message =
                rejects<AttributionException> (fun () -> (quantity ()).Of explained outputs) message

            wrong (fun () -> Quantity.marginOf [] [ 1 ]) "no class"
            wrong (fun () -> Quantity.marginOf [ 1 ] []) "no other class"
            wrong (fun () -> Quantity.marginOf [ 0 ] [ 1; 3 ]) "class 3 of 3"
            wrong (fun () -> Quantity.oneVsRest 3) "class 3 against the rest"
            wrong (fun () -> Quantity.threshold -1 0.) "class -1"

            rejects<AttributionException>
                (fun () -> (Quantity.oneVsRest 0).Of explained (tensor [ 3; 1 ] [ 1; 2; 3 ]))
                "a class and no rest")

        law "a margin of lists is the mean of the margins, and one-vs-rest one of them" (fun rng ->
            let _, model, _, x = case rng 0.

            let of' quantity = ofTensor Neighbourhood.Itself false quantity "z" model x

            let mean =
                [
                    for a in [ 0; 3 ] do
                        for b in [ 1; 2 ] -> of' (Quantity.margin a b)
                ]
                |> List.reduce Tensor.add
                |> fun sum -> sum / 4.

            same mean (of' (Quantity.marginOf [ 0; 3 ] [ 1; 2 ])) "lists"
            same (of' (Quantity.marginOf [ 1 ] [ 0; 2; 3 ])) (of' (Quantity.oneVsRest 1)) "one against all")

        law "sharing the classes' gradients changes nothing" (fun rng ->
            let _, model, _, x = case rng 0.

            let asked = [|
                for a in 0..3 do
                    for b in 0..3 do
                        if a <> b then
                            yield Quantity.marginOf [ a; b ] [ (a + 1) % 4 ]

                yield Quantity.oneVsRest 2
                yield Quantity.threshold 0 0.1

                for u in 0..3 do
                    yield Quantity.ofUnit Units.Each "z" u
            |]

            let of' quantities =
                Influence.distributions
                    Neighbourhood.Itself
                    false
                    (Array.map all quantities)
                    Units.Each
                    "z"
                    model
                    (Instances.ofTensor x)

            for quantity, shared in Array.zip asked (of' asked) do
                same (Array.head (of' [| quantity |])) shared quantity.Name)

        law "a unit's are its row of the Jacobian, with what flows past held fixed" (fun rng ->
            let net, plain, _, images = case rng 0.
            let unit = rng.Next 6

            let of' layer model quantity x = ofTensor Neighbourhood.Itself false quantity layer model x

            let ofZ = of' "flat" plain (Quantity.ofUnit Units.Auto "z" unit) images
            same (vector net.W1[unit]) ofZ "of a dense layer"

            same
                (vector (Plain.oneHot { net with B2 = net.B1 } unit))
                (of' "z" plain (Quantity.ofUnit Units.Auto "z" unit) images)
                "on itself"

            let model, step, _ = ModelTests.residual rng
            let x = gaussian rng [ 2; 2; 3; 4 ]
            let a = step x

            let sum (z: Tensor) = (step (z.relu ()) + x).flatten 1L
            let jacobian = Diff.gradEach (fun z -> (sum z).select(1L, int64 unit)) a
            let channel = Diff.gradEach (fun z -> (sum z).narrow(1L, 12L, 12L).sum 1L) a
            same (jacobian.mean [| 0L |]) (of' "a" model (Quantity.ofUnit Units.Each "sum" unit) x) "of each number"
            same (channel.mean [| 0L |]) (of' "a" model (Quantity.ofUnit Units.ChannelSum "sum" 1) x) "of a channel"

            let target = Target.ofQuantity (Quantity.ofUnit Units.Each "t" unit) model
            let target' = Target.ofUnit Units.Each "t" unit model
            same (Saliency.attribute true target' (batch x)) (Saliency.attribute true target (batch x)) "any method's"
            same ((Model.value "t" model x).flatten 1L) (target.Output x) "the outputs are the units")

        example "a unit of no layer, of none that follows, and one too many are the caller's mistake" (fun () ->
            let model = twoLayers.Value
            let x = tensor [ 1; 2 ] [ 1; 2 ]

            let wrong layer unit cut message =
                rejects<AttributionException>
                    (fun () -> ofTensor Neighbourhood.Itself false (Quantity.ofUnit Units.Auto layer unit) cut model x)
                    message

            wrong "h3" 0 "z1" "no such layer"
            wrong "h1" 0 "h2" "a layer that does not follow"
            wrong "h2" 2 "h1" "unit 2 of 2")
    ]

let tests = testList "Neighbourhood" [ around; quantities ]
