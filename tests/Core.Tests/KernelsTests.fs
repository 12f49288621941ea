module KernelsTests

open System
open Expecto
open TorchSharp
open Attribution.Core
open Support

let private numbers rng (shape: int64[]) = gaussian rng (shape |> Array.map int |> List.ofArray)

/// A convolution of one to three dimensions, transposed or not, with what it is applied to.
let private random (rng: Random) (dtype: torch.ScalarType) =
    let dims = rng.Next(1, 4)
    let groups = rng.Next(1, 4)
    let inputs, outputs = groups * rng.Next(1, 4), groups * rng.Next(1, 4)
    let isTransposed = rng.Next 3 = 0
    let each f = Array.init dims (fun _ -> int64 (f ()))
    let kernel = each (fun () -> rng.Next(1, 4))
    let dilation = each (fun () -> rng.Next(1, 3))
    let padding = each (fun () -> rng.Next 3)
    let stride = each (fun () -> rng.Next(1, 4))
    let isLast = dims = 2 && rng.Next 2 = 0

    {
        Type = dtype
        IsLast = isLast
        IsTransposed = isTransposed
        X = [|
            int64 (rng.Next(1, 4))
            int64 inputs
            // Large enough for the kernel, whatever a transposed convolution's padding cuts off.
            yield! each (fun () -> rng.Next(6, 10))
        |]
        Weight = [|
            yield!
                if isTransposed then
                    [ int64 inputs; int64 (outputs / groups) ]
                else
                    [ int64 outputs; int64 (inputs / groups) ]
            yield! kernel
        |]
        Stride = stride
        Padding = padding
        Dilation = dilation
        Groups = int64 groups
    }

let private convolution (rng: Random) (case: ConvolutionCase) bias =
    let outputs = if case.IsTransposed then case.Weight[1] * case.Groups else case.Weight[0]

    {
        Weight = numbers rng case.Weight
        Bias = if bias then Some(numbers rng [| outputs |]) else None
        Stride = case.Stride
        Padding = case.Padding
        Dilation = case.Dilation
        Groups = case.Groups
    }

let tests =
    testList "Kernels" [
        law "all of a convolution's kernels compute the same, and the same gradient" (fun rng ->
            let case = random rng torch.float64
            let c = convolution rng case (rng.Next 2 = 0)
            let x = numbers rng case.X

            let found kernel =
                let y, pull = Autograd.alone (List.head >> Convolution.apply kernel case.IsTransposed c) [ x ]

                let w = torch.ones_like(y).cumsum(1L)
                y, (pull w).Head

            let y, gradient = found Kernel.Native

            for kernel in [ Kernel.Relaid; Kernel.Products ] do
                let y', gradient' = found kernel
                close 1e-12 y y' $"value by {kernel}"
                close 1e-12 gradient gradient' $"gradient by {kernel}")

        law "a case is what its text says" (fun rng ->
            let case = random rng torch.float32
            Expect.equal (ConvolutionCase.parse (string case)) case "the same")

        law "a trial finds right kernels right, in every shape" (fun rng ->
            let case = random rng torch.float32
            let apply = Convolution.apply Kernel.Products case.IsTransposed
            let error, _ = KernelTrial.run false apply case
            Expect.isLessThan error (KernelTrial.tolerance case) $"{case}")

        law
            "a trial notices one channel of one image that is wrong by 14 %, in the value or in the gradient alone"
            (fun rng ->
                let case = {
                    random rng torch.float32 with
                        X = [| 2L; 6L; 7L; 7L |]
                        Weight = [| 6L; 6L; 3L; 3L |]
                        Stride = [| 1L; 1L |]
                        Padding = [| 1L; 1L |]
                        Dilation = [| 1L; 1L |]
                        Groups = 1L
                }

                let right = Convolution.apply Kernel.Products case.IsTransposed

                let mask = torch.ones [| 2L; 6L; 1L; 1L |]
                mask[int64 (rng.Next 2), int64 (rng.Next 6)] <- torch.full ([| 1L; 1L |], 1.14.ToScalar())

                let inValue (c: Convolution) x = right c x * mask

                let inGradient (c: Convolution) (x: Tensor) =
                    // Its value is right, and its gradient that of a faulty one.
                    let faulty = right c (x * mask)
                    faulty + (right c x - faulty).detach()

                for apply in [ inValue; inGradient ] do
                    let error, _ = KernelTrial.run false apply case
                    Expect.isGreaterThan error (KernelTrial.tolerance case) "noticed")

        testCase "a probe that dies is followed by another" (fun () ->
            use probe = new KernelProbe(KernelProbe.Host)
            Expect.isTrue (probe.Start()) "a probe can be started"
            let case = random (Random 1) torch.float32
            // One group too many, which no kernel takes.
            let impossible = { case with Groups = case.Groups + 100L }

            Expect.equal (probe.Try(Kernel.Native, impossible)) Outcome.Died "it ends, twice"

            match probe.Try(Kernel.Products, case) with
            | Outcome.Ran(error, _) -> Expect.isLessThan error (KernelTrial.tolerance case) "the next one answers"
            | Outcome.Died -> failtest "the next one died")

        testCase "what a probe finds is known at once, by its kind too" (fun () ->
            use probe = new KernelProbe(KernelProbe.Host)
            let rng = Random()

            // An image larger than that of any other test, so that nobody has tried the case.
            let case = {
                random rng torch.float32 with
                    IsLast = false
                    IsTransposed = false
                    X = [| 1L; 3L; int64 (rng.Next(40, 400)); int64 (rng.Next(40, 400)) |]
                    Weight = [| 2L; 3L; 3L; 2L |]
                    Stride = [| 1L; 1L |]
                    Padding = [| 1L; 1L |]
                    Dilation = [| 1L; 1L |]
                    Groups = 1L
            }

            Expect.isTrue (Kernels.exploreBy probe [ string case ]) "it was tried"
            Expect.isTrue (Kernels.isTried case) "and is known"

            let isRight = Kernels.wrong () |> List.exists (fun (wrong, _) -> wrong = case) |> not

            Expect.equal (Kernels.isKindRight case) isRight "its kind is right if it is")

        testCase "where no probe can be started nothing is learnt, and no exception leaves" (fun () ->
            use probe = new KernelProbe("/nowhere/dotnet")

            let case = { random (Random 3) torch.float32 with Groups = 12345L }

            Expect.isFalse (probe.Start()) "it cannot be started"
            Expect.isFalse (Kernels.exploreBy probe [ string case ]) "nothing is tried"
            Expect.isFalse (Kernels.isTried case) "nor known")
    ]
