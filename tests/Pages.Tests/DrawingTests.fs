module DrawingTests

open Expecto
open SkiaSharp
open TorchSharp
open Attribution.Pages

[<Tests>]
let tests =
    testList "Drawing" [
        testCase "pixels keep their colours, enlarged without smoothing" (fun () ->
            use _ = torch.NewDisposeScope()

            let square = torch.tensor([| 255uy; 0uy; 0uy; 0uy; 0uy; 255uy |]).reshape(1L, 2L, 3L)

            let png = Drawing.png 8f 4f (fun canvas -> Drawing.pixels canvas square (SKRect.Create(8f, 4f)))

            use bitmap = SKBitmap.Decode png.Png
            Expect.equal (bitmap.GetPixel(3, 3)) (SKColor(255uy, 0uy, 0uy)) "the left half is red"
            Expect.equal (bitmap.GetPixel(4, 0)) (SKColor(0uy, 0uy, 255uy)) "the right half is blue")

        testCase "a text that does not fit ends with an ellipsis inside its room" (fun () ->
            Drawing.png 200f 40f (fun canvas ->
                let width = Drawing.text canvas Drawing.ink 14f (0f, 20f) 60f "a sentence that is far too long"

                Expect.isLessThanOrEqual width 60f "it stays inside"
                Expect.isGreaterThan width 30f "and uses the room")
            |> ignore)
    ]
