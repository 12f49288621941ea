module NumberTests

open System
open System.Runtime.CompilerServices
open Expecto
open TorchSharp
open Attribution.Core
open NumberAudit
open Support

/// What the audit must find.
type Careless =
    static member Product(x: Tensor) = 2. * x
    static member Sum(a: Tensor, b: Tensor) = a + b
    static member Bound(x: Tensor) = x.clamp_min 0.
    static member Truth(x: Tensor) = x.any().ToBoolean()
    static member Kept(x: Tensor) = x * Number.Of 2. - x

[<MethodImpl(MethodImplOptions.NoInlining)>]
let private made (value: float) = WeakReference(Number.Of value)

let private collect () =
    GC.Collect()
    GC.WaitForPendingFinalizers()

let tests =
    testList "Number" [
        example "every scalar that the core hands to TorchSharp is one that is kept" (fun () ->
            let careless = typeof<Careless>

            for name in [ "Product"; "Sum"; "Bound"; "Truth" ] do
                Expect.isNonEmpty (scalarsMadeIn (careless.GetMethod name)) $"the audit sees {name}"

            Expect.isEmpty (scalarsMadeIn (careless.GetMethod "Kept")) "kept numbers"

            Expect.isEmpty (scalarsMadeBy typeof<Number>.Assembly) "see Number")

        example "a number outlives collections until 4096 more were made" (fun () ->
            let number = made 3.
            collect ()
            Expect.isTrue number.IsAlive "at once"

            for i in 1..4095 do
                Number.Of(int64 i) |> ignore

            collect ()
            Expect.isTrue number.IsAlive "after 4095 more"
            Number.Of 0. |> ignore
            collect ()
            Expect.isFalse number.IsAlive "after 4096 more")
    ]
