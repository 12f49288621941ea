/// What a reader of the guides has at hand.
[<RequireQualifiedAccess>]
module Reader

open System
open System.IO
open SkiaSharp
open Support

let private photo (seed: int) path =
    let random = Random seed
    use bitmap = new SKBitmap(48, 40)

    for y in 0 .. bitmap.Height - 1 do
        for x in 0 .. bitmap.Width - 1 do
            bitmap.SetPixel(x, y, SKColor(byte (random.Next 256), byte (4 * x), byte (4 * y)))

    use file = File.Create path
    bitmap.Encode(file, SKEncodedImageFormat.Png, 100) |> ignore

/// Writes a model and photos of the guides' names into a folder.
let files folder =
    File.Move(Tiny.onnx [] folder, folder </> "resnet18.onnx")
    let photos = Directory.CreateDirectory(folder </> "photos").FullName
    photo 1 (photos </> "a.png")
    photo 2 (photos </> "b.png")
