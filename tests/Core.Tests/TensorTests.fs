module TensorTests

open System
open Expecto
open TorchSharp
open Attribution
open Attribution.Core
open Support

let private scopes =
    testList "Scope" [
        testCase "run frees all but the result" (fun () ->
            use x = torch.ones 3
            let mutable kept = null

            let work () = kept <- Scope.run (fun () -> (x + 1.) * 2.)

            Expect.equal (liveAfter work) 1L "live tensors"
            Expect.equal (values kept) [| 4.; 4.; 4. |] "result"
            kept.Dispose())

        testCase "run hands back what it did not make, without owning it" (fun () ->
            use x = torch.ones 3
            Expect.isTrue (obj.ReferenceEquals(Scope.run (fun () -> x), x)) "the same tensor"
            Expect.equal (values x) [| 1.; 1.; 1. |] "still alive")

        testCase "runMany keeps each result, and one result twice" (fun () ->
            use x = torch.ones 3

            let work () =
                let results = Scope.runMany (fun () -> let y = x + 1. in [ y; y * 2.; y; x ])
                Expect.equal (results |> List.map (fun t -> (values t)[0])) [ 2.; 4.; 2.; 1. ] "results"
                results[0].Dispose()
                results[1].Dispose()

            Expect.equal (liveAfter work) 0L "live tensors")

        testCase "run frees what a failing function made" (fun () ->
            let work () =
                rejects<InvalidOperationException>
                    (fun () ->
                        Scope.run (fun () ->
                            torch.ones 3 |> ignore
                            invalidOp "no"))
                    "fails"

            Expect.equal (liveAfter work) 0L "live tensors")

        example "quietly records nothing" (fun () ->
            let x = (vector [ 1. ]).requires_grad_ true
            Expect.isFalse (Scope.quietly (fun () -> x * 2.)).requires_grad "inside"
            Expect.isTrue (x * 2.).requires_grad "after")
    ]

let private guards =
    testList "guards" [
        example "requireDims and requireShape name the argument, what it should be and what it is" (fun () ->
            let x = tensor [ 2; 3 ] [ 1..6 ]
            Tensor.requireDims "x" [ 2; 4 ] x
            Tensor.requireShape "x" [| 2L; 3L |] x

            let message work =
                try
                    work ()
                    failtest "accepted"
                with :? ArgumentException as e ->
                    e.Message

            let dims = message (fun () -> Tensor.requireDims "images" [ 3; 4 ] x)
            Expect.stringContains dims "images must have 3 or 4 dimensions, but has the shape [2; 3]" "requireDims"
            let shape = message (fun () -> Tensor.requireShape "labels" [| 3L |] x)
            Expect.stringContains shape "labels must have the shape [3], but has [2; 3]" "requireShape")

        example "pixels is the mean over the channels, and takes n×h×w as it is" (fun () ->
            let x = tensor [ 1; 2; 1; 2 ] [ 1; 2; 3; 6 ]
            same (tensor [ 1; 1; 2 ] [ 2; 4 ]) (Tensor.pixels x) "n×c×h×w"
            same x[0L] (Tensor.pixels x[0L]) "n×h×w"
            rejects<ArgumentException> (fun () -> Tensor.pixels x[0L, 0L]) "two dimensions")

        example "toArray reads in row-major order whatever the strides" (fun () ->
            let x = (tensor [ 2; 3 ] [ 1..6 ]).t()
            Expect.equal (Tensor.toArray<float> x) [| 1.; 4.; 2.; 5.; 3.; 6. |] "transposed")

        example "sumEach and likeInstances go instance by instance" (fun () ->
            let x = tensor [ 2; 3 ] [ 1..6 ]
            same (vector [ 6.; 15. ]) (Tensor.sumEach x) "sumEach"

            same
                (tensor [ 2; 3 ] [ 10; 20; 30; 400; 500; 600 ])
                (Tensor.likeInstances x (vector [ 10.; 100. ]) * x)
                "likeInstances")

        example "channelsLast keeps the numbers" (fun () ->
            let x = gaussian (Random 1) [ 2; 3; 4; 5 ]
            same x (Tensor.channelsLast x) "numbers"
            Expect.equal ((Tensor.channelsLast x).stride() |> List.ofSeq) [ 60L; 1L; 15L; 3L ] "strides")

        example "notFinite finds NaN and both infinities" (fun () ->
            let x = tensor [ 4; 2 ] [ 0; nan; 1; 2; infinity; 1; 3; -infinity ]
            Expect.equal (Tensor.notFinite x) [| 0L; 2L; 3L |] "positions")
    ]

let private batches =
    testList "Instances" [
        law "map gives the whole, in order, whatever the batch, and frees the rest" (fun rng ->
            let x = gaussian rng [ rng.Next(1, 9); 2 ]
            let size = rng.Next(1, 10)
            let mutable whole = null
            let doubled (b: Batch) = (b.X * 2.) + b.Rows.unsqueeze 1L
            let work () = whole <- inBatches size doubled x
            Expect.equal (liveAfter work) 1L "live tensors"
            same (x * 2. + torch.arange(x.shape[0]).unsqueeze 1L) whole "whole")

        testCase "map can hand back the instances themselves, which stay the caller's" (fun () ->
            use x = torch.ones (4, 2)
            use all = Instances.map 3 _.X (Instances.ofTensor x)

            let itself = {
                Count = 4
                Type = x.dtype
                Read = fun _ _ -> x
                Id = id
            }

            let whole = Instances.map 4 _.X itself
            Expect.equal (values all, values whole, values x) (values x, values x, values x) "alive")

        example "iter covers each instance once" (fun () ->
            let seen = ResizeArray<int64>()
            let x = gaussian (Random 1) [ 7; 2 ]

            Instances.ofTensor x |> Instances.iter 3 (fun b -> seen.AddRange(Tensor.toArray<int64> b.Rows))

            Expect.equal (List.ofSeq seen) [ 0L .. 6L ] "rows")

        testCase "an empty selection is the caller's mistake" (fun () ->
            let none = {
                Count = 0
                Type = torch.float32
                Read = fun _ _ -> failwith "read"
                Id = id
            }

            rejects<AttributionException> (fun () -> Instances.map 3 _.X none) "map"
            Expect.throwsT<AttributionException> (fun () -> Instances.iter 3 ignore none) "iter")

        law "tile covers every pair of an instance and a step once, in order" (fun rng ->
            let counts = Array.init (rng.Next(0, 5)) (fun _ -> int64 (rng.Next(0, 5)))
            let seen = ResizeArray<int64 * int64>()
            let size = rng.Next(1, 6)

            let work () =
                Instances.tile size counts torch.CPU (fun instance step ->
                    Expect.isLessThanOrEqual instance.shape[0] (int64 size) "size"
                    seen.AddRange(Array.zip (Tensor.toArray<int64> instance) (Tensor.toArray<int64> step)))

            Expect.equal (liveAfter work) 0L "live tensors"

            let expected = [
                for i in 0 .. counts.Length - 1 do
                    for k in 0L .. counts[i] - 1L -> int64 i, k
            ]

            Expect.equal (List.ofSeq seen) expected "pairs")
    ]

let tests = testList "Tensor" [ scopes; guards; batches ]
