/// The command that tests concepts, and finds them.
module ConceptsTests

open System.IO
open Expecto
open SkiaSharp
open Support

/// Pictures of one colour each, in a folder.
let private pictures folder name count =
    Directory.CreateDirectory(folder </> name) |> ignore

    for i in 0 .. count - 1 do
        use bitmap = new SKBitmap(Tiny.size, Tiny.size)
        use canvas = new SKCanvas(bitmap)
        canvas.Clear(SKColor(byte (20 * i), byte (255 - 20 * i), byte (7 * i)))
        use data = bitmap.Encode(SKEncodedImageFormat.Png, 100)
        File.WriteAllBytes(folder </> name </> $"{i}.png", data.ToArray())

    $"{name}={folder </> name}"

let private isPicture (file: string) =
    use picture = SKBitmap.Decode file
    Expect.isTrue (picture.Width > 300 && picture.Height > 200) $"{file} is {picture.Width} by {picture.Height}"

let private run folder (line: string) written =
    let said = attribution $"concepts {line} --out {folder}/out" |> ok
    Expect.equal (files (folder </> "out")) (List.sort written) "files"

    written
    |> List.filter _.EndsWith(".png")
    |> List.iter (fun name -> isPicture (folder </> "out" </> name))

    said

let private tcav = [ "concepts.csv"; "concepts.json"; "concepts.png" ]
let private craft = [ "craft.csv"; "craft.json"; "craft.png"; "craft-maps.png" ]

let tests =
    testList "concepts" [
        example "with --demo a roof is significant for a car with one, and a hump is not" (fun folder ->
            let said = run folder "--demo --runs 8" tcav
            let rows = File.ReadAllLines(folder </> "out/concepts.csv") |> Array.map _.Split(',')
            let verdict name = (rows |> Array.find (fun row -> row[1] = name) |> Array.last)
            Expect.equal (verdict "roof", verdict "hump") ("True", "False") "significant"
            Expect.stringContains said "told apart" "the table")

        example "takes concepts and random images from folders, at several layers" (fun folder ->
            let concept = pictures folder "colours" 10
            let random = (pictures folder "random" 20).Split('=')[1]

            run
                folder
                $"{tiny folder} --concept {concept} --random {random} --layer pool4 --layer fc1 --quantity class:1 --runs 3"
                tcav
            |> ignore

            Expect.hasLength (File.ReadAllLines(folder </> "out/concepts.csv")) 3 "a row a layer")

        example "with --craft it finds concepts in crops" (fun folder ->
            let said = run folder $"{tiny folder} --craft --count 2 --layer conv3_1 --quantity class:1" craft
            Expect.stringContains said "CRAFT" "the table")

        for count, message in [ 3, "has 3 images"; 0, "" ] do
            example $"a concept of {count} images is refused in a sentence, and leaves no folder" (fun folder ->
                let concept = pictures folder "few" count

                let told =
                    attribution $"concepts {tiny folder} --concept {concept} --quantity class:1 --out {folder}/out"
                    |> fails

                Expect.stringContains told message "what is wrong"
                Expect.stringContains told "few" "which concept"
                Expect.isFalse (Directory.Exists(folder </> "out")) "no folder")
    ]
