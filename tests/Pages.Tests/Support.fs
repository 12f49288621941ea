module Support

open System
open System.IO
open Expecto
open SkiaSharp

/// A test with a folder of its own.
let inFolder name (test: string -> unit) =
    testCase name (fun () ->
        let folder = Directory.CreateTempSubdirectory "pages-"

        try
            test folder.FullName
        finally
            folder.Delete true)

let has (colour: SKColor) (picture: SKBitmap) = Array.contains colour picture.Pixels

/// How many columns of a picture have a pixel of a colour, from the first to the last of them.
let columnsOf (colour: SKColor) (picture: SKBitmap) =
    let columns = [
        for x in 0 .. picture.Width - 1 do
            if Seq.exists (fun y -> picture.GetPixel(x, y) = colour) (seq { 0 .. picture.Height - 1 }) then
                x
    ]

    List.min columns, List.max columns

let isNear (tolerance: float) (actual: float) (expected: float) what =
    Expect.isLessThan (abs (actual - expected)) tolerance $"{what}: {actual}, and not {expected}"
