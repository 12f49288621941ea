module SpeedTests

open System
open System.IO
open System.Text.Json
open Expecto
open TorchSharp
open Attribution
open Support

let private experts folder : JsonElement list = [
    for element in (json (folder </> "experts.json")).EnumerateArray() -> element
]

let private text (name: string) (element: JsonElement) = element.GetProperty(name).GetString()

/// The options that may change no result: the memory of a pass and the number of images in it.
let private indifferent =
    testList "no result depends on" [
        for name, options in
            [
                "the memory of a pass", [ ""; "--memory 1B"; "--memory 3MB" ]
                "the images in it", [ ""; "--batch-size 1"; "--batch-size 3" ]
            ] do
            example name (fun folder ->
                let data = tiny folder

                let runs = [
                    for i, option in List.indexed options ->
                        let out = folder </> string i

                        attribution
                            $"explain {data} --method saliency,integrated-gradients --steps 7 --layer fc1l {option} --out {out}"
                        |> ok
                        |> ignore

                        out
                ]

                for method in [ "saliency"; "integrated-gradients" ] do
                    let maps run = read (run </> $"attributions-{method}.npz") "attributions" |> snd

                    let whole = maps runs[0]

                    for run in runs.Tail do
                        close 1e-6 whole (maps run) method)
    ]

/// The measurements of that name in bench's file: a time each, and a ratio where there is one.
let private measurements (name: string) (measured: JsonElement) = [
    for m in measured.GetProperty(name).EnumerateArray() do
        Expect.isGreaterThan (m.GetProperty("seconds").GetDouble()) 0. "a time"
        let hasRatio, ratio = m.TryGetProperty "ratio"

        if hasRatio then
            Expect.isGreaterThan (ratio.GetDouble()) 0. "a ratio"

        m
]

let tests =
    testList "speed" [
        indifferent

        example "experts answers many questions at several layers as it does each alone" (fun folder ->
            let data = tiny folder
            let out = folder </> "many"

            let said =
                attribution
                    $"experts {data} --layer fc1l --layer fc2 --quantity margins --quantity class:1 --distribution all --distribution own --out {out}"
                |> ok

            Expect.stringContains said "experts over 10 images" "the terminal"
            let many = experts out
            use images = ImageSet.LoadNpz(folder </> "data.npz")
            let classes = Seq.distinct images.TrueClasses |> Seq.length
            Expect.hasLength many (2 * (classes * (classes - 1) + 1) * 2) "layers × quantities × distributions"

            for i in [ 0; 3; many.Length / 2; many.Length - 1 ] do
                let question = many[i]
                let alone = folder </> $"alone{i}"
                let of' name = text name question

                attribution
                    $"""experts {data} --layer {of' "layer"} --quantity {of' "quantity"} --distribution {of' "distribution"} --out {alone}"""
                |> ok
                |> ignore

                let expected = json (alone </> "experts.json")
                let number (name: string) (element: JsonElement) = element.GetProperty(name).GetDouble()
                Expect.equal (number "expert" question) (number "expert" expected) "the expert"
                Expect.equal (number "active_share" question) (number "active_share" expected) "how often it is active"

                close
                    1e-5
                    (snd (read (alone </> "influence.npz") "influence"))
                    (snd (read (out </> "influence.npz") $"influence_{i}"))
                    "influence")

        example "own needs a quantity that names classes, and several quantities are for experts" (fun folder ->
            let data = tiny folder

            attribution $"experts {data} --layer fc1l --distribution own --out {folder}/out"
            |> misused "experts"
            |> fun said -> Expect.stringContains said "--distribution own needs" "own"

            attribution $"explain {data} --method saliency --quantity classes --out {folder}/out"
            |> misused "explain"
            |> fun said -> Expect.stringContains said "for 'experts' alone" "several")

        example "--steps auto reaches its tolerance, and says what it took" (fun folder ->
            let out = folder </> "out"
            use scenes = ConceptScenes.Draw 12

            do
                use file = new NpzWriter(folder </> "data.npz")
                file.Add("X", scenes.X)
                file.Add("Y", scenes.Classes)
                file.Commit()

            let data = $"--model {DemoNetwork.WeightsPath} --dataset {folder}/data.npz"

            let said =
                attribution
                    $"explain {data} --method integrated-gradients --steps auto --tolerance 0.02 --quantity class:1 --out {out}"
                |> ok

            Expect.stringContains said "steps an image (median" "the terminal"
            use model = Model.LoadVgg16 DemoNetwork.WeightsPath
            use images = ImageSet.LoadNpz(folder </> "data.npz")
            use x = images.Images()

            let _, attributions = read (out </> "attributions-integrated-gradients.npz") "attributions"

            let sums = attributions |> Array.chunkBySize (attributions.Length / images.Count) |> Array.map Array.sum

            let score (x: torch.Tensor) =
                use logits = model.Logits x
                use column = logits.select(1L, 1L).``to`` torch.float64
                column.data<float>().ToArray()

            use black = torch.zeros_like x

            let isReached (sum, here, there) = abs (sum - (here - there)) <= 0.0201 * abs (here - there)

            let reached = Array.zip3 sums (score x) (score black) |> Array.filter isReached |> Array.length

            let unreached = Text.RegularExpressions.Regex.Match(said, @"; (\d+) of them keep a larger gap")

            let unreached = if unreached.Success then int unreached.Groups[1].Value else 0

            Expect.equal reached (images.Count - unreached) "all but those that it names"
            Expect.isLessThan unreached (images.Count / 2) "most reach it"

            for wrong, why in
                [
                    "--steps some", "takes a number or auto"
                    "--steps auto --tolerance 2", "between 0 and 1"
                    "--steps 5 --tolerance 0.1", "is for --steps auto"
                    "--steps auto --rule right", "gauss-legendre"
                    "--memory much", "takes a size"
                ] do
                attribution $"explain {data} --method integrated-gradients {wrong} --out {out}"
                |> misused "explain"
                |> fun said -> Expect.stringContains said why wrong)

        example "bfloat16 is said wherever the results are" (fun folder ->
            let out = folder </> "out"

            attribution $"explain {tiny folder} --method saliency --precision bfloat16 --out {out}"
            |> ok
            |> fun said -> Expect.stringContains said "computes in bfloat16" "the terminal"

            Expect.stringContains (File.ReadAllText(out </> "summary.json")) "computes in bfloat16" "summary.json")

        example "bench times methods against bare loops, in a table and a file" (fun folder ->
            let data = tiny folder
            let model = data.Split(' ') |> Array.skipWhile ((<>) "--model") |> Array.item 1
            let file = folder </> "bench.json"

            let said = attribution $"bench --model {model} --layer fc1l --rounds 1 --json {file}" |> ok

            let measured = json file

            let names = measurements "measurements" measured |> List.map (text "name")

            for name in [ "forward"; "saliency"; "expert attribution"; "necessity ordering"; "average drop" ] do
                Expect.contains names name "measured"
                Expect.stringContains said name "the table"

            let correlation = measured.GetProperty("bfloat16").GetProperty("rank_correlation").GetDouble()

            Expect.isTrue (correlation > 0.5 && correlation <= 1.) "bfloat16's maps resemble float32's"

            Expect.isGreaterThan (measured.GetProperty("processes").GetArrayLength()) 3 "stock settings and memory"
            Expect.isNonEmpty (measurements "methods" measured) "every method")

        example "bench times every method against the passes that it takes, by itself too" (fun folder ->
            let data = tiny folder
            let model = data.Split(' ') |> Array.skipWhile ((<>) "--model") |> Array.item 1
            let file = folder </> "bench.json"

            let said = attribution $"bench --model {model} --part methods --rounds 1 --json {file}" |> ok

            let measured = measurements "methods" (json file)
            let floors, methods = measured |> List.splitAt 2
            Expect.equal (floors |> List.map (text "name")) [ "forward"; "forward and input gradient" ] "the floors"

            Expect.equal
                (methods |> List.map (text "name"))
                [
                    for method in AttributionMethod.All do
                        if not (method.Name.StartsWith "attention") then
                            method.Name
                ]
                "every method of the registry that the network has what it is about"

            let seconds (m: JsonElement) = m.GetProperty("seconds").GetDouble()

            let each = Map [ for f in floors -> text "name" f, seconds f / f.GetProperty("images").GetDouble() ]

            for m in methods do
                let name = text "name" m
                Expect.stringContains said name "the table"

                let floor =
                    (text "floor" m).Split " + "
                    |> Array.sumBy (fun pass ->
                        let parts = pass.Split " × "
                        float parts[0] * each[parts[1]])

                let ratio = m.GetProperty("ratio").GetDouble()
                Expect.floatClose Accuracy.medium (ratio * floor) (seconds m) $"{name}: its time over its floor's"

                let isByRules =
                    name.StartsWith "lrp"
                    || name.StartsWith "deep"
                    || List.contains name [
                        "guided-backpropagation"
                        "guided-grad-cam"
                        "deconvolution"
                        "excitation-backpropagation"
                        "full-grad"
                    ]

                Expect.equal (fst (m.TryGetProperty "target")) (not isByRules) $"{name}: an aim for plain passes"

            for name, floor in
                [
                    "saliency", "8 × forward and input gradient"
                    "deeplift", "8 × forward + 8 × forward and input gradient"
                    "integrated-gradients", "2 × forward + 16 × forward and input gradient"
                    "occlusion", "10 × forward"
                    "rise", "18 × forward"
                    "grad-cam", "8 × forward"
                ] do
                let found = methods |> List.find (fun m -> text "name" m = name)
                Expect.equal (text "floor" found) floor name)
    ]
