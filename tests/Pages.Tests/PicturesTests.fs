module PicturesTests

open System
open System.Collections.Generic
open System.IO
open Expecto
open SkiaSharp
open TorchSharp
open Attribution
open Attribution.Pages
open Support

let private layer (f: torch.Tensor -> torch.Tensor) = Func<torch.Tensor, torch.Tensor> f

let private random seed (shape: int64[]) =
    use generator = new torch.Generator(uint64 seed)
    torch.randn (shape, generator = generator, dtype = torch.float64)

let private network () =
    let kernel, weights = random 1 [| 3L; 3L; 3L; 3L |], random 2 [| 4L; 48L |]

    Model.FromLayers(
        struct ("conv",
                layer (fun x -> torch.nn.functional.conv2d (x.``to`` torch.float64, kernel, padding = [| 1L; 1L |]))),
        struct ("flat", layer (fun x -> x.tanh().flatten 1L)),
        struct ("logits", layer (fun x -> x.matmul (weights.t ())))
    )

/// Nine images of 4×4, three of each of three classes.
let private images () =
    use generator = new torch.Generator 7UL

    let x = torch.randint(0L, 256L, [| 9L; 3L; 4L; 4L |], generator = generator).``to`` torch.float32

    ImageSet.FromTensor(x, [| 0L; 1L; 2L; 0L; 1L; 2L; 0L; 1L; 2L |])

/// What pixel (0, 0) of an image looks like.
let private corner (images: ImageSet) position =
    let pixel = images.Take([| position |]).Images().narrow(2L, 0L, 1L).narrow(3L, 0L, 1L)

    let rgb = pixel.reshape(3L).contiguous().data<float32>().ToArray() |> Array.map byte
    SKColor(rgb[0], rgb[1], rgb[2])

// The heat map's full colours, for and against.
let private full = [ SKColor(178uy, 24uy, 43uy); SKColor(33uy, 102uy, 172uy) ]

let private inScope name test =
    testCase name (fun () ->
        use _ = torch.NewDisposeScope()
        test ())

let private size path =
    use bitmap = SKBitmap.Decode(path: string)
    bitmap.Width, bitmap.Height

let tests =
    testList "Pictures" [
        inFolder "trials are drawn whatever is unknown of them, a panel a measure" (fun folder ->
            let trials = Trials([ "plain"; "other" ], [ "one"; "two"; "three"; "four" ], [ 1; 2 ])
            trials.Add("plain", 1, "one", 0.5)
            trials.Add("plain", 2, "one", 0.7)
            trials.Add("other", 1, "two", 1.)
            let path = Path.Combine(folder, "trials.png")
            trials.WritePicture(path, "Trials")
            let width, height = size path
            let three = Trials([ "plain"; "other" ], [ "one"; "two"; "three" ], [ 1; 2 ])
            three.WritePicture(path, "Trials")
            let narrow, low = size path
            Expect.equal narrow width "three panels stand side by side"
            Expect.isLessThan low height "and a fourth below")

        inFolder "a table of pictures has a tile for each, and room for what is said of it" (fun folder ->
            use _ = torch.NewDisposeScope()
            let images = PictureTable.Images(random 3 [| 2L; 3L; 4L; 4L |])
            let clouds = PictureTable.Clouds(random 4 [| 2L; 4L; 4L |])
            let path = Path.Combine(folder, "table.png")

            let write tiles =
                let group (title: string) : KeyValuePair<string, IReadOnlyList<PictureTile>> =
                    KeyValuePair(title, [| for tile in tiles -> tile () |])

                PictureTable.Write(path, "Maps", "of noise", 1, 60., [ group "first"; group "second" ])
                size path

            let image () = PictureTile(images[0L])
            let map () = PictureTile(clouds[0L], "a map", "of noise")
            let narrow, low = write [ image ]
            let wide, high = write [ image; map ]
            Expect.isLessThan narrow wide "a tile each"
            Expect.isLessThan low high "and two lines below")

        inFolder "interactions are drawn, whether there are any or none" (fun folder ->
            use _ = torch.NewDisposeScope()
            let path = Path.Combine(folder, "pairs.png")
            let pairs = random 5 [| 3L; 4L; 4L |]

            let draw (pairs: torch.Tensor) =
                InteractionPictures.Write(
                    path,
                    "Pairs",
                    "of noise",
                    3,
                    random 6 [| 3L; 3L; 8L; 8L |],
                    [| "a"; "b"; "c" |],
                    pairs,
                    1.
                )

                size path

            let drawn = draw (pairs + pairs.transpose (1L, 2L))
            Expect.equal (draw (torch.zeros_like pairs)) drawn "the same room")

        inScope "an expert's picture shows the images that it is most active on" (fun () ->
            use images = images ()

            let experts =
                ExpertSummary.FindAll(
                    network (),
                    [| "conv" |],
                    [|
                        ExpertQuestion(Quantity.Margin(0, 1), IsMargin = true)
                        ExpertQuestion(Quantity.Class 0, [| 2 |])
                    |],
                    images
                )

            let painter = ExpertPicture(network (), images, ClassNames.None)

            // Panels of 128 pixels, of which a pixel of the image takes 32.
            let isInput (picture: SKBitmap) column row (image: ActiveImage) =
                Expect.equal
                    (picture.GetPixel(20 + column * 562 + 1, 154 + row * 162))
                    (corner images image.Position)
                    $"column {column}, row {row}"

            use pair = SKBitmap.Decode(painter.Draw experts[0])

            for row in 0..5 do
                isInput pair 0 row experts[0].MostActive[row]
                isInput pair 1 row experts[0].Opposite.MostActive[row]

            use single = SKBitmap.Decode(painter.Draw experts[1])
            Expect.equal experts[1].MostActive.Count 3 "a class of three images"
            isInput single 0 0 experts[1].MostActive[0]
            isInput single 0 1 experts[1].MostActive[1]
            isInput single 1 0 experts[1].MostActive[2]

            // The unit's largest attribution has the full colour in one of its images.
            let heat = seq {
                for row in 0..5 do
                    for y in 0..3 do
                        for x in 0..3 -> pair.GetPixel(20 + 3 * 134 + 16 + x * 32, 154 + 16 + y * 32 + row * 162)
            }

            Expect.isTrue (heat |> Seq.exists (fun c -> List.contains c full)) "a shared scale")

        inScope "a dead expert sees nothing, and its picture says so by what is black and grey" (fun () ->
            use images = images ()

            let silent =
                Model.FromLayers(
                    struct ("silent", layer (fun x -> (x.``to`` torch.float64 - 1e6.ToScalar()).relu().flatten 1L)),
                    struct ("logits", layer (fun x -> x.narrow (1L, 0L, 4L)))
                )

            let dead = ExpertSummary.Find(silent, "silent", Quantity.Class 2, images)
            Expect.isTrue dead.IsDead "a unit that never fires"

            use empty = SKBitmap.Decode((ExpertPicture(silent, images, ClassNames.None)).Draw dead)

            let panel i = empty.GetPixel(20 + i * 134 + 1, 154)
            Expect.equal (panel 0) (corner images dead.MostActive[0].Position) "the input"
            Expect.equal (panel 1) SKColors.Black "what it sees"
            let dim = panel 2
            Expect.isTrue (dim.Red <= 25uy && dim.Green <= 25uy && dim.Blue <= 25uy) "the image through it"
            let grey = panel 3
            Expect.isTrue (grey.Red = grey.Green && grey.Red = grey.Blue) "nothing for or against")

        inScope "an explanation's picture has the input, cloud, mask and heat map side by side" (fun () ->
            let image = torch.zeros ([| 3L; 2L; 2L |])
            image[0L] <- torch.full ([| 2L; 2L |], 200.0.ToScalar())
            let map = torch.tensor([| 4f; 1f; 0f; -4f |]).reshape(2L, 2L)

            let draw (truth: Nullable<int64>) scale =
                let picture = ExplanationPicture("method", "settings", "image 0", ClassNames.None, 1L, truth, scale)

                SKBitmap.Decode(picture.Draw(image, map))

            use own = draw (Nullable 1L) null
            // A pixel of the image takes 112; panels are 224 wide and 12 apart.
            let pixel (picture: SKBitmap) panel x y =
                picture.GetPixel(20 + panel * 236 + 56 + x * 112, 120 + 56 + y * 112)

            Expect.equal (pixel own 0 1 0) (SKColor(200uy, 0uy, 0uy)) "the input"

            Expect.equal
                [ for x, y in [ 0, 0; 1, 0; 0, 1; 1, 1 ] -> (pixel own 1 x y).Red ]
                [ 255uy; 64uy; 0uy; 0uy ]
                "the cloud: 1, a quarter, nothing"

            Expect.isGreaterThan (pixel own 2 0 0).Red 250uy "what is kept has its colour"
            Expect.isLessThan (pixel own 2 0 1).Red 40uy "what is not is dim"
            Expect.equal [ pixel own 3 0 0; pixel own 3 1 1 ] full "for and against"
            use shared = draw (Nullable()) (MapScale(8., 8., 2))
            Expect.equal (pixel shared 1 0 0).Red 128uy "half of the maximum that maps share"
            use wrong = draw (Nullable 0L) null

            let hasRed picture = has (SKColor(0xa4uy, 0x0euy, 0x26uy)) picture

            Expect.isTrue (hasRed wrong && not (hasRed own || hasRed shared)) "only what is wrong is said in red")

        inScope "tiles lie in rows of groups, under a heading where there is one" (fun () ->
            let square (r: byte, g: byte, b: byte) = torch.tensor([| r; g; b |]).reshape(1L, 1L, 3L)

            let red, blue = square (255uy, 0uy, 0uy), square (0uy, 0uy, 255uy)
            let group tiles = "", List.map Tiles.bare tiles
            let bare = Tiles.draw None 1 10f [ group [ red; blue ]; group [ blue; red ] ]
            use picture = SKBitmap.Decode bare.Png
            // At twice the size: tiles of 20, 12 apart, rows 26 apart.
            Expect.equal (bare.Width, bare.Height) (52, 66) "size"

            Expect.equal
                [ for x, y in [ 1, 1; 33, 1; 1, 47; 33, 47 ] -> picture.GetPixel(x, y) ]
                [ SKColors.Red; SKColors.Blue; SKColors.Blue; SKColors.Red ]
                "where"

            let heading =
                Tiles.draw (Some("title", "subtitle")) 1 10f [ "", [ { Picture = red; Caption = [ "a"; "b" ] } ] ]

            Expect.isGreaterThan heading.Height (2 * (10 + 2 * 16)) "room for the heading and the captions")

        inScope "the overview has a column a pair: both classes, and the part in its colours alone" (fun () ->
            use scenes = ConceptScenes.Draw(2 * ConceptScenes.ClassNames.Count, 3)
            use twins = ConceptScenes.DrawTwins(scenes.Images.Count, 3)

            let truth = ReportTruth(scenes.ObjectMasks, scenes.PartMasks, ConceptScenes.Pairs)

            let known = KnownImages(scenes.Images, twins.Images, ClassNames.Of ConceptScenes.ClassNames, truth)

            use picture = SKBitmap.Decode (KnownPictures.overview known).Png
            // Scenes at five times their size; below each a caption of 32 lines, and 26 to the next.
            let at row y x = picture.GetPixel(5 * x + 2, row * (320 + 32 + 26) + 5 * y + 2)

            let first, twin = scenes.X[0L], twins.X[0L]

            let colour (scene: torch.Tensor) y x =
                let rgb = scene[int64 y, int64 x].contiguous().data<byte>().ToArray()
                SKColor(rgb[0], rgb[1], rgb[2])

            for y in 0..7..63 do
                for x in 0..7..63 do
                    Expect.equal (at 0 y x) (colour first y x) "the first class"
                    Expect.equal (at 1 y x) (colour twin y x) "the other"
                    let isPart = scenes.PartMasks[0L, int64 y, int64 x].ToBoolean()
                    let marked = at 2 y x

                    if isPart then
                        Expect.equal marked (colour first y x) "the part"
                    else
                        Expect.isTrue (marked.Red = marked.Green && marked.Green = marked.Blue) "the rest is grey")
    ]
