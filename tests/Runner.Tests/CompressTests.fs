module CompressTests

open System.IO
open Expecto
open Attribution
open Support

/// The rows of compress.csv after its header.
let private rows folder =
    match File.ReadAllLines(folder </> "compress.csv") |> List.ofArray with
    | header :: rows ->
        Expect.equal header "class,ranking,mode,k,recall,precision,accuracy,f1" "header"
        rows |> List.map (fun row -> row.Split ',' |> List.ofArray)
    | [] -> failtest "an empty file"

let private rankings = [ "influence"; "influence-magnitude"; "activation"; "random" ]

let tests =
    testList "compress" [
        example "writes every class's curves as the library draws them, and a picture" (fun folder ->
            let said = attribution $"compress {tiny folder} --layer fc1l --out {folder}/out" |> ok

            Expect.equal (files (folder </> "out")) [ "compress.csv"; "compress.json"; "compress.png" ] "files"

            use model = Model.LoadVgg16(folder </> "vgg16.npz")
            use images = ImageSet.LoadNpz(folder </> "data.npz")
            let essence = ClassEssence(model, "fc1l")
            let curves = essence.Evaluate(essence.Rank(images, [| 0; 1; 2 |]), images)
            Expect.sequenceEqual curves.Counts [ 1; 2; 5; 6 ] "every k"

            let number (value: float) =
                if System.Double.IsFinite value then
                    value.ToString("R", System.Globalization.CultureInfo.InvariantCulture)
                else
                    ""

            let expected = [
                for p in curves.Points ->
                    [
                        string p.Class
                        p.Ranking
                        "keep"
                        string p.Units
                        number p.Recall
                        number p.Precision
                        number p.Accuracy
                        number p.F1
                    ]
            ]

            Expect.equal (rows (folder </> "out")) expected "rows"
            Expect.stringContains said "units kept" "the table"
            Expect.stringContains said "whole-model" "what to compare with"

            let file = json (folder </> "out/compress.json")
            Expect.equal (file.GetProperty("layer").GetString()) "fc1l" "layer"
            Expect.equal (file.GetProperty("classes").GetArrayLength()) 3 "the classes that have images")

        example "keeps or silences as many channels as it is told, of the classes that it is told" (fun folder ->
            attribution
                $"compress {tiny folder} --layer conv4_2l --quantity class:2 --quantity class:0 --distribution all --keep 3,1 --silence --seed 4 --batch-size 3 --out {folder}/out"
            |> ok
            |> ignore

            let found = rows (folder </> "out")
            Expect.equal (found |> List.map List.head |> List.distinct) [ "2"; "0" ] "classes"
            Expect.allEqual (found |> List.map (fun row -> row[2])) "silence" "mode"

            for ranking in rankings do
                Expect.equal
                    (found |> List.filter (fun row -> row[0] = "2" && row[1] = ranking) |> List.map (fun row -> row[3]))
                    [ "1"; "3" ]
                    ranking

            use model = Model.LoadVgg16(folder </> "vgg16.npz")
            use images = ImageSet.LoadNpz(folder </> "data.npz")
            let essence = ClassEssence(model, "conv4_2l")
            let ranked = essence.Rank(images, [| 2; 0 |], [| 0; 1; 2 |], seed = 4)
            let curves = essence.Evaluate(ranked, images, [| 1; 3 |], silence = true)
            let file = folder </> "expected.csv"
            curves.WriteCsv file

            Expect.equal
                (File.ReadAllText(folder </> "out/compress.csv"))
                (File.ReadAllText file)
                "the same, whatever the batch"

            let json = json (folder </> "out/compress.json")
            Expect.equal (json.GetProperty("units").GetString()) "channel-sum" "units"
            Expect.equal (json.GetProperty("mode").GetString()) "silence" "mode")

        example "asks for what is missing or cannot be, and leaves nothing behind" (fun folder ->
            let model = $"--model {Tiny.vgg16 folder}"
            let data = $"--dataset {Tiny.dataset folder}"

            for options, words in
                [
                    $"--dataset {Tiny.unlabelled folder} --layer fc1l", [ "'Y'"; "true class" ]
                    $"{data} --layer fc9", [ "'fc9'"; "did you mean" ]
                    $"{data} --layer fc1l --keep 7", [ "6 units"; "not 7" ]
                    $"{data} --layer fc1l --keep 0", [ "not 0" ]
                    $"{data} --layer fc1l --quantity class:3", [ "class 3" ]
                    $"{data} --layer fc1l --quantity class:9", [ "class 9"; "4 classes" ]
                ] do
                let error = attribution $"compress {model} {options} --out {folder}/out" |> fails

                for word in words do
                    Expect.stringContains error word options

                Expect.isFalse (Directory.Exists(folder </> "out")) options)
    ]
