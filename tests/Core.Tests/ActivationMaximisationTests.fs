module ActivationMaximisationTests

open System
open Attribution
open Attribution.Core
open Expecto
open TorchSharp
open Support

let private ascent: Ascent = { Steps = 12; Rate = 0.1; Shift = 0.06; Zoom = 0.05; Turn = 5.; Peak = 255.; Seed = 3L }

/// A law of ascents, which take a while: of three draws.
let private climb name (check: Random -> unit) = example name (fun () -> Seq.iter (Random >> check) [ 1; 2; 3 ])

/// An ascent whose steps see the image as it is.
let private still = { ascent with Shift = 0.; Zoom = 0.; Turn = 0. }

/// t(x) = Σ w x.
let private linear (w: Tensor) =
    let f (x: Tensor) = (x * w).flatten(1L).sum(1L, true)
    Target.ofQuantity (Quantity.ofClass 0) (ofFunctions [ "f", f ])

let private blank (shape: int list) = batch (torch.zeros (shape |> List.map int64 |> Array.ofList, torch.float64))

/// Two convolutions with a bend between them.
let private network (rng: Random) channels =
    let w = gaussian rng [ 4; channels; 3; 3 ] * Number.Of 0.01
    let v = gaussian rng [ 3; 4; 3; 3 ]

    ofFunctions [
        "conv", (fun (x: Tensor) -> torch.nn.functional.conv2d (x, w, padding = [| 1L; 1L |]))
        "tanh", (fun (z: Tensor) -> z.tanh ())
        "scores", (fun (h: Tensor) -> torch.nn.functional.conv2d(h, v).mean [| 2L; 3L |])
    ]

let private correlation (a: Tensor) (b: Tensor) =
    let centred (t: Tensor) = t - t.mean ()
    let a, b = centred a, centred b
    (a * b).sum().item<float>() / (a.norm () * b.norm ()).item<float>()

/// The slow twin of sampling: one pixel at a time.
let private sampled (rows: float[]) (columns: float[]) height width (image: float[]) =
    let hold last place = max 0. (min (float last) place)

    Array.map2
        (fun row column ->
            let y, x = hold (height - 1) row, hold (width - 1) column
            let top, left = int (floor y), int (floor x)
            let bottom, right = min (height - 1) (top + 1), min (width - 1) (left + 1)
            let at r c = image[r * width + c]
            let down, along = y - float top, x - float left

            (1. - down) * ((1. - along) * at top left + along * at top right)
            + down * ((1. - along) * at bottom left + along * at bottom right))
        rows
        columns

let tests =
    testList "ActivationMaximisation" [
        climb "a linear unit wants to see its weights" (fun rng ->
            let channels = if rng.Next 2 = 0 then 1 else 3
            let w = gaussian rng [ channels; 8; 7 ]

            let found, values' =
                ActivationMaximisation.images { still with Steps = 40 } (linear w) (blank [ 2; channels; 8; 7 ])

            for i in 0L .. 1L do
                Expect.isGreaterThan (correlation w found[i]) 0.5 "along the weights"

            let values = values values' |> Array.chunkBySize 41

            for row in values do
                Expect.isGreaterThan (Array.last row) row[0] "and more of it")

        climb
            "its value is nearly that of the black and white image of its weights' signs where nothing is held back"
            (fun rng ->
                // Steps so long that the sigmoid has no more to give.
                let w = gaussian rng [ 1; 6; 6 ]

                let found, values' =
                    ActivationMaximisation.images
                        { still with Steps = 60; Rate = 100. }
                        (linear w)
                        (blank [ 1; 1; 6; 6 ])

                let best = (w.clamp_min(Number.Of 0.).sum() * Number.Of 255.).item<float>()
                Expect.isGreaterThan (Array.last (values values')) (0.85 * best) "nearly the best there is"
                Expect.isTrue (values found |> Array.forall (fun v -> v >= 0. && v <= 255.)) "from black to white")

        climb "no step leaves 0 to white, however long it is" (fun rng ->
            let target = Target.ofQuantity (Quantity.ofClass 1) (network rng 3)

            for rate in [ 0.05; 1e4 ] do
                for peak in [ 255.; 1. ] do
                    let found, _ =
                        ActivationMaximisation.images
                            { ascent with Rate = rate; Peak = peak; Steps = 5 }
                            target
                            (blank [ 2; 3; 9; 8 ])

                    Expect.equal found.shape [| 2L; 3L; 9L; 8L |] "the shape of the instances"

                    Expect.isTrue
                        (values found |> Array.forall (fun v -> v >= 0. && v <= peak))
                        $"rate {rate}, white {peak}")

        climb
            "the same seed finds the same image to the last bit, another seed another, and each draw its own"
            (fun rng ->
                let target = Target.ofQuantity (Quantity.ofClass 1) (network rng 3)

                let find seed shape =
                    ActivationMaximisation.images { ascent with Seed = seed } target (blank shape) |> fst |> values

                let shape = [ 2; 3; 9; 8 ]
                let first = find 3L shape
                Expect.equal (find 3L shape) first "again"
                Expect.notEqual (find 4L shape) first "another seed"
                Expect.notEqual first[.. 3 * 72 - 1] first[3 * 72 ..] "two draws"
                let alone = find 3L [ 1; 3; 9; 8 ]
                close 1e-9 (vector first[.. 3 * 72 - 1]) (vector alone) "a draw does not depend on others")

        climb "a unit is climbed at any layer" (fun rng ->
            let model = network rng 1

            for layer in [ "conv"; "tanh"; "scores" ] do
                for units in [ Units.Auto; Units.ChannelMax ] do
                    let target = Target.ofUnit units layer 2 model

                    let found, values' =
                        ActivationMaximisation.images { ascent with Steps = 15 } target (blank [ 1; 1; 9; 8 ])

                    let values = values values'
                    Expect.isGreaterThan (Array.last values) values[0] layer

                    same
                        (Target.score target (Target.explained target (batch found)) found)
                        (vector [ Array.last values ])
                        "its own value")

        climb "a target times a number wants the same image" (fun rng ->
            let w = gaussian rng [ 3; 6; 5 ]

            let find (factor: float) =
                ActivationMaximisation.images ascent (linear (w * Number.Of factor)) (blank [ 1; 3; 6; 5 ]) |> fst

            close 1e-9 (find 1.) (find 1024.) "times 1024")

        law "an image is that of its spectrum" (fun rng ->
            for channels, height, width in [ 1, 6, 6; 3, 5, 8; 3, 8, 7; 4, 1, 3 ] do
                for peak in [ 255.; 1. ] do
                    let x = (gaussian rng [ 2; channels; height; width ]).sigmoid() * Number.Of peak
                    let z = Spectrum.ofImage peak x
                    Expect.equal z.shape (Spectrum.shape x.shape) "numbers"
                    close 1e-9 x (Spectrum.image peak (int64 width) z) $"{channels} of {height} by {width}")

        law "the spectrum 0 is grey, and a wave's number is the amplitude of a wave" (fun rng ->
            let zeros = torch.zeros ([| 1L; 1L; 8L; 5L; 2L |], torch.float64)

            same
                (torch.full ([| 1L; 1L; 8L; 8L |], Number.Of 127.5, torch.float64))
                (Spectrum.image 255. 8L zeros)
                "grey"

            let row, column = rng.Next 4, rng.Next(1, 4)
            zeros[0L, 0L, int64 row, int64 column, 0L] <- torch.tensor (0.5, torch.float64)
            let frequency = sqrt (float (row * row + column * column)) / 8.

            let wave =
                Array.init 64 (fun i ->
                    let turn = 2. * Math.PI * float (row * (i / 8) + column * (i % 8)) / 8.
                    let field = 2. * 0.5 / frequency * cos turn / 8.
                    255. / (1. + exp -field))

            close 1e-9 (tensor [ 1; 1; 8; 8 ] wave) (Spectrum.image 255. 8L zeros) $"{row}, {column}")

        law "places between pixels are read by a bilinear mean, and beyond an edge is the edge" (fun rng ->
            let x = gaussian rng [ 2; 2; 5; 4 ]
            let places size = Tensor.shift (0.5 * float size) (gaussian rng [ 2; 3; 6 ] * Number.Of(float size))
            let rows, columns = places 5, places 4
            let found = ActivationMaximisation.sample rows columns x

            for i in 0L .. 1L do
                for c in 0L .. 1L do
                    let expected = sampled (values rows[i]) (values columns[i]) 5 4 (values x[i, c])
                    same (tensor [ 3; 6 ] expected) found[i, c] $"image {i}, channel {c}")

        law
            "a view by no chance is the image, a turn by 180 degrees is upside down, a move by whole pixels moves"
            (fun rng ->
                let x = gaussian rng [ 1; 2; 6; 5 ]
                let see (ascent: Ascent) chance = ActivationMaximisation.view ascent (tensor [ 1; 4 ] chance) x
                close 1e-9 x (see ascent [ 0.; 0.; 0.; 0. ]) "none"
                close 1e-9 (x.flip (2L, 3L)) (see { still with Turn = 180. } [ 0.; 0.; 0.; 1. ]) "upside down"
                let moved = see { still with Shift = 0.5 } [ 1. / 3.; 0.; 0.; 0. ]
                close 1e-9 (x.narrow (2L, 1L, 5L)) (moved.narrow (2L, 0L, 5L)) "up by a row")

        law "a view has the derivative that differences have, and a second one" (fun rng ->
            let x = gaussian rng [ 1; 1; 4; 3 ]
            let chance = (gaussian rng [ 1; 4 ]).clamp(Number.Of -1., Number.Of 1.)
            let see (x: Tensor) = ActivationMaximisation.view { ascent with Shift = 0.2; Turn = 30. } chance x
            let v = gaussian rng [ 1; 1; 4; 3 ]

            close
                1e-6
                (centralDifferences (see >> Tensor.square >> fun y -> y.sum ()) x)
                (Diff.grad (fun x -> (Tensor.square (see x)).sum()) x)
                "first"

            let product (x: Tensor) = Diff.hessianv (fun x -> ((see x).pow(Number.Of 3.)).sum()) x v
            let expected = Diff.numjacobianv 1e-5 (Diff.grad (fun x -> ((see x).pow(Number.Of 3.)).sum())) x v
            close 1e-5 expected (product x) "second")

        climb "what is found is connected to the weights" (fun rng ->
            let found (w: Tensor) =
                let target = linear w

                let images, _ =
                    ActivationMaximisation.images { ascent with Steps = 2; Rate = 0.3 } target (blank [ 1; 1; 3; 3 ])

                images.mean ()

            let w = gaussian rng [ 1; 3; 3 ]
            close 1e-4 (centralDifferences found w) (Diff.grad found w) "the derivative")

        example "a unit that is off everywhere stays where it is, and its values are 0" (fun () ->
            let f (x: Tensor) = (x.flatten(1L).sum(1L, true).neg()).relu()
            let target = Target.ofQuantity (Quantity.ofClass 0) (ofFunctions [ "f", f ])
            let found, values' = ActivationMaximisation.images ascent target (blank [ 1; 1; 5; 5 ])
            Expect.allEqual (values values') 0. "off"
            let start, _ = ActivationMaximisation.images { ascent with Steps = 1 } target (blank [ 1; 1; 5; 5 ])
            same start found "where it starts")

        example "leaves no tensor but the images and their values, and no derivative on them" (fun () ->
            let target = Target.ofQuantity (Quantity.ofClass 1) (network (Random 1) 3)
            let given = blank [ 2; 3; 6; 6 ]
            let run () = ActivationMaximisation.images { ascent with Steps = 3 } target given
            let found, values' = run ()
            Expect.isFalse (found.requires_grad || values'.requires_grad) "plain"

            let live =
                liveAfter (fun () ->
                    let found, values = run ()
                    found.Dispose()
                    values.Dispose())

            Expect.equal live 0L "no tensor more")

        example "refuses what is no image, and settings that make no sense" (fun () ->
            let target = linear (torch.ones (1L, 4L, 4L, torch.float64))
            let find ascent given () = ActivationMaximisation.images ascent target given |> fst
            let table = ofFunctions [ "f", (fun (x: Tensor) -> x.sum (1L, true)) ]
            let ofTable = Target.ofQuantity (Quantity.ofClass 0) table

            rejects<AttributionException>
                (fun () -> ActivationMaximisation.images ascent ofTable (blank [ 1; 4 ]) |> fst)
                "a table"

            let laid = Images.target [| 4L |] ofTable

            rejects<AttributionException>
                (fun () -> ActivationMaximisation.images ascent laid (blank [ 1; 1; 1; 4 ]) |> fst)
                "a table that is laid out"

            let image = blank [ 1; 1; 4; 4 ]

            for wrong in
                [
                    { ascent with Steps = 0 }
                    { ascent with Rate = 0. }
                    { ascent with Rate = nan }
                    { ascent with Shift = -0.1 }
                    { ascent with Zoom = 1. }
                    { ascent with Turn = 181. }
                ] do
                rejects<ArgumentException> (find wrong image) $"{wrong}")
    ]
