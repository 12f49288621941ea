module ProportionalityTests

open System
open Expecto
open TorchSharp
open Attribution.Core
open Support

let private changes = [ PixelChange.Remove; PixelChange.Insert ]

let private normalised (curves: PixelCurve list) =
    Proportionality.area (PixelCurves.normalised curves[0]) (PixelCurves.normalised curves[1])

/// The definition by plain loops, on every point of both curves in turn.
let private twin (down: PixelCurve) (up: PixelCurve) =
    let whole = down.Whole.item<float>()

    let s (curve: PixelCurve) = values curve.Scores |> Array.map (fun score -> score / whole)

    let p (curve: PixelCurve) =
        let sums = values curve.Attribution in sums |> Array.map (fun sum -> sum / Array.last sums)

    let at curve x =
        let p, s = p curve, s curve
        let mutable i = 0

        while i < p.Length - 2 && p[i + 1] < x do
            i <- i + 1

        s[i] + (s[i + 1] - s[i]) * (x - p[i]) / (p[i + 1] - p[i])

    if whole = 0. || down.Lengths = [| 1L |] then
        nan
    else
        let points = Set.ofSeq (Seq.append (p down) (p up)) |> Seq.toList
        let gap x = abs (at down x - at up x)

        points |> List.pairwise |> List.sumBy (fun (a, b) -> (b - a) * (gap a + gap b) / 2.)

let tests =
    testList "Proportionality" [
        law "equals the plain twin for every step, whatever the pass" (fun rng ->
            let mutable isFound = true

            // The twin's integral on the first call, of the twin's curves, against the core's on the core's.
            for change in changes do
                PixelCurvesTests.agreesWithTwin rng (Proportionality.paths change) (fun curves ->
                    let found = normalised curves

                    let expected = List.map2 twin (PixelCurvesTests.each curves[0]) (PixelCurvesTests.each curves[1])

                    for found, expected in Seq.zip (values found) expected do
                        isFound <-
                            isFound && (abs (found - expected) < 1e-10 || Double.IsNaN found && Double.IsNaN expected)

                    found)

            Expect.isTrue isFound "the integral of plain loops")

        law "is 0 where the impact is proportional to the attribution, for both orders and every step" (fun rng ->
            let n = 12
            let weights = Array.init n (fun _ -> rng.NextDouble() + 0.1)
            let x = Array.init n (fun _ -> rng.NextDouble() + 0.1)
            let w = tensor [ n; 1 ] weights
            let model = ofFunctions [ "linear", (fun x -> x.flatten(1L).matmul w) ]
            let target = Target.ofQuantity Quantity.predicted model
            let map = tensor [ 1; 3; 4 ] (Array.map2 (*) weights x)

            for change in changes do
                for step in [ 1; 5; 12 ] do
                    let curves =
                        PixelCurves.curves
                            Relaxation.Exact
                            (Proportionality.paths change step)
                            target
                            map
                            (batch (tensor [ 1; 1; 3; 4 ] x))

                    Expect.isLessThan (abs ((normalised curves).item<float>())) 1e-12 $"{change}, {step} pixels a step")

        example "two pixels whose attributions are swapped" (fun () ->
            // Necessity: ↓ is 1, 3/4, 0 at p = 0, 3/4, 1; ↑ is 1, 1/4, 0 at 0, 1/4, 1. The gap is 2/3 at 1/4 and at 3/4.
            for change in changes do
                let area score = PixelCurvesTests.scoreOfSum (Proportionality.paths change 1) score [ 1; 3 ] [ 3; 1 ]

                Expect.floatClose Accuracy.veryHigh (area normalised) 0.5 $"{change}"

                Expect.floatClose
                    Accuracy.veryHigh
                    (area (fun curves -> Proportionality.area curves[0] curves[1]))
                    2.
                    $"{change}, of the scores themselves")

        example "the gap counts where it changes its sign" (fun () ->
            // By the trapezoid rule from +1 at p = 0.25 to -1 at 0.75, not 0.
            let curve scores = PixelCurvesTests.curve [ 0.; 1.; 2.; 3. ] [ 0.; 1.; 3.; 4. ] scores 1.

            Expect.equal
                (values (Proportionality.area (curve [ 0.; 1.; 0.; 0. ]) (curve [ 0.; 0.; 1.; 0. ])))
                [| 0.75 |]
                "area")

        law "is the same for a map of another scale, and for scores of another scale" (fun rng ->
            let _, model, images, x = case rng 3.
            let maps = gaussian rng [ images.Length; 3; 4 ]

            let areas change (model: Model) (maps: Tensor) =
                PixelCurves.curves
                    Relaxation.Exact
                    (Proportionality.paths change 2)
                    (Target.ofQuantity (Quantity.ofClass 1) model)
                    maps
                    (batch x)
                |> normalised

            for change in changes do
                same (areas change model maps) (areas change model (maps * 8.)) "eight times the map"

                let louder = ofFunctions [ "louder", (fun x -> Model.logits model x * 4.) ]

                same (areas change model maps) (areas change louder maps) "four times the score")

        example "is NaN where nothing is positive or the whole scores nothing" (fun () ->
            for change in changes do
                let of' = PixelCurvesTests.scoreOfSum (Proportionality.paths change 1) normalised

                Expect.isTrue (Double.IsNaN(of' [ 0; -1 ] [ 3; 1 ])) "nothing positive"
                Expect.isTrue (Double.IsNaN(of' [ 2; 1 ] [ 3; -3 ])) "f(x) = 0"
                Expect.equal (of' [ 2; -1 ] [ 3; 1 ]) 0. "one positive pixel: no order"

                Expect.isFalse
                    (Double.IsNaN(of' [ 1e30; 1e-30; 1e-30 ] [ 1; 2; 3 ]))
                    "shares that no float64 tells from 0 and 1")
    ]
