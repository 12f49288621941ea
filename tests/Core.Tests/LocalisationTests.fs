module LocalisationTests

open System
open Attribution
open Attribution.Core
open Expecto
open TorchSharp
open Support

let private near (actual: Tensor) = Expect.floatClose Accuracy.high (actual.item<float>())

let private isUndefined (actual: Tensor) = Expect.isTrue (Double.IsNaN(actual.item<float>()))

/// A map of 2×2 pixels, row by row.
let private map values = tensor [ 1; 2; 2 ] values

let private mask (inside: bool list) = torch.tensor(Array.ofList inside).reshape(1L, 2L, 2L)

let tests =
    testList "Localisation" [
        example "the share inside counts positive attribution alone" (fun () ->
            let mask = mask [ true; true; false; false ]
            let shares = Localisation.shares mask
            near (shares (map [ 3.; -5.; 1.; -9. ])) 0.75 "share"
            isUndefined (shares (map [ 0.; -5.; 0.; -1. ])) "of nothing"
            near (Localisation.areas mask) 0.5 "area"
            near (shares (map [ 2.; 2.; 2.; 2. ])) 0.5 "a uniform map's")

        example "the largest pixel, the first on ties, hits or misses" (fun () ->
            let mask = mask [ true; false; false; true ]

            let hit rows = Localisation.hits Relaxation.Exact mask (map rows)

            Expect.equal ((hit [ 5.; 1.; 2.; 3. ]).item<float>()) 1. "inside"
            Expect.equal ((hit [ 1.; 5.; 2.; 5. ]).item<float>()) 0. "the first of two, outside"
            isUndefined (hit [ 0.; -1.; -2.; 0. ]) "none is positive")

        example "of as many of the largest pixels as the mask has, a share lies inside" (fun () ->
            let rank inside rows = Localisation.rankAccuracies Relaxation.Exact (mask inside) (map rows)

            let two = [ true; true; false; false ]
            near (rank two [ 3.; 2.; 1.; -9. ]) 1. "both"
            near (rank two [ 3.; 1.; 2.; -9. ]) 0.5 "one"
            near (rank two [ 1.; 2.; 2.; 3. ]) 0.5 "the first on ties"
            near (rank two [ 5.; 0.; 0.; 0. ]) 0.5 "0 points nowhere"
            isUndefined (rank two [ 0.; -1.; -2.; 0. ]) "none is positive"
            isUndefined (rank [ false; false; false; false ] [ 1.; 2.; 3.; 4. ]) "an empty mask")

        law "both accuracies of the largest pixels equal the plain twin" (fun rng ->
            let n = rng.Next(1, 6)
            let maps = gaussian rng [ n; 3; 4 ]
            let inside = Array.init (12 * n) (fun _ -> rng.Next 2 = 1)
            let masks = torch.tensor(inside).reshape(int64 n, 3L, 4L)

            let share k (map: float[]) (inside: bool[]) =
                let top =
                    [ 0..11 ]
                    |> List.filter (fun p -> map[p] > 0.)
                    |> List.sortBy (fun p -> -map[p])
                    |> List.truncate k

                if top.IsEmpty then
                    nan
                else
                    float (top |> List.filter (fun p -> inside[p]) |> List.length) / float k

            let maps', insides = values maps |> Array.chunkBySize 12, inside |> Array.chunkBySize 12

            let ofMask map inside = share (inside |> Array.filter id |> Array.length) map inside

            let k = rng.Next(1, 13)
            let text (scores: float[]) = scores |> Array.map (sprintf "%.9f")

            Expect.equal
                (text (values (Localisation.rankAccuracies Relaxation.Exact masks maps)))
                (text (Array.map2 ofMask maps' insides))
                "rank accuracy"

            Expect.equal
                (text (values (Localisation.topKIntersections Relaxation.Exact k masks maps)))
                (text (Array.map2 (share k) maps' insides))
                "top-k intersection")

        example "a margin takes in the pixels of a disc around each of the mask's" (fun () ->
            let mask = torch.zeros ([| 1L; 7L; 7L |], torch.bool)
            mask[0L, 3L, 3L] <- torch.tensor true
            let inside margin = (Localisation.widened margin mask).sum().item<int64>()

            Expect.equal
                [ for margin in [ 0.; 0.9; 1.; 1.4; 1.5; 2.; 3. ] -> inside margin ]
                [ 1; 1; 5; 5; 9; 13; 29 ]
                "pixels"

            Expect.equal (Localisation.margin 224L 100L) 15. "of 224 pixels"
            Expect.floatClose Accuracy.high (Localisation.margin 64L 112L) 7.5 "of half as many"
            let far = tensor [ 1; 7; 7 ] [ for p in 0..48 -> if p = 3 * 7 + 5 then 1. else 0. ]
            let hit margin = Localisation.hits Relaxation.Exact (Localisation.widened margin mask) far
            Expect.equal ((hit 1.9).item<float>(), (hit 2.).item<float>()) (0., 1.) "two pixels away")

        law "a widened mask is the plain twin's" (fun rng ->
            let height, width = rng.Next(1, 9), rng.Next(1, 9)
            let inside = Array.init (height * width) (fun _ -> rng.Next 8 = 0)
            let margin = 4. * rng.NextDouble()

            let isNear p =
                Seq.exists
                    (fun q ->
                        inside[q]
                        && float (pown (p / width - q / width) 2 + pown (p % width - q % width) 2) <= margin * margin)
                    (seq { 0 .. inside.Length - 1 })

            let found = Localisation.widened margin (torch.tensor(inside).reshape(1L, int64 height, int64 width))
            Expect.equal (Tensor.toArray<bool> found) (Array.init inside.Length isNear) "the pixels")

        example "the area under the curve is the share of pairs in the right order, half of a tie" (fun () ->
            let auc inside rows = Localisation.aucs Relaxation.Exact (mask inside) (map rows)
            let two = [ true; true; false; false ]
            near (auc two [ 3.; 2.; 1.; -9. ]) 1. "all"
            near (auc two [ -9.; 1.; 2.; 3. ]) 0. "none"
            near (auc two [ 1.; 1.; 1.; 1. ]) 0.5 "a constant map"
            near (auc two [ -1.; -3.; -2.; -2. ]) 0.5 "negative pixels are in an order too"
            near (auc two [ 2.; 1.; 1.; 0. ]) 0.875 "a tie counts half"
            isUndefined (auc [ true; true; true; true ] [ 1.; 2.; 3.; 4. ]) "all are inside"
            isUndefined (auc [ false; false; false; false ] [ 1.; 2.; 3.; 4. ]) "none is"
            let soft tau = Localisation.aucs (Relaxation.Soft tau) (mask two) (map [ 2.; 1.; 1.; 0. ])
            let sigma x = 1. / (1. + exp -x)
            near (soft 0.25) ((sigma 2. + sigma 4. + 0.5 + sigma 2.) / 4.) "softly: σ of each difference")

        law
            "the area under the curve is the plain twin's, of maps in any order, and 1 less it of the negative map"
            (fun rng ->
                let n = rng.Next(1, 6)
                // Whole numbers, so that some are equal.
                let maps = (gaussian rng [ n; 3; 4 ] * 2.).round()
                let inside = Array.init (12 * n) (fun _ -> rng.Next 3 = 0)
                let masks = torch.tensor(inside).reshape(int64 n, 3L, 4L)

                let pairs (map: float[]) (inside: bool[]) =
                    let pairs = [
                        for p in 0..11 do
                            for q in 0..11 do
                                if inside[p] && not inside[q] then
                                    if map[p] > map[q] then 1.
                                    elif map[p] = map[q] then 0.5
                                    else 0.
                    ]

                    if pairs.IsEmpty then nan else List.average pairs

                let expected = Array.map2 pairs (values maps |> Array.chunkBySize 12) (Array.chunkBySize 12 inside)
                same (vector expected) (Localisation.aucs Relaxation.Exact masks maps) "area"
                same (1. - vector expected) (Localisation.aucs Relaxation.Exact masks -maps) "of the negative")

        example "each row is its definition, of an instance's own mask, and says what it lacks" (fun () ->
            let rng = Random 3
            let maps = gaussian rng [ 3; 2; 20; 30 ]
            let masks = (gaussian rng [ 3; 20; 30 ]).gt(1.2.ToScalar())
            let row name = Metrics.all |> List.find (fun row -> row.Name = name)
            let model = ofFunctions [ "flat", fun x -> x.flatten 1L ]
            let target = Target.ofQuantity (Quantity.ofClass 0) model
            let ofIds (batch: Batch) = masks.index_select (0L, torch.tensor batch.Ids)
            let settings = { MetricSettings.standard with Masks = Some ofIds }
            let score name = (row name).Scores settings target maps (batch maps)
            let exact = Relaxation.Exact
            same (Localisation.shares masks maps) (score "relevance-mass") "mass"
            same (Localisation.rankAccuracies exact masks maps) (score "relevance-rank") "rank"
            // 600 · 1000 / 50176.
            same (Localisation.topKIntersections exact 11 masks maps) (score "top-k-intersection") "top 11"
            same (Localisation.aucs exact masks maps) (score "localisation-auc") "area"
            let near = Localisation.widened (15. * 30. / 224.) masks
            same (Localisation.hits exact near maps) (score "pointing-game") "hits"

            for row in Metrics.all do
                if row.NeedsMasks then
                    let asked masks () = row.Scores { settings with Masks = masks } target maps (batch maps)
                    rejects<AttributionException> (asked None) "no masks"
                    rejects<AttributionException> (asked (Some(ofIds >> _.``to``(torch.float32)))) "numbers"
                    rejects<AttributionException> (asked (Some(fun _ -> masks.narrow (1L, 0L, 10L)))) "another size"
                    rejects<AttributionException> (asked (Some(fun _ -> masks.narrow (0L, 0L, 2L)))) "too few"
                    let second = Batch.pick (torch.tensor [| 1L |]) (batch maps)
                    let one = row.Scores settings target second.X second
                    same ((score row.Name).narrow(0L, 1L, 1L)) one $"{row.Name}: by itself"

            Expect.equal (Metrics.all |> List.filter _.NeedsMasks |> List.length) 5 "five do")
    ]
