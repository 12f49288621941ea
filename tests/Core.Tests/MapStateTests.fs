module MapStateTests

open System
open Attribution.Core
open Expecto
open TorchSharp
open Support

let private state (pixels: float list) = MapState.ofMaps (tensor [ 1; 1; pixels.Length ] pixels) |> Array.exactlyOne

let tests =
    testList "MapState" [
        testCase "says what a map is" (fun () ->
            use _ = torch.NewDisposeScope()

            for pixels, expected in
                [
                    [ 1.; 0.; -1. ], MapState.Sound
                    [ 0.; 0.; 1e-30 ], MapState.Sound
                    [ 5.; 5.; 5.1 ], MapState.Sound
                    [ 0.; 0.; 0. ], MapState.Empty
                    [ -0.; 0. ], MapState.Empty
                    [ 3.; 3. ], MapState.Constant
                    [ -3.; -3. ], MapState.Constant
                    [ 3.; 3.000001 ], MapState.Constant
                    [ 7. ], MapState.Constant
                    [ -1.; -2. ], MapState.NothingPositive
                    [ -1.; 0. ], MapState.NothingPositive
                    [ 1.; nan ], MapState.NotFinite
                    [ nan; nan ], MapState.NotFinite
                    [ infinity; 1. ], MapState.NotFinite
                    [ 0.; -infinity ], MapState.NotFinite
                ] do
                Expect.equal (state pixels) expected $"{pixels}")

        testCase "judges the mean over the channels, which is what metrics rank" (fun () ->
            use _ = torch.NewDisposeScope()
            // Two channels that take each other away, and one that outweighs the other.
            let maps = tensor [ 2; 2; 1; 2 ] [ 1.; 2.; -1.; -2.; 1.; 2.; -3.; -5. ]
            Expect.equal (MapState.ofMaps maps) [| MapState.Empty; MapState.NothingPositive |] "states"
            let infinite = tensor [ 1; 2; 1; 1 ] [ infinity; -infinity ]
            Expect.equal (MapState.ofMaps infinite) [| MapState.NotFinite |] "infinities of both signs")

        law "each map is judged alone, whatever its scale, order and neighbours" (fun rng ->
            let n = rng.Next(1, 150)

            let maps = [|
                for _ in 1..n ->
                    match rng.Next 5 with
                    | 0 -> Array.zeroCreate 6
                    | 1 -> Array.create 6 (rng.NextDouble() - 0.5)
                    | 2 -> Array.init 6 (fun _ -> -rng.NextDouble())
                    | 3 -> Array.init 6 (fun i -> if i = 2 then nan else rng.NextDouble())
                    | _ -> Array.init 6 (fun i -> float i - 2. + rng.NextDouble())
            |]

            let all (maps: float[][]) = MapState.ofMaps (tensor [ maps.Length; 2; 3 ] (Array.concat maps))

            let states = all maps
            let alone = maps |> Array.map (fun map -> (all [| map |])[0])
            Expect.equal states alone "alone"
            let scale = 10. ** float (rng.Next(-20, 20))
            Expect.equal (all (maps |> Array.map (Array.map ((*) scale)))) states $"times {scale}"
            Expect.equal (all (maps |> Array.map Array.rev)) states "backwards"

            for map, state in Array.zip maps states do
                Expect.equal (state = MapState.NotFinite) (Array.exists (Double.IsFinite >> not) map) "finite"

                if state = MapState.Sound then
                    Expect.isTrue (Array.max map > 0. && Array.min map < Array.max map) "sound")

        example "refuses what are no maps, and leaves nothing behind" (fun () ->
            Expect.throwsT<ArgumentException> (fun () -> MapState.ofMaps (torch.ones 3L) |> ignore) "a vector"
            let maps = torch.rand (70L, 3L, 4L, 4L)
            Expect.equal (liveAfter (fun () -> MapState.ofMaps maps |> ignore)) 0L "live tensors")
    ]
