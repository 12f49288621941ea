module ChartsTests

open System
open System.IO
open Expecto
open SkiaSharp
open TorchSharp
open Attribution
open Attribution.Pages
open Support

let private panel marks = { Title = ""; X = Charts.linear "" 0. 100.; Y = Charts.named [ "one" ]; Marks = marks }

/// A panel of 100 by 60 alone, at twice its size.
let private draw marks = SKBitmap.Decode((Charts.draw ("", "") [] 1 40f (SKSize(100f, 60f)) "" [ panel marks ]).Png)

// Where a number of 0 to 100 lies.
let private at (picture: SKBitmap) (x: float) = 2. * (40. + x)

let private blue = SKColor(0x00uy, 0x72uy, 0xb2uy)

/// A study of methods' scores by one metric, of maps that are 's'ound or 'e'mpty.
let private study (metric: string) (methods: (string * float list * string) list) =
    let scores = [|
        for name, scores, maps in methods ->
            MethodScores(
                name,
                metric,
                Array.ofList scores,
                Maps = MapStates [| for map in maps -> if map = 's' then MapState.Sound else MapState.Empty |]
            )
    |]

    let _, first, _ = methods.Head
    Study(ScoreTable([| for i in 1 .. first.Length -> $"image {i}" |], scores), [| AttributionMetric.Find metric |])

let tests =
    testList "Charts" [
        testCase "a box plot's lines lie at its numbers" (fun () ->
            let box = BoxPlot(10., 30., 50., 60., 90., [| 97. |])
            use picture = draw [ Charts.box Charts.palette[0] 0. box ]
            let median = picture.GetPixel(int (at picture 50.), 26 * 2 + 60)
            Expect.equal median Drawing.ink "the median's line is dark"
            let low, high = columnsOf blue picture
            isNear 2. low (at picture 10.) "the lower whisker's end"
            isNear 2. high (at picture 90.) "the upper whisker's end"
            // Inside the box, off the line of the whiskers.
            let inside x = picture.GetPixel(int (at picture x), 26 * 2 + 50)

            Expect.equal (inside 25., inside 65.) (SKColors.White, SKColors.White) "outside the quartiles is white"
            Expect.isTrue (inside 40. <> SKColors.White && inside 55. <> SKColors.White) "inside is not"
            let beyond = picture.GetPixel(int (at picture 97.), 26 * 2 + 60)
            Expect.isLessThan beyond.Red 0xe4uy "what lies beyond is a point")

        testCase "a curve goes through its points, and has a gap where one is not finite" (fun () ->
            let line = { Charts.stroke 0 with Marker = ScottPlot.MarkerShape.None }

            use picture = draw [ Charts.curve line [ 0., 0.2; 40., 0.2; 50., nan; 60., 0.2; 100., 0.2 ] ]

            let isDrawn x = seq { 52..171 } |> Seq.exists (fun y -> picture.GetPixel(int (at picture x), y) = blue)

            Expect.equal (List.map isDrawn [ 10.; 30.; 50.; 70.; 90. ]) [ true; true; false; true; true ] "where")

        testCase "the same figure has the same bytes" (fun () ->
            let bytes () =
                let strokes = [ for i in 0..4 -> $"curve {i}", Charts.stroke i ]

                let marks = [ for i, (_, s) in List.indexed strokes -> Charts.curve s [ 0., 0.; 100., float i / 8. ] ]

                (Charts.draw ("Title", "subtitle") strokes 2 40f (SKSize(100f, 60f)) "note" [ panel marks; panel [] ])
                    .Png

            Expect.equal (bytes ()) (bytes ()) "bytes")

        testCase "numbers on axes have as few decimals as they need, and a true minus" (fun () ->
            Expect.equal
                (List.map Charts.number [ 0.; 0.1 + 0.2; -3.; 1000.; 1e-6 ])
                [ "0"; "0.3"; "−3"; "1000"; "0.000001" ]
                "as texts")

        testCase "a logarithmic axis has its numbers at equal steps, off its ends" (fun () ->
            let axis = Charts.logarithmic "" [ 1; 10; 100 ]
            let places = axis.Ticks.Value |> List.map fst
            isNear 1e-12 (places[1] - places[0]) (places[2] - places[1]) "steps"
            Expect.isTrue (axis.From < places[0] && places[2] < axis.To) "ends"
            let alone = Charts.logarithmic "" [ 5 ]
            isNear 1e-12 (alone.From + alone.To) (2. * fst alone.Ticks.Value.Head) "one number is in the middle")

        testCase "an axis of one number has a length" (fun () ->
            let axis = Charts.linear "" 2. 2.
            Expect.equal (axis.From, axis.To) (2., 3.) "ends")

        inFolder "a study is drawn, also of maps that are not sound and of nothing" (fun folder ->
            let path = Path.Combine(folder, "s.png")

            let drawn (study: Study) =
                study.Draw(path, "of little")
                SKBitmap.Decode path

            use sound = drawn (study "complexity" [ "a", [ 1.; 2. ], "ss"; "b", [ 3.; 5. ], "ss" ])

            Expect.isTrue (has blue sound) "boxes"

            use unsound = drawn (study "complexity" [ "a", [ 1.; 2. ], "se"; "b", [ 0.; 0. ], "ee" ])

            Expect.isGreaterThan unsound.Width sound.Width "room for how many are sound"
            Expect.isGreaterThan unsound.Height sound.Height "and a line that says what they are"
            use nothing = drawn (study "complexity" [ "a", [ nan ], "s" ])
            Expect.isFalse (has blue nothing) "no box of no number")

        inFolder "the curves of class essence are drawn, a row of panels a class" (fun folder ->
            use _ = torch.NewDisposeScope()
            let path = Path.Combine(folder, "c.png")
            let x = torch.rand ([| 6L; 3L; 1L; 1L |])
            use images = ImageSet.FromTensor(x, [| 0L; 0L; 1L; 1L; 2L; 2L |])

            use model =
                Model.FromLayers(
                    struct ("h", Func<_, _>(fun (x: torch.Tensor) -> x.flatten 1L)),
                    struct ("logits", Func<_, _>(fun (x: torch.Tensor) -> x * 2.0.ToScalar()))
                )

            let essence = ClassEssence(model, "h", Units.Each)

            let drawn (classes: int list) =
                essence.Evaluate(essence.Rank(images, classes), images, [| 1; 3 |]).WritePicture(path, ClassNames.None)
                SKBitmap.Decode path

            use two = drawn [ 2; 0 ]
            use one = drawn [ 2 ]
            Expect.isGreaterThan two.Height one.Height "a row of panels a class"
            Expect.isTrue (has blue one && has SKColors.White one) "a curve on white")
    ]
