module PictureTests

open System
open Expecto
open TorchSharp
open Attribution
open Attribution.Core
open Support

let private tiny = 1e-9

/// scipy.ndimage.gaussian_filter of a map of rows×columns, in plain loops.
let private blurred (sigma: float) rows columns (map: float[]) : float[] =
    let radius = int (4. * sigma + 0.5)
    let bell = [| for i in -radius .. radius -> exp (-(float i ** 2.) / (2. * sigma ** 2.)) |]
    let total = Array.sum bell

    let rec reflect size i : int =
        if i < 0 then reflect size (-1 - i)
        elif i >= size then reflect size (2 * size - 1 - i)
        else i

    let along at (map: float[]) =
        Array.init map.Length (fun p ->
            let row, column = p / columns, p % columns
            Seq.sum (seq { for k in -radius .. radius -> bell[k + radius] / total * (map[at row column k]: float) }))

    map
    |> along (fun row column k -> reflect rows (row + k) * columns + column)
    |> along (fun row column k -> row * columns + reflect columns (column + k))

let private byMaximum (map: float[]) =
    let largest = Array.max map
    map |> Array.map (fun v -> v / (largest + tiny))

/// The definition for one image (c×h×w) and its pixel attribution, as bytes h×w×c.
let private maskTwin normalise threshold blur background rows columns (map: float[]) (image: float[]) =
    let score = if normalise then byMaximum map else map

    let score = if blur > 0. then byMaximum (blurred blur rows columns score) else score

    let pixels = rows * columns

    let seen =
        image |> Array.mapi (fun i v -> v * (if score[i % pixels] > threshold then 1. else background))

    let largest = Array.max seen

    [|
        for p in 0 .. pixels - 1 do
            for c in 0 .. image.Length / pixels - 1 -> byte (255. * seen[c * pixels + p] / (largest + tiny))
    |]

let private bytes (t: Tensor) = Tensor.toArray<byte> t

let private clouds =
    testList "pointCloud" [
        law "equals its definition" (fun rng ->
            let n = rng.Next(1, 4)
            let maps = gaussian rng [ n; 3; 4; 5 ]
            let threshold = if rng.Next 2 = 0 then -infinity else rng.NextDouble() - 0.3

            let expected =
                values (maps.mean [| 1L |])
                |> Array.chunkBySize 20
                |> Array.collect (Array.map (fun v -> if v < threshold then 0. else v) >> byMaximum)

            let cloud = Picture.pointCloud threshold maps
            close 1e-6 (tensor [ n; 4; 5 ] expected) cloud "cloud"
            Expect.equal cloud.dtype torch.float32 "type")

        law "is idempotent and free of the scale, image by image" (fun rng ->
            let positive = (gaussian rng [ 3; 1; 5 ]).abs()
            let maps = torch.cat ([| positive; gaussian rng [ 3; 3; 5 ] |], 1L)
            let cloud = Picture.pointCloud 0. maps
            close 1e-6 cloud (Picture.pointCloud 0. cloud) "twice"
            let scales = tensor [ 3; 1; 1 ] [ 1; 1000; 0.01 ]
            close 1e-6 cloud (Picture.pointCloud 0. (maps * scales)) "scaled"
            let alone = Picture.pointCloud 0. (maps.narrow (0L, 1L, 1L))
            same (cloud.narrow (0L, 1L, 1L)) alone "alone")

        example "of nothing positive is zero, and the argument is not changed" (fun () ->
            let maps = tensor [ 1; 1; 2 ] [ -1; -2 ]
            same (torch.zeros (1, 1, 2)) (Picture.pointCloud 0. maps) "negative"
            same (torch.zeros (1, 1, 2)) (Picture.pointCloud 0. (torch.zeros (1, 1, 2))) "zero"
            same (tensor [ 1; 1; 2 ] [ -1; -2 ]) maps "argument"
            Expect.equal (liveAfter (fun () -> (Picture.pointCloud 0. maps).Dispose())) 0L "live tensors")
    ]

let private masks =
    testList "binaryMask" [
        law "equals its definition, with and without a blur" (fun rng ->
            let n = rng.Next(1, 3)
            let maps, x = gaussian rng [ n; 3; 4; 5 ], (gaussian rng [ n; 3; 4; 5 ]).abs() * 80.

            let normalise, threshold, background = rng.Next 2 = 0, rng.NextDouble(), rng.NextDouble() / 2.

            let blur = [| 0.; 0.3; 1.; 2.; 7.5 |][rng.Next 5]
            let maps = if normalise then maps else maps.abs ()

            let expected =
                Array.map2
                    (maskTwin normalise threshold blur background 4 5)
                    (values (maps.mean [| 1L |]) |> Array.chunkBySize 20)
                    (values x |> Array.chunkBySize 60)
                |> Array.concat

            let mask = Picture.binaryMask normalise threshold blur background maps x
            Expect.equal mask.shape [| int64 n; 4L; 5L; 3L |] "shape"

            // Truncation may part two values that rounding keeps a hair's breadth from each other.
            Array.iter2
                (fun (e: byte) (a: byte) -> Expect.isLessThanOrEqual (abs (int e - int a)) 1 "byte")
                expected
                (bytes mask))

        example "agrees with scipy's own filter" (fun () ->
            // gaussian_filter(numpy.arange(12.).reshape(3, 4) ** 2, 1.5), then / (max + 1e-9) > t.
            let map = tensor [ 1; 3; 4 ] [ for i in 0..11 -> float (i * i) ]
            let flat = blurred 1.5 3 4 (values map)

            let scipy = [
                23.1416897599724
                26.716840005836197
                31.942084483210607
                35.76642780710613
                34.14371032599367
                38.71297259028052
                45.34222621643931
                50.16068155875789
                45.37603787341139
                50.93941215612131
                58.97267493106447
                64.78524229180611
            ]

            Seq.iter2 (fun (e: float) (a: float) -> Expect.floatClose Accuracy.high a e "twin") scipy flat
            let largest = List.max scipy
            let x = torch.ones (1, 1, 3, 4) * 255.

            // Every place of the threshold between two of scipy's values shows which pixels lie above it.
            for threshold in List.pairwise (List.sort scipy) |> List.map (fun (a, b) -> (a + b) / 2. / largest) do
                let mask = Picture.binaryMask true threshold 1.5 0. map x

                let expected = scipy |> List.map (fun v -> if v / largest > threshold then 254uy else 0uy)

                Expect.equal (bytes mask |> List.ofArray) expected $"threshold {threshold}")

        law "is free of the attributions' scale and the image's, and masking twice changes nothing" (fun rng ->
            let maps, x = (gaussian rng [ 2; 3; 4; 5 ]).abs(), (gaussian rng [ 2; 3; 4; 5 ]).abs() * 80.

            let mask maps x = Picture.binaryMask true 0.2 0. 0. maps x

            Expect.equal (bytes (mask (maps * 7.) x)) (bytes (mask maps x)) "attributions scaled"
            Expect.equal (bytes (mask maps (x * 2.))) (bytes (mask maps x)) "image scaled"
            let again = (mask maps x).permute(0L, 3L, 1L, 2L).``to`` torch.float64
            let twice = bytes (mask maps again)

            Array.iter2
                (fun (a: byte) (b: byte) -> Expect.isLessThanOrEqual (abs (int a - int b)) 1 "byte")
                (bytes (mask maps x))
                twice)

        law "treats each image by itself" (fun rng ->
            let maps, x = gaussian rng [ 3; 3; 4; 5 ], (gaussian rng [ 3; 3; 4; 5 ]).abs()
            let whole = bytes (Picture.binaryMask true 0.2 1. 0.1 maps x)

            let alone i =
                let one (t: Tensor) = t.narrow (0L, i, 1L)
                bytes (Picture.binaryMask true 0.2 1. 0.1 (one maps) (one x))

            Expect.equal (Array.collect alone [| 0L; 1L; 2L |]) whole "alone")

        example "a black image stays black, and a blur wider than the image or close to none is sound" (fun () ->
            let maps, x = torch.ones (1, 2, 2), torch.ones (1, 3, 2, 2) * 255.
            Expect.equal (bytes (Picture.binaryMask true 0.2 0. 0.1 maps (x * 0.))) (Array.zeroCreate 12) "black"

            for blur in [ 1e-200; 1e-3; 100.; 1000. ] do
                Expect.equal
                    (bytes (Picture.binaryMask true 0.2 blur 0.1 maps x))
                    (Array.create 12 254uy)
                    $"blur {blur}")

        example "wrong shapes and blurs are ArgumentExceptions, and nothing is left behind" (fun () ->
            let maps, x = torch.ones (1, 2, 2), torch.ones (1, 3, 2, 2)

            for blur in [ -1.; nan; infinity; 1e9 ] do
                rejects<ArgumentException> (fun () -> Picture.binaryMask true 0.2 blur 0.1 maps x) $"blur {blur}"

            rejects<ArgumentException> (fun () -> Picture.binaryMask true 0.2 0. 0.1 (torch.ones (1, 2, 3)) x) "shape"
            rejects<AttributionException> (fun () -> Picture.binaryMask true 0.2 0. 0.1 (maps * nan) x) "NaN"

            let work () = (Picture.binaryMask true 0.2 1. 0.1 maps x).Dispose()

            Expect.equal (liveAfter work) 0L "live tensors")
    ]

/// The definition of a heat map's pixel: its share of the largest magnitude, and the grey below it (0-1).
let private heatTwin (share: float) (grey: float) =
    let strength = sqrt (min 1. (abs share))
    let ground = 255. * (0.68 + 0.32 * grey)

    (if share > 0. then [ 178.; 24.; 43. ] else [ 33.; 102.; 172. ])
    |> List.map (fun colour -> Math.Round((1. - strength) * ground + strength * colour))

let private heat =
    testList "heatMap" [
        law "equals its definition" (fun rng ->
            let n, channels = rng.Next(1, 3), [| 1; 3 |][rng.Next 2]
            let maps = gaussian rng [ n; 2; 3; 4 ]
            let x = gaussian rng [ n; channels; 3; 4 ] * 40.
            let shared = if rng.Next 2 = 0 then None else Some(3. * rng.NextDouble())
            let weights = if channels = 3 then [ 0.299; 0.587; 0.114 ] else [ 1. ]

            let expected =
                Array.map2
                    (fun map image ->
                        let magnitude = shared |> Option.defaultValue (map |> Array.map abs |> Array.max)

                        let luma =
                            Array.init 12 (fun p ->
                                weights |> List.mapi (fun c w -> w * Array.get image (12 * c + p)) |> List.sum)

                        let darkest, lightest = Array.min luma, Array.max luma

                        Array.map2
                            (fun a l -> heatTwin (a / magnitude) ((l - darkest) / (lightest - darkest)))
                            map
                            luma)
                    (values (maps.mean [| 1L |]) |> Array.chunkBySize 12)
                    (values x |> Array.chunkBySize (12 * channels))
                |> Seq.collect (Seq.collect id)
                |> Array.ofSeq

            let found = Picture.heatMap shared maps x
            Expect.equal found.shape [| int64 n; 3L; 4L; 3L |] "shape"

            Seq.iter2
                (fun (e: float) (a: byte) -> Expect.isLessThanOrEqual (abs (e - float a)) 1. "byte")
                expected
                (bytes found))

        example "of nothing is the image in light grey, and its scale goes from red over white to blue" (fun () ->
            let x = tensor [ 1; 1; 1; 2 ] [ 0; 255 ]
            let grey = Picture.heatMap None (torch.zeros (1, 1, 2)) x
            Expect.equal (bytes grey) [| 173uy; 173uy; 173uy; 255uy; 255uy; 255uy |] "grey"

            Expect.equal
                (bytes (Picture.heatScale 3))
                [| 178uy; 24uy; 43uy; 255uy; 255uy; 255uy; 33uy; 102uy; 172uy |]
                "scale"

            let work () =
                use _ = torch.NewDisposeScope()
                Picture.heatMap None (torch.ones (1, 1, 2)) x |> ignore

            Expect.equal (liveAfter work) 0L "live tensors")
    ]

let private scales =
    testList "scale" [
        law "maps of any size, from 1e-38 to 1e37, are drawn as of 1" (fun rng ->
            let maps = (gaussian rng [ 2; 3; 4; 5 ]).``to`` torch.float32
            let x = (gaussian rng [ 2; 3; 4; 5 ]).abs() * 80.
            let cloud = Picture.pointCloud 0. maps

            let mask maps = bytes (Picture.binaryMask true 0.2 0. 0.1 maps x)

            for size in [ 1e-38; 1e-30; 1e-12; 1e-9; 1e-6; 1.; 1e6; 1e30; 1e37 ] do
                let sized = (maps.``to`` torch.float64 * size).``to`` torch.float32
                close 1e-5 cloud (Picture.pointCloud 0. sized) $"cloud of {size}"

                let differ (a: byte[]) (b: byte[]) =
                    Array.map2 (fun (a: byte) (b: byte) -> abs (int a - int b) > 1) a b
                    |> Array.filter id
                    |> Array.length

                // A pixel at the threshold may fall to either side by float32's rounding.
                Expect.isLessThanOrEqual (differ (mask maps) (mask sized)) 3 $"mask of {size}"
                let heat (maps: Tensor) = bytes (Picture.heatMap None maps x)
                Expect.equal (differ (heat maps) (heat sized)) 0 $"heat map of {size}")

        law "a shared one is each map's share of it" (fun rng ->
            let maps = gaussian rng [ 3; 4; 5 ]
            let x = torch.ones (3, 3, 4, 5, torch.float64)
            let largest = maps.amax().item<float>()
            let cloud = Picture.pointCloudBy (Some largest) 0. maps
            close 1e-6 (maps.clamp_min (0.0.ToScalar()) / largest.ToScalar()) cloud "shares"

            let seen =
                bytes (Picture.binaryMaskBy (Some largest) true 0.2 0. 0. maps x)
                |> Array.chunkBySize 3
                |> Array.map (fun pixel -> pixel[0] > 0uy)

            Expect.equal seen (values maps |> Array.map (fun a -> a / largest > 0.2)) "seen")

        example "an image of which nothing is kept stays dim" (fun () ->
            let x = tensor [ 2; 1; 1; 2 ] [ 100; 200; 100; 200 ]
            let maps = tensor [ 2; 1; 2 ] [ -1; 0; 1; 0 ]

            for blur in [ 0.; 0.01 ] do
                let found = bytes (Picture.binaryMask true 0.2 blur 0.1 maps x)
                Expect.equal found[..1] [| 12uy; 25uy |] "nothing kept"
                Expect.equal found[2..] [| 254uy; 50uy |] "the darker one kept"

            Expect.equal
                (bytes (Picture.binaryMaskBy (Some 100.) true 0.2 0. 0.1 maps x))
                [| 12uy; 25uy; 12uy; 25uy |]
                "below the shared maximum's share")
    ]

let tests = testList "Picture" [ clouds; masks; heat; scales ]
