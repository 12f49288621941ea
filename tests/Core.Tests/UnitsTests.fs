module UnitsTests

open System
open Expecto
open TorchSharp
open Attribution
open Attribution.Core
open Support

/// Two channels -2x and 3x of an image of one, and logits that weigh their positions by the rows of `weights` (2×8).
let private twoChannels weights =
    let kernel = tensor [ 2; 1; 1; 1 ] [ -2; 3 ]

    graphModel "s" [
        node "h" (Build.Convolution(kernel, null, [| 1L; 1L |], [| 0L; 0L |], [| 1L; 1L |], 1L)) [ "x" ]
        node "flat" Flatten [ "h" ]
        node "s" (Linear(weights, None)) [ "flat" ]
    ]

let private spatial = [ "x"; "a"; "r"; "b"; "sum"; "t"; "join" ]
let private positions = 12

let private influence units layer model x =
    Influence.ofQuantity (Quantity.margin 0 2) units layer model (Instances.ofTensor x)

let private gradient units layer unit model x =
    Saliency.attribute false (Target.ofUnit units layer unit model) (batch x)

let private channels =
    testList "of a channel" [
        example "value, gradient and influence have their closed forms" (fun () ->
            let weights = tensor [ 2; 8 ] [ 1; 2; 3; 4; 5; 6; 7; 8; 0; 0; 0; 0; 1; 0; 0; -4 ]
            let model = twoChannels weights
            let x = tensor [ 1; 1; 2; 2 ] [ 1; 5; -4; 2 ]
            let units reading = Model.units reading "h" model x
            same (tensor [ 1; 8 ] [ -2; -10; 8; -4; 3; 15; -12; 6 ]) (units Units.Each) "each"
            same (tensor [ 1; 2 ] [ -8; 12 ]) (units Units.ChannelSum) "sum"
            same (tensor [ 1; 2 ] [ 8; 15 ]) (units Units.ChannelMax) "max"
            same (units Units.ChannelSum) (units Units.Auto) "auto"

            let map reading unit = gradient reading "h" unit model x
            same (tensor [ 1; 1; 2; 2 ] [ 0; 3; 0; 0 ]) (map Units.Each 5) "∇ of a position"
            same (tensor [ 1; 1; 2; 2 ] [ -2; -2; -2; -2 ]) (map Units.ChannelSum 0) "∇ of a sum"
            same (tensor [ 1; 1; 2; 2 ] [ 0; 0; -2; 0 ]) (map Units.ChannelMax 0) "∇ of a maximum"

            let of' k reading = Influence.ofQuantity (Quantity.ofClass k) reading "h" model (Instances.ofTensor x)

            same (tensor [ 2; 2; 2 ] [ 1; 2; 3; 4; 5; 6; 7; 8 ]) (of' 0 Units.Each) "influence of each"

            for reading in [ Units.Auto; Units.ChannelSum; Units.ChannelMax ] do
                same (vector [ 10; 26 ]) (of' 0 reading) $"class 0, {reading}"
                same (vector [ 0; -3 ]) (of' 1 reading) $"class 1, {reading}")

        law "the influence is the sum of its positions'" (fun rng ->
            let model, _, _ = ModelTests.residual rng
            let model = batching (Fixed(rng.Next(1, 5))) model
            let x = gaussian rng [ 4; 2; 3; 4 ]

            for layer in spatial do
                let expected = (influence Units.Each layer model x).sum [| 1L; 2L |]
                same expected (influence Units.ChannelSum layer model x) layer
                same expected (influence Units.ChannelMax layer model x) layer)

        law "the gradient of the sum is the sum of the gradients of its positions" (fun rng ->
            let model, _, _ = ModelTests.residual rng
            let x = gaussian rng [ 2; 2; 3; 4 ]
            let layer = spatial[rng.Next spatial.Length]
            let channel = rng.Next 2

            let each =
                [ for p in 0 .. positions - 1 -> gradient Units.Each layer (channel * positions + p) model x ]
                |> List.reduce Tensor.add

            same each (gradient Units.ChannelSum layer channel model x) layer)

        law "the gradient of the maximum is that of the position where it is reached" (fun rng ->
            let model, _, _ = ModelTests.residual rng
            let x = gaussian rng [ 1; 2; 3; 4 ]
            // Not after a ReLU, whose zeros are equal.
            let layer = [ "x"; "a"; "b"; "sum"; "t" ][rng.Next 5]
            let channel = rng.Next 2

            let own =
                (values (Model.units Units.Each layer model x))[channel * positions ..] |> Array.truncate positions

            let best = channel * positions + Array.IndexOf(own, Array.max own)
            same (gradient Units.Each layer best model x) (gradient Units.ChannelMax layer channel model x) layer)

        example "one of several equal positions passes a maximum's gradient on" (fun () ->
            let x = torch.ones ([| 1L; 1L; 2L; 2L |], torch.float64)

            let map = gradient Units.ChannelMax "h" 1 (twoChannels (torch.ones ([| 2L; 8L |], torch.float64))) x

            Expect.equal (Array.sort (values map)) [| 0.; 0.; 0.; 3. |] "one position")

        law "integrated gradients of the sum are complete, and activations are its values" (fun rng ->
            let model, _, _ = ModelTests.residual rng
            let x = gaussian rng [ 3; 2; 3; 4 ]
            let target = Target.ofUnit Units.ChannelSum "a" 1 model
            let nodes = Quadrature.nodes GaussLegendre 8
            let maps = IntegratedGradients.attribute nodes Baseline.black true target (batch x)
            let value = (Model.units Units.ChannelSum "a" model x).select(1L, 1L)
            // "a" is linear in x, and 0 at black.
            same value (Tensor.sumEach maps) "completeness"

            same
                (value.unsqueeze 1L)
                (Influence.activations [| 1 |] Units.ChannelSum "a" (batching (Fixed 2) model) (Instances.ofTensor x))
                "activations")

        example "there are as many as channels" (fun () ->
            let model, _, _ = ModelTests.residual (Random 1)
            let x = torch.zeros ([| 1L; 2L; 3L; 4L |], torch.float64)

            for unit in [ 2; -1 ] do
                rejects<AttributionException> (fun () -> gradient Units.Auto "a" unit model x) $"channel {unit}"

            gradient Units.Each "a" 23 model x |> ignore
            rejects<AttributionException> (fun () -> gradient Units.Each "a" 24 model x) "position 24")
    ]

let private auto =
    testList "auto" [
        example "is channels where convolutions put them, and each number elsewhere" (fun () ->
            let conv inputs kernel =
                let dims = List.map int64 kernel |> Array.ofList
                let spatial (n: int64) = Array.create dims.Length n
                let weight = torch.ones (Array.append [| 3L; inputs |] dims, torch.float64)
                Build.Convolution(weight, null, spatial 1L, spatial 0L, spatial 1L, 1L)

            let dense = Linear(torch.ones ([| 3L; 3L |], torch.float64), None)

            let model =
                graphModel "s" [
                    node "conv" (conv 2L [ 1; 1 ]) [ "x" ]
                    node "one" (Constant(number 1.)) []
                    node "more" Add [ "one"; "conv" ]
                    node "relu" (Activation Relu) [ "more" ]
                    node "last" (Permute [| 0L; 2L; 3L; 1L |]) [ "relu" ]
                    node "dense" dense [ "last" ]
                    node "gelu" (Activation Tanh) [ "dense" ]
                    node "back" (Permute [| 0L; 3L; 1L; 2L |]) [ "gelu" ]
                    node "mean" (GlobalPool MaxPool) [ "back" ]
                    node "split" (Reshape [| 3L; 2L; 6L |]) [ "back" ]
                    node "tokens" (Reshape [| 12L; 3L |]) [ "last" ]
                    node "row" (Reshape [| 3L; 12L |]) [ "back" ]
                    node "conv1d" (conv 3L [ 2 ]) [ "row" ]
                    node "s" Flatten [ "mean" ]
                ]

            let readings = [
                "x", Units.ChannelSum
                "conv", Units.ChannelSum
                "more", Units.ChannelSum
                "relu", Units.ChannelSum
                "last", Units.Each
                "dense", Units.Each
                "gelu", Units.Each
                "back", Units.ChannelSum
                "mean", Units.Each
                "split", Units.Each
                "tokens", Units.Each
                "conv1d", Units.Each
                "s", Units.Each
            ]

            let x = gaussian (Random 2) [ 2; 2; 3; 4 ]

            for layer, expected in readings do
                let shape =
                    ((Model.cut layer { model with Graph = { model.Graph with Output = layer } }).H x).Head.shape

                Expect.equal (Model.reading Units.Auto layer model shape) expected layer
                same (Model.units expected layer model x) (Model.units Units.Auto layer model x) layer

                for chosen in [ Units.Each; Units.ChannelSum; Units.ChannelMax ] do
                    Expect.equal (Model.reading chosen layer model shape) chosen $"{layer}, asked for {chosen}")

        example "goes by the values' dimensions in a chain of functions" (fun () ->
            let model = ofFunctions [ "grid", (fun x -> x * 2.); "flat", (fun x -> x.flatten 1L) ]

            let x = gaussian (Random 3) [ 2; 2; 3; 4 ]
            Expect.equal (Model.units Units.Auto "grid" model x).shape [| 2L; 2L |] "channels"
            Expect.equal (Model.units Units.Auto "flat" model x).shape [| 2L; 24L |] "numbers")

        law "readings agree on channels of one position" (fun rng ->
            let model, _, _ = ModelTests.residual rng
            let x = gaussian rng [ 3; 2; 3; 4 ]

            for reading in [ Units.ChannelSum; Units.ChannelMax ] do
                same (influence Units.Each "flat" model x) (influence reading "flat" model x) $"{reading}")
    ]

let tests = testList "Units" [ channels; auto ]
