module GeneratorsTests

open Expecto
open FsCheck
open FsCheck.FSharp
open TorchSharp
open Attribution.Core
open Support
open Generators

let private sample count (generator: Gen<'a>) = Gen.sampleWithSeed (Rnd 20240607UL) 50 count generator

let private isBetween least most value = least <= value && value <= most

let private fitsShape (shape: int list) =
    match shape with
    | [ n; h; w ] -> isBetween 1 3 n && isBetween 2 5 h && isBetween 2 5 w
    | [ n; c; h; w ] -> isBetween 1 3 n && isBetween 1 3 c && isBetween 2 5 h && isBetween 2 5 w
    | _ -> false

/// The promise of each spread, on the grid's own tensor.
let private expectSpread spread (grid: Grid) =
    Expect.isTrue (fitsShape grid.Shape) $"the shape of {grid.Text}"
    use _ = torch.NewDisposeScope()

    let rows (t: Tensor) = values t |> Array.chunkBySize (int (t.numel () / t.shape[0]))

    for numbers, pixels in Array.zip (rows grid.Tensor) (rows (Tensor.pixels grid.Tensor)) do
        let isTied numbers =
            numbers
            |> Array.map abs
            |> Array.sort
            |> Seq.pairwise
            |> Seq.exists (fun (less, more) -> more - less <= 1e-3 * more)

        match spread with
        | Spread.Tied -> Expect.isTrue (isTied numbers) $"a tie: {grid.Text}"
        | Spread.AwayFromZero -> Expect.all numbers (fun v -> abs v >= 0.25 && abs v <= 2.) grid.Text
        | Spread.Apart ->
            Expect.isFalse (isTied numbers || isTied pixels) $"no tie: {grid.Text}"
            Expect.all (Array.append numbers pixels) (fun v -> abs v >= 1e-3) grid.Text
            Expect.isTrue (Array.min pixels < 0. && Array.max pixels > 0.) $"both signs: {grid.Text}"

let private expectCase (case: Case) =
    use _ = torch.NewDisposeScope()
    expectSpread Spread.AwayFromZero case.Images
    expectSpread Spread.Apart case.Maps
    let shape = case.Images.Shape
    Expect.contains [ shape; List.removeAt 1 shape ] case.Maps.Shape "maps for the images"
    let logits = Model.logits case.Model case.Images.Tensor
    Expect.equal logits.shape [| int64 shape[0]; int64 case.Network.Classes |] "logits"
    Expect.all (values logits) System.Double.IsFinite "finite logits"

    let quantity = case.Target.Quantity.Of (Target.explained case.Target (batch case.Images.Tensor)) logits

    Expect.equal quantity.shape [| int64 shape[0] |] "a quantity of each image"

let private weight (grid: Grid) = Array.sumBy abs grid.Quarters

/// How simple maps are: what comes first counts most.
let private ofMaps (grid: Grid) = [ grid.Quarters.Length; grid.Shape.Length; weight grid ]

/// How simple a case is.
let private ofCase (case: Case) =
    let network = case.Network

    [
        case.Images.Quarters.Length
        ofMaps case.Maps |> List.head
        case.Maps.Shape.Length
        (match network.Family with
         | Family.Tanh
         | Family.Relu -> 0
         | _ -> 1)
        network.Hidden
        network.Classes
        network.Largest
        (match case.Interest with
         | Interest.Class k -> k
         | Interest.Predicted -> 10
         | Interest.Margin(a, b) -> 10 + a + b)
        weight case.Images + weight case.Maps
    ]

/// Each shrink of a value, of some of its shrinks, and so on is valid and simpler; with natural numbers that cannot go on.
let private expectShrinks (shrink: 'a -> 'a seq) (simplicity: 'a -> int list) (isValid: 'a -> unit) (start: 'a) =
    let mutable current = Some start
    let mutable turn = 0

    while current.IsSome do
        let shrunk = shrink current.Value |> Seq.truncate 6 |> Array.ofSeq

        for simpler in shrunk do
            isValid simpler
            Expect.isLessThan (simplicity simpler) (simplicity current.Value) $"%A{simpler} after %A{current.Value}"

        // Now the first, now the last: each leads elsewhere.
        turn <- turn + 1

        current <- if turn % 2 = 0 then Array.tryHead shrunk else Array.tryLast shrunk

/// The case that a false law of what is drawn shrinks to.
let private falsified (arbitrary: Arbitrary<'a>) (law: 'a -> bool) : 'a =
    let found = ref None

    let runner = {
        new IRunner with
            member _.OnStartFixture _ = ()
            member _.OnArguments(_, _, _) = ()
            member _.OnShrink(_, _) = ()

            member _.OnFinished(_, result) =
                match result with
                | TestResult.Failed(_, _, [ smallest ], _, _, _, _) -> found.Value <- Some(unbox<'a> smallest)
                | _ -> ()
    }

    // A run that is the same each time.
    let replay = Some { Rnd = Rnd 20240607UL; Size = None }

    let config = Config.Quick.WithRunner(runner).WithMaxTest(200).WithReplay replay

    Check.One(config, Prop.forAll arbitrary law)
    Expect.wantSome found.Value "the law is false"

let tests =
    testList "Generators" [
        testCase "images and maps are of the shapes and the spread asked for" (fun () ->
            for spread in [ Spread.Tied; Spread.AwayFromZero; Spread.Apart ] do
                for grid in sample 60 (Grid.images spread) do
                    Expect.equal grid.Shape.Length 4 "images have channels"
                    expectSpread spread grid

                let maps = sample 60 (Grid.maps spread)
                Array.iter (expectSpread spread) maps

                Expect.equal
                    (maps |> Seq.map _.Shape.Length |> Seq.distinct |> Seq.sort |> List.ofSeq)
                    [ 3; 4 ]
                    "with and without channels")

        testCase "tied maps have zeros, and now and then nothing else" (fun () ->
            let grids = sample 60 (Grid.maps Spread.Tied)
            Expect.exists grids (fun grid -> Array.contains 0 grid.Quarters && weight grid > 0) "some zeros"

            Expect.exists
                grids
                (fun grid ->
                    grid.Quarters
                    |> Array.chunkBySize (grid.Quarters.Length / grid.Shape.Head)
                    |> Array.exists (Array.forall ((=) 0)))
                "a map of zeros")

        testCase
            "of 200 cases each is valid, all kinds and quantities appear, and nearly all are away from kinks"
            (fun () ->
                let cases = sample 200 Case.any
                Array.iter expectCase cases
                let kinds = cases |> Seq.countBy _.Network.Family |> List.ofSeq
                Expect.hasLength kinds 5 $"kinds: {kinds}"

                let quantities =
                    cases
                    |> Seq.countBy (fun case ->
                        match case.Interest with
                        | Interest.Predicted -> "predicted"
                        | Interest.Class _ -> "class"
                        | Interest.Margin _ -> "margin")
                    |> List.ofSeq

                Expect.hasLength quantities 3 $"quantities: {quantities}"
                let away = cases |> Seq.filter _.AwayFromKinks |> Seq.length
                Expect.isGreaterThan away 195 "away from kinks")

        example "a kink is seen where there is one" (fun () ->
            let x = tensor [ 1; 1; 2; 2 ] [ 1.; 2.; -3.; 4. ]
            let pixels = Linear(tensor [ 2; 4 ] [ 1.; 0.; 0.; 0.; 0.; 1.; 0.; 0. ], None)

            let isAway nodes =
                Network.isAwayFromKinks (
                    graphModel "s" [ yield! nodes; node "flat" Flatten [ "h" ]; node "s" pixels [ "flat" ] ]
                )

            let relu = isAway [ node "h" (Activation Relu) [ "x" ] ]
            Expect.isTrue (relu x) "no ReLU near 0"
            Expect.isFalse (relu (tensor [ 1; 1; 2; 2 ] [ 1.; 2.; -3.; 1e-4 ])) "a ReLU near 0"
            Expect.isFalse (relu (tensor [ 1; 1; 2; 2 ] [ 2.; 2.001; -3.; 4. ])) "logits nearly equal"

            let pool =
                isAway [
                    node "wide" (Reshape [| 1L; 2L; 4L |]) [ "x" ]
                    node
                        "pool"
                        (Pool {
                            Kind = MaxPool
                            Kernel = [| 2L; 1L |]
                            Stride = [| 2L; 1L |]
                            Padding = [| 0L; 0L |]
                            Dilation = [| 1L; 1L |]
                            CeilMode = false
                        })
                        [ "wide" ]
                    node "h" Identity [ "pool" ]
                ]

            let rows below = tensor [ 1; 1; 2; 4 ] [ 1.; 2.; 0.; 4.; yield! below ]

            Expect.isTrue (pool (rows [ 3.; 5.; 0.; 1. ])) "no tie but of zeros"
            Expect.isFalse (pool (rows [ 3.; 5.; 0.; 4.0001 ])) "a tie")

        testCase "maps shrink to valid, simpler ones, and no further than to the smallest" (fun () ->
            for spread in [ Spread.Tied; Spread.Apart ] do
                for maps in sample 15 (Grid.maps spread) do
                    expectShrinks (Grid.shrinkMaps spread) ofMaps (expectSpread spread) maps)

        testCase
            "cases shrink to valid, simpler ones that stay away from kinks, and no further than to the smallest"
            (fun () ->
                for case in sample 6 Case.any do
                    let isAway = case.AwayFromKinks

                    expectShrinks
                        Case.shrink
                        ofCase
                        (fun case ->
                            expectCase case
                            Expect.equal case.AwayFromKinks isAway "away from kinks")
                        case)

        example "the derivative by central differences is that of each number in turn" (fun () ->
            for case in sample 6 Case.any do
                let x = case.Images.Tensor.narrow (0L, 0L, 1L)
                let scores = Target.here case.Target (batch x)
                let expected = centralDifferences (fun moved -> (scores moved).sum()) x
                close 1e-9 expected (case.CentralDifferences.narrow (0L, 0L, 1L)) "first image")

        testCase "with fewer channels and smaller weights a network keeps its meaning" (fun () ->
            for network in sample 20 Network.any do
                let whole = Network.weights network "conv" [ 3; 3; 3; 3 ]
                let part = Network.weights network "conv" [ 2; 3; 3; 3 ]
                Expect.equal part whole[.. part.Length - 1] "fewer channels"
                let smaller = Network.weights { network with Largest = 1 } "conv" [ 3; 3; 3; 3 ]
                Expect.equal (Array.map sign smaller) (Array.map sign whole) "signs"
                Expect.all smaller (fun w -> abs w = 0.125) "magnitudes")

        testCase "a false law of maps fails with one map of 2×2 pixels and the four least magnitudes" (fun () ->
            let (Maps smallest) =
                falsified (Arbitraries.Maps()) (fun (Maps grid) -> Array.maxBy abs grid.Quarters > 0)

            Expect.equal smallest.Shape [ 1; 2; 2 ] smallest.Text
            Expect.equal (smallest.Quarters |> Array.map abs |> Array.sort) [| 1; 2; 3; 4 |] smallest.Text)

        testCase "a false law of tied maps fails with one map of 2×2 pixels and one number" (fun () ->
            let (TiedMaps smallest) =
                falsified (Arbitraries.TiedMaps()) (fun (TiedMaps grid) -> Array.min grid.Quarters >= 0)

            Expect.equal smallest.Shape [ 1; 2; 2 ] smallest.Text
            Expect.equal (Array.sort smallest.Quarters) [| -1; 0; 0; 0 |] smallest.Text)

        testCase "a false law of cases fails with one small image, of the network that breaks it" (fun () ->
            let smallest = falsified (Arbitraries.Case()) (fun case -> case.Network.Family <> Family.Shortcut)

            let text = $"%A{smallest}"
            Expect.equal smallest.Images.Shape [ 1; 1; 2; 2 ] text
            Expect.equal smallest.Maps.Shape [ 1; 2; 2 ] text
            Expect.equal (smallest.Network.Family, smallest.Network.Hidden) (Family.Shortcut, 1) text
            Expect.equal smallest.Network.Classes 2 text
            Expect.equal smallest.Interest (Interest.Class 0) text)

        testCase "a law that fails says with which shrunken case" (fun () ->
            match mapProperty "false" (fun maps -> Expect.isLessThan maps.shape[0] 2L "one map") with
            | TestLabel(_, TestCase(AsyncFsCheck(Some config, _, run), _), _) ->
                Expect.throwsC (fun () -> Async.RunSynchronously(run { config with maxTest = 200 })) (fun e ->
                    Expect.stringContains e.Message "Maps 2×2×2 [" "the shrunken maps")
            | other -> failtest $"%A{other} is no property.")
    ]
