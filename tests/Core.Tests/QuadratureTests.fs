module QuadratureTests

open System
open Expecto
open Attribution.Core
open Support

let private integral rule n (f: float -> float) =
    Quadrature.nodes rule n |> Array.sumBy (fun (node, weight) -> weight * f node)

let private near expected actual message =
    Expect.floatClose { absolute = 1e-13; relative = 1e-12 } actual expected message

let tests =
    testList "Quadrature" [
        testCase "the weights of every rule sum to 1, and the nodes ascend in [0, 1]" (fun () ->
            for rule in [ RightHand; Midpoint; Trapezoid; GaussLegendre ] do
                for n in 2..64 do
                    let nodes = Quadrature.nodes rule n
                    Expect.equal nodes.Length n $"{rule} {n}"
                    near 1. (Array.sumBy snd nodes) $"{rule} {n}"
                    Expect.isAscending (Array.map fst nodes) $"{rule} {n}"
                    Expect.all nodes (fun (node, weight) -> node >= 0. && node <= 1. && weight > 0.) $"{rule} {n}")

        testCase "the rules are those of the definition" (fun () ->
            let rule = Quadrature.nodes
            Expect.equal (rule RightHand 4) [| 0.25, 0.25; 0.5, 0.25; 0.75, 0.25; 1., 0.25 |] "right-hand"
            Expect.equal (rule Midpoint 2) [| 0.25, 0.5; 0.75, 0.5 |] "midpoint"
            Expect.equal (rule Trapezoid 3) [| 0., 0.25; 0.5, 0.5; 1., 0.25 |] "trapezoid"
            Expect.equal (rule RightHand 1) [| 1., 1. |] "right-hand, one step"
            Expect.equal (rule GaussLegendre 1) [| 0.5, 1. |] "Gauss-Legendre, one step"
            let root = sqrt (3. / 5.)
            let expected = [ 0.5 - root / 2., 5. / 18.; 0.5, 8. / 18.; 0.5 + root / 2., 5. / 18. ]

            Seq.iter2
                (fun (node, weight) (node', weight') ->
                    near node node' "node"
                    near weight weight' "weight")
                expected
                (rule GaussLegendre 3))

        testCase "Gauss-Legendre with N nodes is exact up to degree 2N - 1, and no further" (fun () ->
            for n in 1..64 do
                for degree in 0 .. 2 * n - 1 do
                    near (1. / float (degree + 1)) (integral GaussLegendre n (fun x -> x ** float degree)) $"N {n}, degree {degree}"

            let square = integral GaussLegendre 1 (fun x -> x * x)
            Expect.isGreaterThan (abs (square - 1. / 3.)) 0.05 "one node, degree 2")

        testCase "midpoint and trapezoid are exact for straight lines, and right-hand tends to the integral" (fun () ->
            for n in 2..20 do
                near 2.5 (integral Midpoint n (fun x -> 3. * x + 1.)) "midpoint"
                near 2.5 (integral Trapezoid n (fun x -> 3. * x + 1.)) "trapezoid"
                near (2.5 + 1.5 / float n) (integral RightHand n (fun x -> 3. * x + 1.)) "right-hand")

        testCase "a thousand nodes of Gauss-Legendre are still sound" (fun () ->
            near (exp 1. - 1.) (integral GaussLegendre 1000 exp) "e - 1")

        testCase "too few steps are an ArgumentException" (fun () ->
            for rule, n in [ RightHand, 0; Midpoint, -1; Trapezoid, 1; GaussLegendre, 0 ] do
                Expect.throwsT<ArgumentException> (fun () -> Quadrature.nodes rule n |> ignore) $"{rule} {n}")
    ]
