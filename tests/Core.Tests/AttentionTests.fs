module AttentionTests

open System
open Expecto
open TorchSharp
open Attribution
open Attribution.Core
open Support

let private moves name f = Function(Moves, name, List.head >> f)

/// A layer of weights over the last dimension.
let private linear (rng: Random) out ``in`` = Linear(gaussian rng [ out; ``in`` ] * 0.5, Some(gaussian rng [ out ]))

/// A product as some exporters write it.
let private product (equation: string) =
    Function(Product, "Einsum", (fun inputs -> torch.einsum (equation, Array.ofList inputs)))

/// Softmax as files of old spell it.
let private spelledSoftmax name input = [
    node $"{name}/exp" (Activation(Pointwise("Exp", _.exp()))) [ input ]
    node $"{name}/sum" (Function(Sums, "Sum", (fun inputs -> inputs.Head.sum ([| -1L |], true)))) [ $"{name}/exp" ]
    node name Divide [ $"{name}/exp"; $"{name}/sum" ]
]

/// A transformer for images 2×4×4: patches of 2×2, a class token, two blocks of two heads, and the class token's three scores.
let private vit (rng: Random) isSpelled =
    let block (index: int) input =
        let named name = $"{name}{index}"

        let heads name : Node list = [
            node (named $"{name} of heads") (Reshape [| 5L; 2L; 3L |]) [ named name ]
            node (named $"{name} by heads") (Permute [| 0L; 2L; 1L; 3L |]) [ named $"{name} of heads" ]
        ]

        [
            node (named "norm") (Spelling.layerNorm "LayerNormalization" [| 6L |] 1e-5 true) [ input; "scale"; "shift" ]
            node (named "q") (linear rng 6 6) [ named "norm" ]
            node (named "k") (linear rng 6 6) [ named "norm" ]
            node (named "v") (linear rng 6 6) [ named "norm" ]
            yield! List.collect heads [ "q"; "k"; "v" ]
            node (named "kt") (Permute [| 0L; 1L; 3L; 2L |]) [ named "k by heads" ]
            if isSpelled then
                node (named "scores") (product "nhid,nhjd->nhij") [ named "q by heads"; named "k by heads" ]
            else
                node (named "scores") MatMul [ named "q by heads"; named "kt" ]
            node (named "scaled") Divide [ named "scores"; "root" ]
            if isSpelled then
                yield! spelledSoftmax (named "weights") (named "scaled")
            else
                node (named "weights") (Softmax 3L) [ named "scaled" ]
            node (named "heard") (if isSpelled then product "nhij,nhjd->nhid" else MatMul) [
                named "weights"
                named "v by heads"
            ]
            node (named "turned") (Permute [| 0L; 2L; 1L; 3L |]) [ named "heard" ]
            node (named "joined") (Reshape [| 5L; 6L |]) [ named "turned" ]
            node (named "projected") (linear rng 6 6) [ named "joined" ]
            node (named "middle") Add [ input; named "projected" ]
            node (named "norm of") (Spelling.layerNorm "LayerNormalization" [| 6L |] 1e-5 true) [
                named "middle"
                "scale"
                "shift"
            ]
            node (named "wide") (linear rng 8 6) [ named "norm of" ]
            node (named "bent") (Activation(Pointwise("Gelu", fun x -> torch.nn.functional.gelu x))) [ named "wide" ]
            node (named "narrow") (linear rng 6 8) [ named "bent" ]
            node (named "out") Add [ named "middle"; named "narrow" ]
        ]

    let embed =
        Convolution {
            Weight = gaussian rng [ 6; 2; 2; 2 ] * 0.3
            Bias = Some(gaussian rng [ 6 ])
            Stride = [| 2L; 2L |]
            Padding = [| 0L; 0L |]
            Dilation = [| 1L; 1L |]
            Groups = 1L
        }

    let graph =
        Graph.create "x" "s" [
            node "x" Input []
            node "scale" (Constant(gaussian rng [ 6 ])) []
            node "shift" (Constant(gaussian rng [ 6 ])) []
            node "root" (Constant(torch.tensor (Math.Sqrt 3.))) []
            node "places" (Constant(gaussian rng [ 5; 6 ])) []
            node "token" (Constant(gaussian rng [ 1; 1; 6 ])) []
            node "patches" embed [ "x" ]
            node "rows" (Reshape [| 6L; 4L |]) [ "patches" ]
            node "tokens" (Permute [| 0L; 2L; 1L |]) [ "rows" ]
            node "each" (Repeat 0L) [ "token"; "x" ]
            node "with" (Concat 1L) [ "each"; "tokens" ]
            node "placed" Add [ "with"; "places" ]
            yield! block 1 "placed"
            yield! block 2 "out1"
            node "last" (Spelling.layerNorm "LayerNormalization" [| 6L |] 1e-5 true) [ "out2"; "scale"; "shift" ]
            node "first" (moves "Gather" (fun t -> t.select (1L, 0L))) [ "last" ]
            node "s" (linear rng 3 6) [ "first" ]
        ]

    Model.ofGraph (Some [| 2L; 4L; 4L |]) graph |> inDouble

/// Shares of patches (n×4) on the pixels of theirs (n×2×4×4): enlarged linearly, and shared by the channels.
let private onPixels (patches: Tensor) =
    let grid = patches.reshape (patches.shape[0], 1L, 2L, 2L)

    let enlarged =
        torch.nn.functional.interpolate (grid, [| 4L; 4L |], mode = torch.InterpolationMode.Bilinear)

    (enlarged / Number.Of 8.).expand(patches.shape[0], 2L, 4L, 4L)

/// The rows of the class token, without itself, of the blocks' matrices multiplied from the last to the first.
let private rowOf (each: Tensor list) =
    let product = each |> List.reduce (fun first next -> next.matmul first)
    product.select(1L, 0L).narrow(1L, 1L, 4L)

let private identity = torch.eye (5L, dtype = torch.float64)

let private weights (model: Model) x index = Model.value $"weights{index}" model x

let tests =
    testList "Attention" [
        example "is found in each spelling, with its shortcut" (fun () ->
            for isSpelled in [ false; true ] do
                let model = vit (Random 1) isSpelled

                let found = Model.attentions model |> List.map (fun a -> a.Weights, a.Product, a.Side, a.Residual)

                Expect.equal
                    found
                    [ for i in 1..2 -> $"weights{i}", $"heard{i}", 0, Some($"middle{i}", 1) ]
                    "both blocks")

        example "is not any softmax, nor any product" (fun () ->
            let rng = Random 2

            let gate = [
                node "x" Input []
                node "flat" Flatten [ "x" ]
                node "a" (linear rng 4 8) [ "flat" ]
                node "soft" (Softmax 1L) [ "a" ]
                node "b" (linear rng 4 8) [ "flat" ]
                node "s" Multiply [ "soft"; "b" ]
            ]

            Expect.isEmpty (Attention.find (Graph.create "x" "s" gate)) "a gate")

        law "rollout is the class token's row of the product of ½A + ½I" (fun rng ->
            let model = vit rng (rng.Next 2 = 0)
            let x = gaussian rng [ 2; 2; 4; 4 ]
            let target = Target.ofQuantity Quantity.predicted model

            let expected = rowOf [ for i in 1..2 -> ((weights model x i).mean([| 1L |]) + identity) * 0.5 ]

            let map = AttentionRollout.attribute target (batch x)
            close 1e-9 (onPixels expected) map "the patches' shares"
            close 1e-9 (expected.sum 1L) (Tensor.sumEach map) "and their sum"
            Expect.isTrue (Tensor.isAll (map.ge (Number.Of 0.))) "no share is negative")

        law "relevance is the class token's row of the product of I + mean (∇A ⊙ A)⁺" (fun rng ->
            let model = vit rng (rng.Next 2 = 0)
            let x = gaussian rng [ 2; 2; 4; 4 ]
            let k = rng.Next 3
            let target = Target.ofQuantity (Quantity.ofClass k) model

            let step index =
                let slice = Model.cut $"weights{index}" model
                let held = slice.H x
                let score (a: Tensor) = (slice.G held.Tail a).select(1L, int64 k)
                let gradient = Diff.gradEach score held.Head
                (gradient * held.Head).relu().mean([| 1L |]) + identity

            let expected = rowOf [ step 1; step 2 ]
            let map = AttentionRelevance.attribute target (batch x)
            close 1e-9 (onPixels expected) map "the patches' relevances")

        example "a class activation map is of the last tokens that the class token hears of, normalised" (fun () ->
            let rng = Random 4
            let model = vit rng false
            Expect.equal (CamLayer.last model) "norm2" "its layer"
            let x = gaussian rng [ 2; 2; 4; 4 ]
            let target = Target.ofQuantity (Quantity.ofClass 1) model
            let slice = Model.cut "norm2" model
            let held = slice.H x
            let gradient = Diff.gradEach (fun a -> (slice.G held.Tail a).select(1L, 1L)) held.Head

            // Of tokens 1 to 4, which are the patches row by row.
            let tokens (t: Tensor) = t.narrow (1L, 1L, 4L)
            let expected = (tokens held.Head * (tokens gradient).mean([| 1L |], true)).sum(-1L).relu()
            let map = GradCam.atLayer CamWeights.Mean "norm2" target (batch x)
            close 1e-12 (expected.reshape (2L, 2L, 2L)) map "the map"

            for layer in [ "placed"; "norm1"; "out1"; "heard1" ] do
                Expect.equal
                    (GradCam.attribute CamWeights.Positions layer target (batch x)).shape
                    [| 2L; 4L; 4L |]
                    layer)

        example "tokens are channels of positions, and heads are units" (fun () ->
            let rng = Random 5
            let model = vit rng false
            let x = gaussian rng [ 3; 2; 4; 4 ]

            let read layer = Model.units Units.Auto layer model x
            close 1e-12 ((Model.value "out1" model x).sum 1L) (read "out1") "a channel is its sum over tokens"

            close
                1e-12
                ((Model.value "heard1" model x).sum [| 2L; 3L |])
                (read "heard1")
                "a head is the sum of what it gives"

            let influence =
                Influence.ofQuantity (Quantity.ofClass 0) Units.Auto "heard2" model (Instances.ofTensor x)

            let slice = Model.cut "heard2" model
            let held = slice.H x
            let gradient = Diff.gradEach (fun a -> (slice.G held.Tail a).select(1L, 0L)) held.Head
            close 1e-12 (gradient.mean([| 0L |]).sum [| 1L; 2L |]) influence "its influence")
    ]
