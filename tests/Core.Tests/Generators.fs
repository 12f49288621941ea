/// Cases for laws, as data: a case that breaks a law shrinks to a small one, which prints readably.
module Generators

open System
open System.Globalization
open Expecto
open FsCheck
open FsCheck.FSharp
open TorchSharp
open Attribution.Core
open Support

/// Numbers nearer than this, relative to their size, count as tied.
let private Near = 1e-3

/// The places of a shape, row by row.
let rec private places (shape: int list) : int list list =
    match shape with
    | [] -> [ [] ]
    | size :: rest ->
        let inner = places rest

        [
            for i in 0 .. size - 1 do
                for place in inner -> i :: place
        ]

/// Whether none of the numbers is 0, and no two have nearly the same magnitude.
let private areApart (numbers: int[]) =
    let magnitudes = numbers |> Array.map abs |> Array.sort

    magnitudes[0] > 0
    && magnitudes
       |> Seq.pairwise
       |> Seq.forall (fun (less, more) -> float (more - less) > Near * float more)

/// n×c×h×w or n×h×w numbers in row-major order, in quarters.
[<StructuredFormatDisplay("{Text}")>]
type Grid = {
    Shape: int list
    Quarters: int[]
} with

    member grid.Values = grid.Quarters |> Array.map (fun q -> float q / 4.)

    member grid.Tensor = tensor grid.Shape grid.Values

    /// The shape and the rows: ";" ends a row, "|" a channel or a map.
    member grid.Text =
        let text (value: float) = value.ToString CultureInfo.InvariantCulture

        let width, height = List.last grid.Shape, grid.Shape[grid.Shape.Length - 2]

        let planes =
            grid.Values
            |> Array.chunkBySize (width * height)
            |> Array.map (fun plane ->
                String.Join(
                    "; ",
                    plane |> Array.chunkBySize width |> Array.map (fun row -> String.Join(" ", Array.map text row))
                ))

        let shape, planes = String.Join("×", grid.Shape), String.Join(" | ", planes)
        $"{shape} [{planes}]"

/// How the numbers of a grid lie to each other.
[<RequireQualifiedAccess>]
type Spread =
    /// From -1/2 to 1/2: in each instance some are tied, and some may be 0, or all.
    | Tied
    /// From -2 to 2, ties among them, but no 0.
    | AwayFromZero
    /// In each instance no two numbers have nearly the same magnitude, nor have two pixels (sums over channels); none is
    /// nearly 0; some pixels are positive and some negative.
    | Apart

[<RequireQualifiedAccess>]
module Grid =
    let private instances grid = grid.Quarters |> Array.chunkBySize (List.fold (*) 1 grid.Shape.Tail)

    /// The sum over channels of each pixel of an instance of that shape.
    let private pixels (shape: int list) (instance: int[]) =
        match shape with
        | [ channels; _; _ ] ->
            let size = instance.Length / channels
            Array.init size (fun p -> Seq.sum (seq { for c in 0 .. channels - 1 -> instance[c * size + p] }))
        | _ -> instance

    /// Whether the numbers are as a spread promises.
    let isOf (spread: Spread) (grid: Grid) =
        match spread with
        | Spread.Tied -> grid.Quarters |> Array.forall (fun q -> abs q <= 2)
        | Spread.AwayFromZero -> grid.Quarters |> Array.forall (fun q -> q <> 0 && abs q <= 8)
        | Spread.Apart ->
            instances grid
            |> Array.forall (fun instance ->
                let pixels = pixels grid.Shape.Tail instance

                areApart instance
                && areApart pixels
                && Array.exists (fun p -> p > 0) pixels
                && Array.exists (fun p -> p < 0) pixels)

    /// A grid of that shape, whose instances have at least two rows and two columns.
    let ofShape (spread: Spread) (shape: int list) : Gen<Grid> =
        let size = List.fold (*) 1 shape.Tail
        let sign = Gen.elements [ -1; 1 ]

        let signed magnitudes = Gen.map2 (Array.map2 (*)) magnitudes (Gen.arrayOfLength size sign)

        let instance =
            match spread with
            | Spread.Tied ->
                Gen.frequency [
                    7, Gen.arrayOfLength size (Gen.choose (-2, 2))
                    1, Gen.constant (Array.zeroCreate size)
                ]
            | Spread.AwayFromZero -> signed (Gen.arrayOfLength size (Gen.choose (1, 8)))
            | Spread.Apart ->
                // Up to three times as many magnitudes as numbers: enough for most sums to differ, and by more than Near.
                Gen.shuffle [| 1 .. 3 * size |]
                |> Gen.map (Array.take size)
                |> signed
                |> Gen.where (fun numbers -> isOf Spread.Apart { Shape = 1 :: shape.Tail; Quarters = numbers })

        instance
        |> Gen.arrayOfLength shape.Head
        |> Gen.map (fun instances -> { Shape = shape; Quarters = Array.concat instances })

    /// n×c×h×w: n and c from 1 to 3, h and w from 2 to 5.
    let images (spread: Spread) : Gen<Grid> = gen {
        let! n, c = Gen.zip (Gen.choose (1, 3)) (Gen.choose (1, 3))
        let! h, w = Gen.zip (Gen.choose (2, 5)) (Gen.choose (2, 5))
        return! ofShape spread [ n; c; h; w ]
    }

    /// n×c×h×w, or n×h×w, of the same sizes.
    let maps (spread: Spread) : Gen<Grid> = gen {
        let! grid = images spread
        let! hasChannels = Gen.elements [ true; false ]

        if hasChannels then return grid else return! ofShape spread (List.removeAt 1 grid.Shape)
    }

    /// The grid without one index along an axis.
    let without (axis: int) (index: int) (grid: Grid) : Grid = {
        Shape = List.updateAt axis (grid.Shape[axis] - 1) grid.Shape
        Quarters =
            Seq.zip (places grid.Shape) grid.Quarters
            |> Seq.filter (fun (place, _) -> place[axis] <> index)
            |> Seq.map snd
            |> Array.ofSeq
    }

    /// The first channel of n×c×h×w, as n×h×w.
    let firstChannel (grid: Grid) : Grid =
        let first = List.fold (fun grid c -> without 1 c grid) grid [ grid.Shape[1] - 1 .. -1 .. 1 ]

        { first with Shape = List.removeAt 1 first.Shape }

    /// The axes along which a grid can be shorter, as those of n×c×h×w, with the indices that can go.
    let cuts (grid: Grid) =
        let least = [ 1; 1; 2; 2 ]

        [
            for axis in 0..3 do
                let own = if grid.Shape.Length = 4 || axis = 0 then axis else axis - 1

                if (grid.Shape.Length = 4 || axis <> 1) && grid.Shape[own] > least[axis] then
                    for index in 0 .. grid.Shape[own] - 1 -> axis, own, index
        ]

    /// The same shape with smaller numbers: all of them at once in two ways, or one at a time.
    let smaller (grid: Grid) : Grid seq =
        let towards (number: int) magnitude = sign number * magnitude

        let ranked =
            instances grid
            |> Array.collect (fun instance ->
                let order = instance |> Array.map abs |> Array.distinct |> Array.sort

                instance |> Array.map (fun q -> towards q (min (abs q) (1 + Array.IndexOf(order, abs q)))))

        let halved = grid.Quarters |> Array.map (fun q -> towards q ((abs q + 1) / 2))

        seq {
            ranked
            halved

            for i, number in Array.indexed grid.Quarters do
                for magnitude in List.distinct [ 0; 1; abs number / 2; abs number - 1 ] do
                    if magnitude < abs number && magnitude >= 0 then
                        Array.updateAt i (towards number magnitude) grid.Quarters
        }
        |> Seq.filter ((<>) grid.Quarters)
        |> Seq.map (fun numbers -> { grid with Quarters = numbers })

    /// Simpler maps of the same spread: fewer instances, channels, rows or columns, no channels, smaller numbers.
    let shrinkMaps (spread: Spread) (grid: Grid) : Grid seq =
        seq {
            for _, own, index in cuts grid -> without own index grid

            if grid.Shape.Length = 4 then
                yield firstChannel grid

            yield! smaller grid
        }
        |> Seq.filter (isOf spread)

/// The kinds of networks, by what follows their convolution of 3×3.
[<RequireQualifiedAccess>]
type Family =
    /// tanh → linear: smooth.
    | Tanh
    /// softplus → linear: smooth.
    | Softplus
    /// ReLU → linear.
    | Relu
    /// ReLU → a max pool of 2×2 → linear.
    | PooledRelu
    /// batch normalisation → ReLU → plus a convolution of 1×1 of the images → global average pool → linear.
    | Shortcut

    /// Whether its derivatives are continuous everywhere.
    member family.IsSmooth = family = Family.Tanh || family = Family.Softplus

    /// The simpler kind of the same smoothness, if there is one.
    member family.Simpler =
        match family with
        | Family.Tanh
        | Family.Relu -> None
        | Family.Softplus -> Some Family.Tanh
        | Family.PooledRelu
        | Family.Shortcut -> Some Family.Relu

/// A network for images of any size. Its weights follow from Salt, Largest and their places alone.
type Network = {
    Family: Family
    /// The channels of its convolution.
    Hidden: int
    Classes: int
    /// The largest magnitude of a weight, in eighths.
    Largest: int
    Salt: int
}

[<RequireQualifiedAccess>]
module Network =
    /// A number in [0, 1) that looks drawn, but is fixed by the keys.
    let private fraction (keys: int seq) =
        let mix (hash: uint64) (key: int) =
            let z = ((hash ^^^ uint64 (uint32 key)) + 0x9E3779B97F4A7C15UL) * 0xBF58476D1CE4E5B9UL

            let z = (z ^^^ (z >>> 27)) * 0x94D049BB133111EBUL
            z ^^^ (z >>> 31)

        float (Seq.fold mix 0UL keys >>> 11) / float (1UL <<< 53)

    /// Weights by the name of their layer, in eighths, none of them 0. A part of a shape has the same weights as in the whole,
    /// and with a smaller Largest each becomes smaller, or stays.
    let weights (network: Network) (layer: string) (shape: int list) : float[] =
        places shape
        |> Seq.map (fun place ->
            let drawn = 2. * fraction (Seq.concat [ [ network.Salt ]; List.map int (List.ofSeq layer); place ]) - 1.

            let eighths = max 1. (ceil (abs drawn * float network.Largest))
            (if drawn < 0. then -eighths else eighths) / 8.)
        |> Array.ofSeq

    /// Off the lattice of the products of weights and grids (1/32): no sum of a layer over images is 0.
    let biases network layer count = weights network layer [ count ] |> Array.map (fun w -> w + 1. / 64.)

    /// Off the lattice of the sums of layers too, by another share for each class: hardly two logits are equal.
    let classBiases network layer =
        biases network layer network.Classes |> Array.mapi (fun k b -> b + float (k + 1) / 4096.)

    /// The model, in float64, for images c×h×w. Its layers are named conv, norm, act, pool, project, sum, mean, flat and s,
    /// as far as it has them.
    let build (network: Network) (image: int list) : Model =
        let channels, height, width = image[0], image[1], image[2]
        let hidden = network.Hidden

        let weight layer shape = tensor shape (weights network layer shape)

        let convolution layer size =
            Convolution {
                Weight = weight layer [ hidden; channels; size; size ]
                Bias = Some(vector (biases network $"{layer} bias" hidden))
                Stride = [| 1L; 1L |]
                Padding = [| int64 (size / 2); int64 (size / 2) |]
                Dilation = [| 1L; 1L |]
                Groups = 1L
            }

        let normalisation =
            BatchNorm {
                Mean = weight "mean" [ hidden ]
                Variance = 1. + (weight "variance" [ hidden ]).abs()
                Scale = 4. * weight "scale" [ hidden ]
                Shift = weight "shift" [ hidden ]
                Epsilon = 1e-3
            }

        let pooling =
            Pool {
                Kind = MaxPool
                Kernel = [| 2L; 2L |]
                Stride = [| 2L; 2L |]
                Padding = [| 0L; 0L |]
                Dilation = [| 1L; 1L |]
                CeilMode = false
            }

        let activated kind = [ node "act" (Activation kind) [ "conv" ] ], "act", [ hidden; height; width ]

        let middle, last, features =
            match network.Family with
            | Family.Tanh -> activated Tanh
            | Family.Softplus -> activated (Pointwise("Softplus", torch.nn.functional.softplus))
            | Family.Relu -> activated Relu
            | Family.PooledRelu ->
                let before, last, _ = activated Relu
                before @ [ node "pool" pooling [ last ] ], "pool", [ hidden; height / 2; width / 2 ]
            | Family.Shortcut ->
                [
                    node "norm" normalisation [ "conv" ]
                    node "act" (Activation Relu) [ "norm" ]
                    node "project" (convolution "project" 1) [ "x" ]
                    node "sum" Add [ "act"; "project" ]
                    node "mean" (GlobalPool(AveragePool true)) [ "sum" ]
                ],
                "mean",
                [ hidden; 1; 1 ]

        let classifier = (weight "s" (network.Classes :: features)).reshape(int64 network.Classes, -1L)

        graphModel "s" [
            node "conv" (convolution "conv" 3) [ "x" ]
            yield! middle
            node "flat" Flatten [ last ]
            node "s" (Linear(classifier, Some(vector (classBiases network "s bias")))) [ "flat" ]
        ]

    /// The dense twin of the same sizes, for images of that many numbers. No input of its ReLU is 0 for images in quarters.
    let plain (network: Network) (inputs: int) : Plain =
        let rows layer count size = weights network layer [ count; size ] |> Array.chunkBySize size

        {
            W1 = rows "W1" network.Hidden inputs
            B1 = biases network "B1" network.Hidden
            W2 = rows "W2" network.Classes network.Hidden
            B2 = classBiases network "B2"
        }

    /// Any family; 1 to 3 hidden channels, 2 to 4 classes, weights up to 1/8 … 1/2.
    let any: Gen<Network> = gen {
        let! family =
            Gen.elements [ Family.Tanh; Family.Softplus; Family.Relu; Family.PooledRelu; Family.Shortcut ]

        let! hidden, classes = Gen.zip (Gen.choose (1, 3)) (Gen.choose (2, 4))
        let! largest, salt = Gen.zip (Gen.choose (1, 4)) (Gen.choose (0, 999))

        return { Family = family; Hidden = hidden; Classes = classes; Largest = largest; Salt = salt }
    }

    /// Whether no kink is near for the images: no input of a ReLU is nearly 0, in no window of a max pool are the two largest
    /// nearly equal, and the two largest logits differ by more than 0.01. A window of nothing but 0 is no kink: its ReLUs are
    /// all off.
    let isAwayFromKinks (model: Model) (x: Tensor) : bool =
        use _ = torch.NewDisposeScope()
        let graph = model.Graph

        let names = [ for node in graph.Nodes -> node.Name ] |> List.except [ graph.Input ]

        let computed =
            Graph.run Semantics.plain (Graph.plan [ graph.Input ] names graph) [ x ]
            |> List.zip names
            |> Map.ofList
            |> Map.add graph.Input x

        let scale numbers = 1. + Array.max (Array.map abs numbers)

        let largestTwo (rows: Tensor) =
            let struct (top, _) = rows.topk 2
            values top |> Array.chunkBySize 2

        let isFar (node: Node) =
            match node.Op with
            | Activation Relu ->
                let inputs = values computed[node.Inputs.Head]
                let near = Near * scale inputs
                inputs |> Array.forall (fun z -> abs z > near)
            | Pool({ Kind = MaxPool } as pool) ->
                let input = computed[node.Inputs.Head]

                let windows =
                    input.unfold(2L, pool.Kernel[0], pool.Stride[0]).unfold(3L, pool.Kernel[1], pool.Stride[1]).flatten
                        4L

                let largest = largestTwo windows
                let near = Near * scale (Array.concat largest)

                largest |> Array.forall (fun pair -> pair[0] - pair[1] > near || pair = [| 0.; 0. |])
            | _ -> true

        Array.forall isFar graph.Nodes
        && largestTwo computed[graph.Output] |> Array.forall (fun pair -> pair[0] - pair[1] > 1e-2)

/// A quantity of interest of a network's logits.
[<RequireQualifiedAccess>]
type Interest =
    | Predicted
    | Class of int
    | Margin of int * int

[<RequireQualifiedAccess>]
module Interest =
    let build (interest: Interest) : Quantity =
        match interest with
        | Interest.Predicted -> Quantity.predicted
        | Interest.Class k -> Quantity.ofClass k
        | Interest.Margin(a, b) -> Quantity.margin a b

    /// Any of that many classes.
    let any (classes: int) : Gen<Interest> = gen {
        let! order = Gen.shuffle [| 0 .. classes - 1 |]

        return! Gen.elements [ Interest.Predicted; Interest.Class order[0]; Interest.Margin(order[0], order[1]) ]
    }

    /// The same, or nearly, where there are no more than that many classes.
    let within (classes: int) (interest: Interest) : Interest =
        let clamp k = min k (classes - 1)

        match interest with
        | Interest.Predicted -> Interest.Predicted
        | Interest.Class k -> Interest.Class(clamp k)
        | Interest.Margin(a, b) when clamp a = clamp b -> Interest.Margin(clamp a, 0)
        | Interest.Margin(a, b) -> Interest.Margin(clamp a, clamp b)

    /// A margin's classes, and class 0.
    let shrink (interest: Interest) : Interest list =
        match interest with
        | Interest.Predicted -> [ Interest.Class 0 ]
        | Interest.Class 0 -> []
        | Interest.Class _ -> [ Interest.Class 0 ]
        | Interest.Margin(a, b) -> [
            Interest.Class a
            Interest.Class b
            if a + b > 1 then
                Interest.Margin(1, 0)
          ]

/// What methods and metrics take: a network with a quantity of interest, images for it, and a map for each of them, n×c×h×w
/// or n×h×w. What its members build is freed with the scope that they are called in.
type Case = {
    Network: Network
    Interest: Interest
    Images: Grid
    Maps: Grid
} with

    member case.Model: Model = Network.build case.Network case.Images.Shape.Tail

    /// The quantity of interest of the model.
    member case.Target: Target = Target.ofQuantity (Interest.build case.Interest) case.Model

    /// The dense twin of the network.
    member case.Plain: Plain = Network.plain case.Network (List.fold (*) 1 case.Images.Shape.Tail)

    /// Whether no derivative jumps, and no order changes, near it: central differences with a step of 1e-5 are right, and
    /// rankings of the maps are those of any other precision.
    member case.AwayFromKinks: bool =
        use _ = torch.NewDisposeScope()

        Grid.isOf Spread.Apart case.Maps && Network.isAwayFromKinks case.Model case.Images.Tensor

    /// The gradient of the quantity by the images, n×c×h×w, by central differences, each image explained for itself. It is one
    /// pass for all numbers at once. Right where the case is away from kinks.
    member case.CentralDifferences: Tensor =
        Scope.run (fun () ->
            let x, target = case.Images.Tensor, case.Target
            let size = x[0L].numel()
            let step = 1e-5 * torch.eye (size, dtype = torch.float64)
            let each = x.repeat_interleave (size, 0L)
            let scores = Target.here target (batch each)

            let moved (by: Tensor) = scores ((x.reshape (-1L, 1L, size) + by).reshape each.shape)

            ((moved step - moved -step) / 2e-5).reshape x.shape)

[<RequireQualifiedAccess>]
module Case =
    /// The case with the first of some salts, its own first, that leads away from kinks.
    let private settle (tries: int) (case: Case) : Case option =
        Seq.init tries (fun i -> { case with Network = { case.Network with Salt = case.Network.Salt + i } })
        |> Seq.tryFind _.AwayFromKinks

    /// Any network with any quantity; images without 0; maps apart. Nearly all are away from kinks.
    let any: Gen<Case> = gen {
        let! images = Grid.images Spread.AwayFromZero
        let! hasChannels = Gen.elements [ true; false ]

        let! maps =
            Grid.ofShape Spread.Apart (if hasChannels then images.Shape else List.removeAt 1 images.Shape)

        let! network = Network.any
        let! interest = Interest.any network.Classes

        let case = { Network = network; Interest = interest; Images = images; Maps = maps }

        return settle 200 case |> Option.defaultValue case
    }

    let private cuts (case: Case) : Case seq = seq {
        let ofMaps = Grid.cuts case.Maps

        for axis, own, index in Grid.cuts case.Images do
            {
                case with
                    Images = Grid.without own index case.Images
                    Maps =
                        ofMaps
                        |> List.tryFind (fun (axis', _, index') -> (axis', index') = (axis, index))
                        |> Option.map (fun (_, own, index) -> Grid.without own index case.Maps)
                        |> Option.defaultValue case.Maps
            }

        if case.Maps.Shape.Length = 4 then
            { case with Maps = Grid.firstChannel case.Maps }
    }

    let private simplerNetworks (network: Network) : Network seq =
        let below least number =
            [ least; number - 1 ] |> List.distinct |> List.filter (fun n -> least <= n && n < number)

        seq {
            for family in Option.toList network.Family.Simpler -> { network with Family = family }
            for hidden in below 1 network.Hidden -> { network with Hidden = hidden }
            for classes in below 2 network.Classes -> { network with Classes = classes }
            for largest in below 1 network.Largest -> { network with Largest = largest }
        }

    /// Simpler cases: fewer images, channels, rows or columns, a simpler network, smaller weights, a simpler quantity, smaller
    /// numbers. One that is away from kinks stays so, with another salt where need be.
    let shrink (case: Case) : Case seq =
        let isAway = case.AwayFromKinks

        let isValid case = Grid.isOf Spread.AwayFromZero case.Images && Grid.isOf Spread.Apart case.Maps

        let others =
            seq {
                yield! cuts case

                for network in simplerNetworks case.Network do
                    yield { case with Network = network; Interest = Interest.within network.Classes case.Interest }

                for images in Grid.smaller case.Images -> { case with Images = images }
            }
            |> Seq.filter isValid
            |> Seq.choose (fun simpler -> if isAway then settle 20 simpler else Some simpler)

        // What the network makes of the images stays as it is.
        let alike =
            seq {
                for interest in Interest.shrink case.Interest -> { case with Interest = interest }
                for maps in Grid.smaller case.Maps -> { case with Maps = maps }
            }
            |> Seq.filter isValid

        Seq.append others alike

/// Maps that are apart.
type Maps = Maps of Grid

/// Maps with ties and zeros.
type TiedMaps = TiedMaps of Grid

/// What laws may be about.
type Arbitraries =
    static member Case() : Arbitrary<Case> = Arb.fromGenShrink (Case.any, Case.shrink)

    static member Maps() : Arbitrary<Maps> =
        Arb.fromGenShrink (
            Gen.map Maps (Grid.maps Spread.Apart),
            fun (Maps grid) -> Seq.map Maps (Grid.shrinkMaps Spread.Apart grid)
        )

    static member TiedMaps() : Arbitrary<TiedMaps> =
        Arb.fromGenShrink (
            Gen.map TiedMaps (Grid.maps Spread.Tied),
            fun (TiedMaps grid) -> Seq.map TiedMaps (Grid.shrinkMaps Spread.Tied grid)
        )

let private drawn name (check: 'drawn -> unit) =
    testPropertyWithConfig
        { FsCheckConfig.defaultConfig with maxTest = 40; arbitrary = [ typeof<Arbitraries> ] }
        name
        (fun (drawn: 'drawn) ->
            use _ = torch.NewDisposeScope()
            check drawn)

/// A law of cases; a case that breaks it shrinks.
let property name (check: Case -> unit) = drawn name check

/// A law of maps that are apart (Spread.Apart), n×c×h×w or n×h×w.
let mapProperty name (check: Tensor -> unit) = drawn name (fun (Maps grid) -> check grid.Tensor)

/// A law of maps with ties and zeros (Spread.Tied), n×c×h×w or n×h×w.
let tiedMapProperty name (check: Tensor -> unit) = drawn name (fun (TiedMaps grid) -> check grid.Tensor)
