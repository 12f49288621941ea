module ReportTests

open System
open System.IO
open System.Text.RegularExpressions
open Expecto
open TorchSharp
open Attribution
open Support

let private page folder = File.ReadAllText(folder </> "index.html")

let private report folder options =
    let out = folder </> "report"
    attribution $"report {tiny folder} {options} --out {out}" |> ok |> ignore
    out

/// The rows of scores.csv: instance, method, metric and score.
let private scores folder = [
    for row in File.ReadAllLines(folder </> "scores.csv")[1..] do
        match row.Split ',' with
        | [| instance; method; metric; score |] ->
            (method, metric), (instance, (if score = "" then nan else float score))
        | _ -> failtest $"'{row}' has four fields"
]

let private sections html = [ for m in Regex.Matches(html, "<section id=\"(\\w+)\"") -> m.Groups[1].Value ]

/// The page but for how long it took.
let private timeless html = Regex.Replace(html, "<time>.*?</time>", "")

let tests =
    testList "report" [
        example "the page comes with its numbers and pictures, and nothing else" (fun folder ->
            let written = files (report folder "")
            let pictures = written |> List.filter (fun name -> name.EndsWith ".png")
            Expect.isNonEmpty pictures "pictures"

            Expect.equal
                (List.except pictures written)
                [ "experts.json"; "index.html"; "scores.csv"; "scores.json" ]
                "the files")

        example "the page has every section that the images allow" (fun folder ->
            Expect.equal
                (report folder "" |> page |> sections)
                [ "experts"; "margins"; "methods"; "drop"; "necessity"; "computed" ]
                "sections")

        example "the experts of a convolutional layer are channels, or single numbers where told to" (fun folder ->
            for option, units, noun in [ "", "channel-sum", "channel"; "--units each", "each", "unit" ] do
                let out = report folder $"--layer conv5_3l {option}"
                let expert = (json (out </> "experts.json"))[0]
                Expect.equal (expert.GetProperty("units").GetString()) units "experts.json"
                let html = page out
                Expect.stringContains html $"The expert of a class is the {noun} of layer" "the text"
                let figure = expert.GetProperty("expert").GetInt32()

                Expect.stringContains html $"{Words.Capital noun} {figure} of conv5_3l" "a figure")

        example "its scores are the library's" (fun folder ->
            let written = report folder "--drop-class 1 --pixels-per-step 50 --figures 104,102" |> scores

            use model = Model.LoadVgg16(folder </> "vgg16.npz")
            use images = ImageSet.LoadNpz(folder </> "data.npz")

            let expected (images: ImageSet) metric = [
                for method, maps in
                    [
                        "saliency", SaliencyMap(model).Attribute images
                        "integrated-gradients", IntegratedGrad(model).Attribute images
                    ] do
                    (method, metric),
                    (if metric = "average-drop" then
                         AverageDrop(model).Evaluate(maps, images).Drops
                     else
                         N_Ord(model, pixelsPerStep = 50).Evaluate(maps, images))
            ]

            for key, values in
                expected (images.Where 1) "average-drop" @ expected (images.Take [ 8; 4 ]) "necessity-ordering" do
                let written = written |> List.filter (fst >> (=) key) |> List.map (snd >> snd)
                close 1e-5 values written (string key))

        example "its experts are the library's" (fun folder ->
            let experts = json (report folder "--classes 0,1 --layer fc1l" </> "experts.json")
            use model = Model.LoadVgg16(folder </> "vgg16.npz")
            use images = ImageSet.LoadNpz(folder </> "data.npz")

            let written quantity distribution = [
                for expert in experts.EnumerateArray() do
                    if
                        expert.GetProperty("layer").GetString() = "fc1l"
                        && expert.GetProperty("quantity").GetString() = quantity
                        && expert.GetProperty("distribution").GetString() = distribution
                    then
                        expert.GetProperty("expert").GetInt32()
            ]

            for quantity, (distribution: string), (of': Quantity), (over: ImageSet) in
                [
                    "class:0", "all", Quantity.Class 0, images
                    "class:0", "class:0", Quantity.Class 0, images.Where 0
                    "margin:1,0", "class:1,0", Quantity.Margin(1, 0), images.Where(0, 1)
                ] do
                Expect.contains
                    (written quantity distribution)
                    (InflDirected(model, "fc1l", of').DisInfluence over)
                    $"{quantity} over {distribution}")

        example "a second run with the same arguments gives the same bytes" (fun folder ->
            let first, second = folder </> "1", folder </> "2"
            let line = $"report {tiny folder} --seed 3 --out"
            attribution $"{line} {first}" |> ok |> ignore
            attribution $"{line} {second}" |> ok |> ignore
            Expect.equal (files second) (files first) "the files"
            Expect.equal (timeless (page second)) (timeless (page first)) "the page"

            for name in files first |> List.except [ "index.html" ] do
                Expect.equal (File.ReadAllBytes(second </> name)) (File.ReadAllBytes(first </> name)) name)

        example "a dead expert is called one, with the cut that has none" (fun folder ->
            let out = folder </> "report"

            let said =
                attribution $"report --model {Tiny.withDeadUnit folder} --dataset {Tiny.dataset folder} --out {out}"
                |> ok

            let html = page out
            Expect.stringContains html "Dead experts at fc1" "it is named"
            Expect.stringContains html "--layer fc1l" "the remedy is named"

            // Its maps win nothing, in the open: of all images that are shown side by side, or of the average drop's class.
            let empty =
                "The map of influence-directed is zero everywhere for 9 of 9 images: such maps take part in no mean, rank or comparison."

            Expect.stringContains said empty "the terminal"
            Expect.stringContains html empty "in brief"
            Expect.stringContains html "mean of sound maps" "the table's foot"
            Expect.stringContains html " (empty map)" "an image's score"

            let entry =
                (json (out </> "scores.json")).GetProperty("influence-directed").GetProperty("necessity-ordering")

            Expect.equal (entry.GetProperty("score").GetDouble()) 0. "by definition"
            Expect.equal (entry.GetProperty("maps").GetProperty("sound").GetInt32()) 0 "none is sound"
            Expect.equal (entry.GetProperty("pixels_per_step").GetInt32()) 20 "the steps"
            Expect.stringContains html "20 pixels a step (less where a map would have fewer than 25 steps)" "the steps")

        example "images without true classes are grouped by what the model says of them" (fun folder ->
            let model = Tiny.vgg16 folder
            let out = folder </> "out"

            match attribution $"report --model {model} --dataset {Tiny.unlabelled folder} --out {out}" with
            | { Code = 0 } -> Expect.stringContains (page out) "The true classes are not known" "it is said"
            // Untrained, the network may give all images one class.
            | failed -> Expect.stringContains (fails failed) "all images are of class" "why it cannot be done")

        for options, word in
            [
                "--classes 0,3", "no image of class"
                "--classes 1,1", "given twice"
                "--figures 7", "no image 7"
                "--layer nowhere", "no layer 'nowhere'"
                "--drop-class 3", "no image of class"
            ] do
            example $"{options} is refused where it names nothing" (fun folder ->
                let out = folder </> "out"
                let error = attribution $"report {tiny folder} {options} --out {out}" |> fails
                Expect.stringContains error word "the reason"
                Expect.isEmpty (files out) "nothing is written")

        example "a pair of one class is wrong usage" (fun folder ->
            let error = attribution $"report {tiny folder} --classes 1" |> misused "report"
            Expect.stringContains error "--classes" "the option")
    ]
