module StudyTests

open System
open System.Diagnostics
open System.IO
open System.Text.RegularExpressions
open System.Threading
open Expecto
open SkiaSharp
open TorchSharp
open Attribution
open Support

let private rows folder =
    match File.ReadAllLines(folder </> "study.csv") |> List.ofArray with
    | header :: rows ->
        Expect.equal header "Idx,method,metric,score" "header"
        rows
    | [] -> failtest "an empty file"

/// The scores, as they are written.
let private scores folder = rows folder |> List.map (fun row -> (row.Split ',')[3])

let private progress folder = folder </> "study.progress"

/// The score that nothing is given by itself.
let private mark = "-4321"

/// Puts the mark in place of every score that was found.
let private markScores folder =
    File.ReadAllLines(progress folder)
    |> Array.mapi (fun i line ->
        if i = 0 || line.StartsWith "machine\t" then
            line
        else
            let at = line.LastIndexOf '\t'

            line[..at] + String.concat " " [ for _ in line[at + 1 ..].Split(' ')[1..] -> mark ] + " .")
    |> String.concat "\n"
    |> fun text -> File.WriteAllText(progress folder, text)

let private isMarked folder = scores folder |> List.contains mark

let private study (options: string) out = attribution $"study {options} --out {out}" |> ok

let private quick = "--methods saliency,guided-backpropagation --metrics sparseness"

let private picture (colour: SKColor) file =
    use bitmap = new SKBitmap(32, 32)
    bitmap.Erase colour
    bitmap.SetPixel(3, 4, SKColors.White)
    use data = bitmap.Encode(SKEncodedImageFormat.Png, 100)
    use stream = File.Create file
    data.SaveTo stream

let tests =
    testList "study" [
        example "writes the scores that 'evaluate' gives, what they make of the methods, and a figure" (fun folder ->
            let options =
                $"{tiny folder} --methods saliency integrated-gradients deconvolution --metrics average-drop sparseness --steps 5"

            let out = folder </> "out"
            let said = study options out
            Expect.equal (files out) [ "study.csv"; "study.json"; "study.png"; "study.progress" ] "files"

            attribution $"evaluate {options} --out {folder}/scores" |> ok |> ignore
            let expected = File.ReadAllLines(folder </> "scores/scores.csv")[1..]
            Expect.equal (rows out |> List.sort) (expected |> Array.sort |> List.ofArray) "evaluate's rows"

            use picture = SKBitmap.Decode(out </> "study.png")
            Expect.isTrue (picture.Width >= 600 && picture.Width <= 4000) $"{picture.Width} pixels wide"
            Expect.isTrue (picture.Height >= 100 && picture.Height <= 4000) $"{picture.Height} pixels high"

            let file = json (out </> "study.json")

            let unsound method =
                match file.GetProperty("maps").TryGetProperty(method: string) with
                | true, maps -> [
                    for state in maps.EnumerateObject() do
                        if state.Name <> "sound" then
                            yield! numbers state.Value
                  ]
                | _ -> []

            Expect.equal (file.GetProperty("metrics").GetArrayLength()) 2 "metrics"
            Expect.equal (file.GetProperty("rows").GetArrayLength()) 6 "a row for each metric and method"
            Expect.equal (file.GetProperty("pairs").GetArrayLength()) 6 "three pairs for each metric"

            for row in file.GetProperty("rows").EnumerateArray() do
                let text (name: string) = row.GetProperty(name).GetString()

                let own =
                    rows out
                    |> List.map _.Split(',')
                    |> List.filter (fun r -> r[1] = text "method" && r[2] = text "metric")
                    |> List.indexed
                    |> List.filter (fun (i, _) -> not (List.contains (float i) (unsound (text "method"))))
                    |> List.map snd
                    // A map that is empty has no sparseness.
                    |> List.filter (fun r -> r[3] <> "")
                    |> List.map (fun r -> float r[3])
                    |> List.sort

                Expect.equal (row.GetProperty("count").GetInt32()) own.Length "how many have a score"
                let median = row.GetProperty("median").GetProperty("value").GetDouble()
                close 1e-12 [ (own[(own.Length - 1) / 2] + own[own.Length / 2]) / 2. ] [ median ] "the median"
                Expect.stringContains said (text "method") "the table")

        example "compares all methods by the paper's four metrics where it is not told which" (fun folder ->
            let out = folder </> "out"

            study $"{tiny folder} --indices 0,1 --steps 2 --samples 2 --pixels-per-step 300" out |> ignore

            let column i = rows out |> List.map (fun row -> (row.Split ',')[i]) |> List.distinct

            let applies (name: string) = not (name.StartsWith "attention")
            Expect.equal (column 1) (Seq.filter applies StudyMethod.Names |> List.ofSeq) "methods"

            Expect.equal
                (column 2)
                [
                    "necessity-ordering"
                    "sufficiency-ordering"
                    "proportionality-necessity"
                    "proportionality-sufficiency"
                ]
                "metrics")

        example "uses what it found before, and adds what is missing" (fun folder ->
            let out = folder </> "out"
            let options = tiny folder
            study $"{options} {quick}" out |> ignore
            markScores out

            let said = study $"{options} --methods saliency,deconvolution --metrics sparseness,complexity" out

            Expect.stringContains said "Going on from 2 results" "it says so"

            attribution
                $"evaluate {options} --methods saliency,deconvolution --metrics sparseness,complexity --out {folder}/scores"
            |> ok
            |> ignore

            let expected =
                File.ReadAllLines(folder </> "scores/scores.csv")[1..]
                |> Array.map (fun row ->
                    if row.Contains "saliency,sparseness" then row[.. row.LastIndexOf ','] + mark else row)

            Expect.equal (rows out |> List.sort) (expected |> Array.sort |> List.ofArray) "rows")

        example "computes anew what was cut short, and keeps it from then on" (fun folder ->
            let out = folder </> "out"
            let options = $"{tiny folder} {quick}"
            study options out |> ignore
            let whole = rows out
            let found = File.ReadAllText(progress out)
            let last = found.LastIndexOf '\n'

            for length in [ last + 3; (last + found.Length) / 2; found.Length - 1; last; found.IndexOf '\n' ] do
                File.WriteAllText(progress out, found[.. length - 1])
                study options out |> ignore
                Expect.equal (rows out) whole $"the same scores after {length} of {found.Length} characters"
                Expect.stringContains (study options out) "Going on from 2 results" "nothing is missing any more"
                Expect.equal (rows out) whole "nor counted twice")

        example "does not use what was found with other settings, images or models" (fun folder ->
            let model, data, out = Tiny.vgg16 folder, Tiny.dataset folder, folder </> "out"
            let images = Directory.CreateDirectory(folder </> "images").FullName
            picture SKColors.Orange (images </> "a.png")
            picture SKColors.Teal (images </> "b.png")
            let ofData = $"--model {model} --dataset {data} {quick}"
            let ofImages = $"--model {model} --images {images} {quick}"

            for first, change, second in
                [
                    ofData, ignore, $"{ofData} --no-multiply"
                    ofData, ignore, $"{ofData} --pixels-per-step 7"
                    ofData, ignore, $"{ofData} --batch-size 3"
                    $"{ofData} --indices 1,2", ignore, $"{ofData} --indices 1,3"
                    ofData, (fun () -> Tiny.write data [ "X", torch.ones [| 10L; 32L; 32L; 3L |] ] |> ignore), ofData
                    ofData, (fun () -> Tiny.vgg16With (Array.create 4 400f) model |> ignore), ofData
                    ofImages, (fun () -> picture SKColors.Navy (images </> "b.png")), ofImages
                    ofImages, (fun () -> File.Move(images </> "b.png", images </> "c.png")), ofImages
                ] do
                study first out |> ignore
                markScores out
                study $"{first} --memory 16GB" out |> ignore
                Expect.isTrue (isMarked out) "what was found is used"
                change ()
                Expect.stringContains (study second out) "is not used" second
                Expect.isFalse (isMarked out) second)

        example "a method of empty maps wins nothing, before and after it goes on" (fun folder ->
            let out = folder </> "out"

            let options =
                $"--model {Tiny.withDeadUnit folder} --dataset {Tiny.dataset folder} --layer fc1 --metrics necessity-ordering"

            let others = "integrated-gradients,saliency"
            study $"{options} --methods {others}" (folder </> "others") |> ignore

            let rows folder = [
                for row in (json (folder </> "study.json")).GetProperty("rows").EnumerateArray() do
                    row.GetProperty("method").GetString(), row.GetRawText()
            ]

            for round in 1..2 do
                let said = study $"{options} --methods influence-directed,{others}" out
                let all = rows out
                Expect.equal (fst (List.last all)) "influence-directed" "it comes last"
                Expect.equal (List.truncate 2 all) (rows (folder </> "others")) "and changes nothing of the others"
                let own = (json (out </> "study.json")).GetProperty("rows")[2]
                Expect.equal (own.GetProperty("unsound").GetInt32()) 10 "maps"
                Expect.isFalse (own.GetProperty("is_ranked").GetBoolean()) "no rank"
                let closing = "The map of influence-directed is zero everywhere for 10 of 10 images"
                Expect.stringContains said closing $"run {round}"
                Expect.stringContains said "influence-directed takes no rank by necessity-ordering" $"run {round}"
                Expect.equal (said.Contains "Going on from 3 results") (round = 2) "goes on")

        example "a method that fails is named, and a later run tries it again" (fun folder ->
            let out = folder </> "out"

            let run () =
                attribution
                    $"study {Tiny.means folder} --methods saliency,lrp-epsilon --metrics sparseness --out {out}"
                |> fails

            for _ in 1..2 do
                Expect.stringStarts (run ()) "The method lrp-epsilon failed: " "which, and why"
                Expect.equal (files out) [ "study.csv"; "study.json"; "study.png"; "study.progress" ] "files"

            let said = study $"{Tiny.means folder} --metrics sparseness" (folder </> "all")
            Expect.stringContains said "The method lrp-epsilon is left out: " "of all methods"
            Expect.isFalse ((rows (folder </> "all") |> String.concat "").Contains "lrp-epsilon") "no rows")

        example "keeps scores that are undefined, and says so of them" (fun folder ->
            // Scores are negative, so that average drop is undefined.
            let model = Tiny.vgg16With (Array.create 4 -1e6f) (folder </> "low.npz")
            let out = folder </> "out"

            let options =
                $"--model {model} --dataset {Tiny.dataset folder} --methods saliency,deconvolution --metrics average-drop"

            for _ in 1..2 do
                study options out |> ignore
                Expect.allEqual (scores out) "" "no score"
                let row = (json (out </> "study.json")).GetProperty("rows")[0]
                Expect.equal (row.GetProperty("count").GetInt32()) 0 "no image")

        example "tells of adaptive steps where there were any to take" (fun folder ->
            let options =
                $"{tiny folder} --methods integrated-gradients --metrics sparseness --steps auto --tolerance 0.5"

            let out = folder </> "out"
            Expect.stringContains (study options out) "Integrated gradients took" "the steps"
            Expect.stringContains (study options out) "Going on from 1 results" "nothing is left to do")

        example "a run that is interrupted keeps what it found, for the next" (fun folder ->
            let count = 300L
            let out = folder </> "out"
            use generator = new torch.Generator(3UL)

            let data =
                Tiny.write (folder </> "many.npz") [
                    "X", torch.rand ([| count; 32L; 32L; 3L |], generator = generator) * 255.
                ]

            let options =
                $"--model {Tiny.vgg16 folder} --dataset {data} --methods saliency --pixels-per-step 1 --metrics sparseness"

            use running = start $"study {options},deletion --out {out}"
            let clock = Stopwatch.StartNew()

            while not (File.Exists(progress out)) && clock.Elapsed.TotalSeconds < 60. do
                Thread.Sleep 50

            Thread.Sleep 300
            use kill = Process.Start("kill", [ "-TERM"; string running.Id ])
            kill.WaitForExit()

            if not (running.WaitForExit 20000) then
                running.Kill()

            Expect.equal (finish running).Code 130 "exit code"
            Expect.equal (files out) [ "study.progress" ] "no half of a file"
            markScores out
            let said = study options out
            // By both metrics.
            let found = int (Regex.Match(said, "Going on from ([0-9]+) results").Groups[1].Value) / 2
            let parts = (int count + 31) / 32
            Expect.isTrue (found >= 1 && found < parts) $"{found} of {parts} parts were found"
            let scores = scores out
            Expect.allEqual (List.truncate (32 * found) scores) mark "what was found"

            Expect.hasLength (scores |> List.filter ((<>) mark)) (int count - 32 * found) "what was not")

        example "a study.progress that is no such file is answered or replaced" (fun folder ->
            let options = $"{tiny folder} {quick}"
            let taken = Directory.CreateDirectory(folder </> "taken/study.progress").FullName
            let told = attribution $"study {options} --out {folder}/taken" |> fails
            Expect.stringContains told taken "what is in the way"
            Expect.equal (files (folder </> "taken")) [ "study.progress" ] "no new file"

            let out = Directory.CreateDirectory(folder </> "noise").FullName
            let noise = Array.zeroCreate 5000
            Random(2).NextBytes noise
            File.WriteAllBytes(progress out, noise)
            Expect.stringContains (study options out) "is not used" "noise"

            let lines = File.ReadAllLines(progress out)

            for wrong in [ "1 2 ."; "a b ."; "."; " ."; "" ] do
                let line = lines[1]
                File.WriteAllLines(progress out, [ lines[0]; line[.. line.LastIndexOf '\t'] + wrong; "\t\t ."; "." ])
                study options out |> ignore
                Expect.equal (File.ReadAllLines(progress out) |> Array.last) (Array.last lines) $"after '{wrong}'")

        example "a run that fails leaves no file" (fun folder ->
            let told =
                attribution $"study {tiny folder} --methods grad-cam --map-layer fc1l --out {folder}/out" |> fails

            Expect.stringContains told "fc1l" "the layer"
            Expect.isFalse (Directory.Exists(folder </> "out")) "no folder")
    ]
