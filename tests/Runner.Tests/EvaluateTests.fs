module EvaluateTests

open System.Globalization
open System.IO
open Expecto
open TorchSharp
open Attribution
open Support

let private all =
    "--methods saliency,integrated-gradients,influence-directed --metrics average-drop,necessity-ordering"

let private rows file = File.ReadAllLines file |> Array.map _.Split(',')

let private score (file: string) (method: string) (metric: string) = (json file).GetProperty(method).GetProperty(metric)

let tests =
    testList "evaluate" [
        example "writes a score for each image, method and metric, and prints their table" (fun folder ->
            let out = folder </> "out"

            let said = attribution $"evaluate {tiny folder} {all} --steps 5 --pixels-per-step 200 --out {out}" |> ok

            Expect.equal (files out) [ "scores.csv"; "scores.json" ] "files"

            let rows = rows (out </> "scores.csv")
            Expect.equal rows[0] [| "Idx"; "method"; "metric"; "score" |] "header"
            Expect.hasLength rows (1 + 10 * 3 * 2) "one row an image, method and metric"

            let ofSaliency = rows |> Array.filter (fun r -> r[1] = "saliency" && r[2] = "average-drop")

            Expect.equal (ofSaliency |> Array.map (fun r -> int64 r[0])) Tiny.ids "Idx"

            for method in [ "saliency"; "integrated-gradients"; "influence-directed" ] do
                for metric in [ "average-drop"; "necessity-ordering" ] do
                    let entry = score (out </> "scores.json") method metric
                    let each = numbers (entry.GetProperty "per_instance")

                    let csv =
                        rows
                        |> Array.filter (fun r -> r[1] = method && r[2] = metric)
                        |> Array.map (fun r -> float r[3])

                    close 0. csv each "json and csv"
                    close 1e-12 [ List.average each ] [ entry.GetProperty("score").GetDouble() ] "the mean"
                    Expect.equal (entry.GetProperty("skipped").GetArrayLength()) 0 "nothing is skipped"

                    let printed =
                        entry.GetProperty("score").GetDouble().ToString("0.000", CultureInfo.InvariantCulture)

                    Expect.stringContains said printed "the table")

        example "gives the façade's scores" (fun folder ->
            attribution $"evaluate {tiny folder} {all} --layer fc1l --steps 5 --pixels-per-step 100 --out {folder}/out"
            |> ok
            |> ignore

            use model = Model.LoadVgg16(folder </> "vgg16.npz")
            use images = ImageSet.LoadNpz(folder </> "data.npz")
            let influence = InflDirected(model, "fc1l", Quantity.Predicted)

            for method, maps in
                [
                    "saliency", SaliencyMap(model).Attribute images
                    "integrated-gradients", IntegratedGrad(model).Attribute(images, numSteps = 5)
                    "influence-directed", influence.ExpertAttribution(influence.DisInfluence images, images)
                ] do
                let written metric =
                    numbers ((score (folder </> "out/scores.json") method metric).GetProperty "per_instance")

                close
                    1e-5
                    (AverageDrop(model).Evaluate(maps, images).Drops)
                    (written "average-drop")
                    $"average drop of {method}"

                close
                    1e-5
                    (N_Ord(model, pixelsPerStep = 100).Evaluate(maps, images))
                    (written "necessity-ordering")
                    $"necessity ordering of {method}")

        example "leaves out images whose score is not positive where it is asked to, and lists them" (fun folder ->
            // Class 0 alone has positive scores.
            let model = Tiny.vgg16With [| 500f; -1000f; -1000f; -1000f |] (folder </> "lifted.npz")

            let data = Tiny.dataset folder

            let options =
                $"--model {model} --dataset {data} --methods saliency --metrics average-drop --out {folder}/out"

            attribution $"evaluate {options} --quantity class:0" |> ok |> ignore

            Expect.equal
                (fails (attribution $"evaluate {options} --quantity class:1 --skip-non-positive"))
                "Average drop is undefined: no image has a positive score.\n"
                "none is left"

            use vgg = Model.LoadVgg16(Tiny.vgg16With (Array.zeroCreate 4) (folder </> "unlifted.npz"))

            use images = ImageSet.LoadNpz data
            let scores = vgg.Logits(images).select(1L, 0L).data<float32>().ToArray()
            let middle = -(Array.sort scores)[5] - 1e-3f
            let model = Tiny.vgg16With [| middle; 0f; 0f; 0f |] (folder </> "half.npz")

            let expected = [
                for i in 0..9 do
                    if scores[i] + middle <= 0f then
                        i
            ]

            Expect.isTrue (expected.Length > 0 && expected.Length < 10) "some scores are positive"

            let said =
                attribution
                    $"evaluate --model {model} --dataset {data} --methods saliency --metrics average-drop --quantity class:0 --skip-non-positive --out {folder}/half"
                |> ok

            let entry = score (folder </> "half/scores.json") "saliency" "average-drop"
            Expect.equal [ for i in entry.GetProperty("skipped").EnumerateArray() -> i.GetInt32() ] expected "skipped"

            let known = numbers (entry.GetProperty "per_instance") |> List.filter (System.Double.IsNaN >> not)

            Expect.hasLength known (10 - expected.Length) "the others have a score"
            let empty = rows (folder </> "half/scores.csv") |> Array.filter (fun r -> r[3] = "")
            Expect.hasLength empty expected.Length "rows without a score"
            Expect.stringContains said $"(n = {10 - expected.Length})" "the table")

        example "prints more than five metrics of few methods down the page, and others across" (fun folder ->
            let metrics = [
                "sparseness"
                "complexity"
                "effective-complexity"
                "average-drop"
                "average-increase"
                "average-gain"
            ]

            let table count methods =
                let metrics = metrics |> List.truncate count |> String.concat ","

                let said =
                    attribution $"evaluate {tiny folder} --methods {methods} --metrics {metrics} --out {folder}/out"
                    |> ok

                [
                    for line in said.Split '\n' do
                        if line.StartsWith '│' then
                            [ for cell in line.Split('│')[1..] -> cell.Trim() ] |> List.filter ((<>) "")
                ]

            let titles = [
                for name in metrics ->
                    let metric = AttributionMetric.Find name
                    let arrow = if metric.Better = Better.Lower then "↓" else "↑"
                    $"{metric.Title} {arrow}"
            ]

            let down = table 6 "saliency,deconvolution"
            Expect.equal down.Head [ "method"; "saliency"; "deconvolution" ] "methods across"
            // Some of these maps are empty, which stands last.
            Expect.equal (down.Tail |> List.map List.head) (titles @ [ "maps" ]) "metrics down"
            let across = table 5 "saliency,deconvolution"
            Expect.equal across.Head ("method" :: List.truncate 5 titles @ [ "maps" ]) "metrics across"
            Expect.equal (across.Tail |> List.map List.head) [ "saliency"; "deconvolution" ] "methods down"

            // The same cells, the other way round.
            let metricsOf = List.map (List.truncate 6)
            Expect.equal (List.transpose down |> metricsOf) (metricsOf across) "cells")

        example "quotes names that hold a comma in scores.csv" (fun folder ->
            let table =
                ScoreTable(
                    [| "a,b.png"; "say \"x\"" |],
                    [| MethodScores("saliency", "average-drop", [| 1.5; nan |]) |]
                )

            table.WriteCsv(folder </> "scores.csv")

            Expect.equal
                (File.ReadAllText(folder </> "scores.csv"))
                "Idx,method,metric,score\n\"a,b.png\",saliency,average-drop,1.5\n\"say \"\"x\"\"\",saliency,average-drop,\n"
                "rows")

        testCase "means and standard errors are those of the scores that are known" (fun () ->
            let scores = MethodScores("m", "a", [| 1.; nan; 2.; 6. |])
            Expect.equal scores.Count 3 "count"
            Expect.floatClose Accuracy.high scores.Score 3. "mean"
            // Deviations -2, -1, 3: s² = 14/2, so s/√3 = √(7/3).
            Expect.floatClose Accuracy.high scores.StandardError (sqrt (7. / 3.)) "standard error"
            Expect.sequenceEqual scores.Skipped [ 1 ] "skipped")

        example "an empty map keeps its score by definition, is named, and is in no mean" (fun folder ->
            let options =
                $"--model {Tiny.withDeadUnit folder} --dataset {Tiny.dataset folder} --layer fc1 --methods saliency,influence-directed"

            let said =
                attribution $"evaluate {options} --metrics necessity-ordering,average-increase --out {folder}/out"
                |> ok

            let line = said.Split '\n' |> Array.find _.Contains("│ influence-directed")
            Expect.stringContains line "0.000 (no sound map)" "the cell"
            Expect.stringContains line "10 of 10 zero everywhere" "the maps"

            Expect.stringContains
                said
                "The map of influence-directed is zero everywhere for 10 of 10 images: what these maps score stands in the files"
                "the closing line"

            let entry = score (folder </> "out/scores.json") "influence-directed" "necessity-ordering"

            Expect.equal (entry.GetProperty("score").GetDouble()) 0. "by definition"
            Expect.allEqual (numbers (entry.GetProperty "per_instance")) 0. "each"
            Expect.isFalse (fst (entry.TryGetProperty "sound_score")) "no mean of sound maps"
            let maps = entry.GetProperty "maps"
            Expect.equal (maps.GetProperty("sound").GetInt32()) 0 "sound"
            Expect.equal (numbers (maps.GetProperty "empty")) [ 0. .. 9. ] "which are empty"

            let own =
                rows (folder </> "out/scores.csv")
                |> Array.filter (fun r -> r[1] = "influence-directed" && r[2] = "necessity-ordering")

            Expect.hasLength own 10 "rows"
            Expect.allEqual (own |> Array.map (fun r -> float r[3])) 0. "scores.csv")

        example "a method's scores do not depend on the methods beside it" (fun folder ->
            let written methods =
                attribution
                    $"evaluate {tiny folder} --indices 0,3 --methods {methods} --metrics infidelity,completeness-gap,sparseness --baseline white --steps 3 --out {folder}/out"
                |> ok
                |> ignore

                rows (folder </> "out/scores.csv") |> Array.skip 1 |> List.ofArray

            let names = [ "saliency"; "occlusion"; "integrated-gradients" ]
            let alone = names |> List.collect written

            for names in [ names; List.rev names ] do
                let together = written (String.concat "," names)

                for row in alone do
                    let same = together |> List.find (fun other -> other[..2] = row[..2])

                    if row[3] = "" || same[3] = "" then
                        Expect.equal same[3] row[3] $"{row[1]} by {row[2]} is undefined"
                    else
                        close 1e-5 [ float row[3] ] [ float same[3] ] $"{row[1]} by {row[2]}")

        example "a map that is not finite is named, and costs no other method its scores" (fun folder ->
            let said =
                attribution
                    $"evaluate {Tiny.roots folder} --methods saliency,occlusion --metrics necessity-ordering,deletion --out {folder}/out"
                |> ok

            Expect.stringContains said "The map of saliency is not finite for 2 of 4 images" "the closing line"

            for metric in [ "necessity-ordering"; "deletion" ] do
                let entry = score (folder </> "out/scores.json") "saliency" metric
                Expect.equal (numbers (entry.GetProperty "skipped")) [ 0.; 2. ] "no score"
                Expect.equal (numbers ((entry.GetProperty "maps").GetProperty "not_finite")) [ 0.; 2. ] "which"
                let other = score (folder </> "out/scores.json") "occlusion" metric
                Expect.all (numbers (other.GetProperty "per_instance")) System.Double.IsFinite "the other's"

            attribution
                $"evaluate {Tiny.roots folder} --methods occlusion --metrics necessity-ordering --out {folder}/alone"
            |> ok
            |> ignore

            let ofOcclusion file =
                numbers ((score (folder </> file) "occlusion" "necessity-ordering").GetProperty "per_instance")

            close 1e-6 (ofOcclusion "alone/scores.json") (ofOcclusion "out/scores.json") "as by itself")

        example "a method that fails is named, the others' results are written, and the exit code is 1" (fun folder ->
            let out = folder </> "out"

            let outcome =
                attribution
                    $"evaluate {Tiny.means folder} --methods saliency,lrp-epsilon,occlusion --metrics sparseness,deletion --out {out}"

            let told = fails outcome
            Expect.stringStarts told "The method lrp-epsilon failed: " "which, and why"
            Expect.equal (files out) [ "scores.csv"; "scores.json" ] "files"

            let methods = rows (out </> "scores.csv") |> Array.skip 1 |> Array.map (Array.item 1)

            Expect.equal (Array.distinct methods) [| "saliency"; "occlusion" |] "methods"

            // Of 'all', what the model does not allow is left out.
            let said =
                attribution $"evaluate {Tiny.means folder} --methods all --metrics sparseness --out {out}" |> ok

            Expect.stringContains said "The method lrp-epsilon is left out: " "which, and why"
            Expect.stringContains said "│ saliency" "the others"
            // By itself it is the run's failure.
            let told =
                attribution $"evaluate {Tiny.means folder} --methods lrp-epsilon --metrics sparseness --out {out}"
                |> fails

            Expect.isFalse (told.Contains "The method") "one sentence")

        example "a metric that fails is named, and the others' scores are written" (fun folder ->
            let out = folder </> "out"
            let options = $"{Tiny.means folder} --methods saliency,occlusion"

            let told =
                attribution $"evaluate {options} --metrics sparseness,parameter-randomisation --out {out}" |> fails

            Expect.stringStarts told "The metric parameter-randomisation failed: " "which, and why"

            for method in [ "saliency"; "occlusion" ] do
                let entry = score (out </> "scores.json") method "parameter-randomisation"
                Expect.isNotEmpty (entry.GetProperty("failed").GetString()) "why"

                Expect.hasLength
                    (numbers ((score (out </> "scores.json") method "sparseness").GetProperty "per_instance"))
                    4
                    "the other metric's"

            let metrics = rows (out </> "scores.csv") |> Array.skip 1 |> Array.map (Array.item 2)

            Expect.equal (Array.distinct metrics) [| "sparseness" |] "scores.csv"
            let said = attribution $"evaluate {options} --metrics all --out {out}" |> ok
            Expect.stringContains said "The metric parameter-randomisation is left out: " "of all"

            // Average drop is undefined of scores that are not positive; other metrics are not.
            let low = Tiny.vgg16With (Array.create 4 -1e6f) (folder </> "low.npz")
            let options = $"--model {low} --dataset {Tiny.dataset folder} --methods saliency"

            let told =
                attribution $"evaluate {options} --metrics average-drop,sparseness --out {folder}/low" |> fails

            Expect.stringStarts told "The metric average-drop failed: Average drop is undefined" "which, and why"
            Expect.equal (files (folder </> "low")) [ "scores.csv"; "scores.json" ] "files")

        example
            "steps of pixels are a share of the image where they are not given, and stand in the results"
            (fun folder ->
                let run options =
                    let said =
                        attribution
                            $"evaluate {tiny folder} --methods saliency --metrics deletion,sparseness {options} --out {folder}/out"
                        |> ok

                    let entry metric = score (folder </> "out/scores.json") "saliency" metric

                    Expect.isFalse (fst ((entry "sparseness").TryGetProperty "pixels_per_step")) "none"
                    said, entry "deletion"

                let said, chosen = run ""

                Expect.stringContains
                    said
                    "20 pixels a step (less where a map would have fewer than 25 steps)"
                    "the title"

                Expect.equal (chosen.GetProperty("pixels_per_step").GetInt32()) 20 "32×32"
                Expect.equal (chosen.GetProperty("fewest_steps").GetInt32()) 25 "32×32"
                let said, given = run "--pixels-per-step 20"
                Expect.stringContains said "20 pixels a step:" "the title"

                Expect.equal
                    (numbers (given.GetProperty "per_instance"))
                    (numbers (chosen.GetProperty "per_instance"))
                    "same"

                let said, coarse = run "--pixels-per-step 1000"
                Expect.stringContains said "1000 pixels a step:" "the title"

                Expect.notEqual
                    (numbers (coarse.GetProperty "per_instance"))
                    (numbers (chosen.GetProperty "per_instance"))
                    "of two steps")

        sharedExample "equals the oracle on a real network and real images" (fun shared folder ->
            let model =
                $"--model {shared}/models/resnet_2b.onnx --scale 255 --mean 0.4914,0.4822,0.4465 --std 0.2471,0.2435,0.2616"

            attribution
                $"evaluate {model} --dataset {shared}/data/cifar10-real.npz {all} --layer 32 --pixels-per-step 50 --out {folder}"
            |> ok
            |> ignore

            let golden name = snd (read (shared </> "golden/resnet_2b.npz") name)

            for method, name in
                [ "saliency", "saliency"; "integrated-gradients", "ig_black"; "influence-directed", "expert" ] do
                let first metric =
                    numbers ((score (folder </> "scores.json") method metric).GetProperty "per_instance")
                    |> List.truncate 8

                close 1e-3 (golden $"ad_drops_{name}") (first "average-drop") $"average drop of {method}"
                close 1e-2 (golden $"nord50_{name}") (first "necessity-ordering") $"necessity ordering of {method}")
    ]
