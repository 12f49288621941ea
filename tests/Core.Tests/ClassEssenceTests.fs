module ClassEssenceTests

open System
open Expecto
open TorchSharp
open Attribution
open Attribution.Core
open Support

/// Three units that each alone decide on a class: logits = 2 relu x, and -x for a fourth class that has none.
let private three =
    let weight =
        tensor [ 4; 3 ] [
            yield! [ 2.; 0.; 0. ]
            yield! [ 0.; 2.; 0. ]
            yield! [ 0.; 0.; 2. ]
            yield! [ -1.; -1.; -1. ]
        ]

    graphModel "s" [
        node "h" (Activation Relu) [ "x" ]
        node "s" (Linear(weight, Some(vector [ 0; 0; 0; 0.5 ]))) [ "h" ]
    ]

/// Two instances of each of the classes 0, 1, 2.
let private seen =
    tensor [ 6; 3 ] [
        yield! [ 5.; 1.; 1. ]
        yield! [ 3.; 2.; 0. ]
        yield! [ 1.; 4.; 0. ]
        yield! [ 0.; 6.; 3. ]
        yield! [ 0.; 0.; 2. ]
        yield! [ 2.; 1.; 7. ]
    ]

let private truth = [| 0L; 0L; 1L; 1L; 2L; 2L |]

let private tallies sets labels layer model x =
    ClassEssence.tallies sets labels Units.Auto layer model (Instances.ofTensor x)

let private counts (c: Confusion) = c.TruePositives, c.FalsePositives, c.FalseNegatives, c.TrueNegatives

let private subset (rng: Random) n = Array.init n (fun _ -> rng.Next 2 = 0)

/// What the network of a random case predicts with some of its hidden units left, in plain loops; z or h is the layer.
let private twin net layer (kept: bool[]) image =
    let left values = Array.map2 (fun k v -> if k then v else 0.) kept values

    let z = Plain.hidden net image

    // `after` applies the ReLU, which leaves what is already past it as it is.
    let logits = Plain.after net (left (if layer = "h" then Array.map (max 0.) z else z))

    Array.IndexOf(logits, Array.max logits)

let private masked =
    testList "f_S" [
        example "has a closed form where each unit alone decides on a class" (fun () ->
            let only unit = ClassEssence.keep 1 [| unit; (unit + 1) % 3; (unit + 2) % 3 |]

            let found = tallies [| only 0; only 1; only 2 |] truth "h" three seen

            // Unit 0 is 5, 3, 1, 0, 0, 2: class 0 beats the constant 0.5 - x wherever it is above 1/6.
            Expect.equal (counts (found[0].Of 0)) (2, 2, 0, 2) "class 0 by its unit"
            Expect.equal (counts (found[1].Of 1)) (2, 3, 0, 1) "class 1 by its unit"
            Expect.equal (counts (found[2].Of 2)) (2, 2, 0, 2) "class 2 by its unit"
            Expect.equal (counts (found[0].Of 1)) (0, 0, 2, 4) "another unit never predicts it"
            Expect.equal (counts (found[0].Of 3)) (0, 2, 0, 4) "the constant's class is left with the rest")

        example "of no unit is constant, and of all units is the network" (fun () ->
            let order = [| 0..2 |]

            let found =
                tallies
                    [|
                        ClassEssence.silence 3 order
                        ClassEssence.keep 0 order
                        ClassEssence.keep 3 order
                        ClassEssence.silence 0 order
                    |]
                    truth
                    "h"
                    three
                    seen

            for nothing in found[..1] do
                Expect.equal nothing.Predicted [| 0; 0; 0; 6 |] "the constant"

            for whole in found[2..] do
                Expect.equal whole.Predicted [| 2; 2; 2; 0 |] "predicted"
                Expect.equal whole.Both [| 2; 2; 2; 0 |] "rightly")

        law "equals plain loops for any set of units, before and after the ReLU, whatever the batch" (fun rng ->
            let net, model, images, x = case rng 0.
            let labels = images |> Array.map (fun _ -> int64 (rng.Next 4))
            let sets = Array.init 5 (fun _ -> subset rng net.B1.Length)

            for layer in [ "z"; "h" ] do
                for size in [ 1; 2; 7 ] do
                    let found = tallies sets labels layer (batching (Fixed size) model) x

                    for kept, tally in Array.zip sets found do
                        let predicted = images |> Array.map (twin net layer kept)

                        for k in 0..3 do
                            let among is truly =
                                Seq.zip predicted labels
                                |> Seq.filter (fun (p, y) -> (p = k) = is && (y = int64 k) = truly)
                                |> Seq.length

                            Expect.equal
                                (counts (tally.Of k))
                                (among true true, among true false, among false true, among false false)
                                $"class {k} at {layer}, {size} at a time")

        law "holds the paths around the layer fixed, and silences channels whole" (fun rng ->
            let model, step, last = ModelTests.residual rng
            let x = gaussian rng [ 4; 2; 3; 4 ]
            let kept = subset rng 2
            let left = tensor [ 1; 2; 1; 1 ] [ for k in kept -> if k then 1. else 0. ]
            let finish (t: Tensor) (r: Tensor) = (t * r).flatten(1L).matmul(last.t ())
            let r = (step x).relu()

            let byHand = [
                "r", (let z = r * left in finish ((step z + x).tanh()) z)
                "b", finish ((step r * left + x).tanh()) r
                "t", finish ((step r + x).tanh() * left) r
                "x",
                (let z = x * left in
                 let r = (step z).relu() in
                 finish ((step r + z).tanh()) r)
            ]

            for layer, logits in byHand do
                let predicted = Tensor.toArray<int64>(logits.argmax 1L)
                let found = (tallies [| kept |] predicted layer (batching (Fixed 3) model) x)[0]

                let expected = Array.init 3 (fun k -> predicted |> Seq.filter ((=) (int64 k)) |> Seq.length)

                Expect.equal found.Predicted expected layer
                Expect.equal found.Both expected $"{layer}, instance by instance")

        example "runs h once a batch, and tells of every pass" (fun () ->
            let runs, told = ref 0, ref 0

            let model = {
                (ofFunctions [
                    "h",
                    (fun x ->
                        runs.Value <- runs.Value + int x.shape[0]
                        x * 1.)
                    "s", id
                ]) with
                    Batching = Fixed 4
                    OnPass = fun n -> told.Value <- told.Value + n
            }

            // What finds the size of a batch runs the network once.
            Model.batchSize Forward model (Instances.ofTensor seen) |> ignore
            runs.Value <- 0

            tallies (Array.init 5 (fun k -> ClassEssence.keep k [| 0..2 |])) truth "h" model seen |> ignore

            Expect.equal runs.Value 6 "each instance once"
            Expect.equal told.Value (6 + 5 * 6) "h of all, and g of each set")

        testCase "leaves no tensor behind" (fun () ->
            let work () =
                tallies [| subset (Random 1) 3 |] truth "h" (batching (Fixed 4) three) seen |> ignore

                ClassEssence.importance
                    [| { Quantity = Quantity.ofClass 1; Distribution = fun row -> row > 1L } |]
                    Units.Auto
                    "h"
                    (batching (Fixed 4) three)
                    (Instances.ofTensor seen)
                |> ignore

            work ()
            Expect.equal (liveAfter work) 0L "live tensors")

        example "refuses sets and labels that do not fit" (fun () ->
            Expect.throwsT<ArgumentException>
                (fun () -> tallies [| [| true; false |] |] truth "h" three seen |> ignore)
                "two units of three"

            for labels in [ truth[..4]; [| 0L; 0L; 0L; 0L; 0L; 4L |]; [| 0L; 0L; 0L; 0L; 0L; -1L |] ] do
                Expect.throwsT<AttributionException>
                    (fun () -> tallies [| [| true; true; true |] |] labels "h" three seen |> ignore)
                    $"{labels}")
    ]

let private sets =
    testList "sets" [
        law "keeping and silencing the first k share the units between them" (fun rng ->
            let order = Array.init 9 id
            rng.Shuffle order
            let k = rng.Next 10
            let kept, left = ClassEssence.keep k order, ClassEssence.silence k order

            for unit in order do
                Expect.equal kept[unit] (Array.IndexOf(order, unit) < k) "the first k"
                Expect.equal left[unit] (not kept[unit]) "the rest")

        law "importance is the influence, and the mean value over the distribution, whatever the batch" (fun rng ->
            let model, _, _ = ModelTests.residual rng
            let x = gaussian rng [ 5; 2; 3; 4 ]
            let members = [| 0L; 3L; 4L |]

            let interests = [|
                { Quantity = Quantity.margin 0 2; Distribution = fun row -> Array.contains row members }
                { Quantity = Quantity.ofClass 1; Distribution = fun _ -> true }
            |]

            for units in [ Units.Auto; Units.ChannelMax; Units.Each ] do
                let model = batching (Fixed(rng.Next(1, 6))) model

                let found = ClassEssence.importance interests units "sum" model (Instances.ofTensor x)

                let values = Model.units units "sum" model x
                let own = values.index_select (0L, torch.tensor members)
                same (own.mean [| 0L |]) (vector found[0].Activation) $"activation, {units}"
                same (values.mean [| 0L |]) (vector found[1].Activation) $"activation of all, {units}"

                Influence.distributions Neighbourhood.Itself false interests units "sum" model (Instances.ofTensor x)
                |> Array.iter2 (fun f e -> same (e.flatten ()) (vector f.Influence) $"influence, {units}") found)
    ]

let private rates =
    testCase "recall, precision, accuracy and F1 are ratios of counts, and NaN where they are undefined" (fun () ->
        let confusion (tp, fp, fn, tn) = {
            TruePositives = tp
            FalsePositives = fp
            FalseNegatives = fn
            TrueNegatives = tn
        }

        let c = confusion (3, 1, 2, 4)
        Expect.equal (c.Recall, c.Precision, c.Accuracy) (0.6, 0.75, 0.7) "rates"
        Expect.floatClose Accuracy.veryHigh c.F1 (2. * 0.6 * 0.75 / (0.6 + 0.75)) "the harmonic mean"
        Expect.equal (counts (c + c)) (6, 2, 4, 8) "pooled"
        let never = confusion (0, 0, 2, 3)
        Expect.equal (never.Recall, never.Accuracy, never.F1) (0., 0.6, 0.) "never predicted"
        Expect.isTrue (Double.IsNaN never.Precision) "precision"
        let absent = confusion (0, 0, 0, 3)
        Expect.isTrue (Double.IsNaN absent.Recall && Double.IsNaN absent.F1) "neither there nor predicted")

let tests = testList "ClassEssence" [ masked; sets; rates ]
