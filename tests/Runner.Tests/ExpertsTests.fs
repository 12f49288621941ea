module ExpertsTests

open System.IO
open Expecto
open TorchSharp
open Attribution
open Support

let tests =
    testList "experts" [
        example "writes the expert, its runners-up and the influence of every unit" (fun folder ->
            let said =
                attribution $"experts {tiny folder} --layer fc1l --quantity class:2 --top 3 --out {folder}/out"
                |> ok

            Expect.equal (files (folder </> "out")) [ "expert.png"; "experts.json"; "influence.npz" ] "files"

            use model = Model.LoadVgg16(folder </> "vgg16.npz")
            use images = ImageSet.LoadNpz(folder </> "data.npz")
            use influence = InflDirected(model, "fc1l", Quantity.Class 2).Influence images
            let expected = influence.``to``(torch.float64).data<float>().ToArray()
            let shape, written = read (folder </> "out/influence.npz") "influence"
            Expect.equal shape [ 6 ] "one number a unit"
            close 1e-6 expected written "influence"

            let file = json (folder </> "out/experts.json")
            let text (name: string) = file.GetProperty(name).GetString()
            Expect.equal (text "layer", text "quantity", text "distribution") ("fc1l", "class:2", "all") "the question"

            let top = [
                for unit in file.GetProperty("top").EnumerateArray() ->
                    unit.GetProperty("unit").GetInt32(), unit.GetProperty("influence").GetDouble()
            ]

            let best = expected |> Array.indexed |> Array.sortBy (fun (i, v) -> -v, i) |> Array.truncate 3

            Expect.equal (List.map fst top) (List.ofArray (Array.map fst best)) "units"
            close 1e-6 (Array.map snd best) (List.map snd top) "their influence"
            Expect.equal (file.GetProperty("expert").GetInt32()) (fst best[0]) "expert"
            Expect.stringContains said $"The expert is unit {fst best[0]}" "the terminal")

        example "asks about channels of a convolutional layer, and about each number where told to" (fun folder ->
            use model = Model.LoadVgg16(Tiny.vgg16 folder)
            use images = ImageSet.LoadNpz(Tiny.dataset folder)

            for option, units, written, noun in
                [
                    "", Units.ChannelSum, "channel-sum", "channel"
                    "--units auto", Units.ChannelSum, "channel-sum", "channel"
                    "--units channel-max", Units.ChannelMax, "channel-max", "channel"
                    "--units each", Units.Each, "each", "unit"
                ] do
                let said =
                    attribution
                        $"experts {tiny folder} --layer conv4_2l {option} --quantity class:2 --out {folder}/out"
                    |> ok

                let expected = InflDirected(model, "conv4_2l", Quantity.Class 2, units)

                close
                    1e-5
                    (expected.Influence(images).``to``(torch.float64).flatten().data<float>().ToArray())
                    (snd (read (folder </> "out/influence.npz") "influence"))
                    option

                let file = json (folder </> "out/experts.json")
                let expert = expected.DisInfluence images
                Expect.equal (file.GetProperty("units").GetString()) written option
                Expect.equal (file.GetProperty("expert").GetInt32()) expert option
                Expect.stringContains said $"The expert is {noun} {expert}" "the terminal"

            let expected = InflDirected(model, "conv4_2l", Quantity.Predicted, Units.ChannelMax)
            let expert = expected.DisInfluence images

            attribution
                $"explain {tiny folder} --method influence-directed --layer conv4_2l --units channel-max --out {folder}/maps"
            |> ok
            |> ignore

            let maps =
                expected.ExpertAttribution(expert, images).permute(0L, 2L, 3L, 1L).contiguous().``to`` torch.float64

            close
                1e-5
                (maps.data<float>().ToArray())
                (snd (read (folder </> "maps/attributions-influence-directed.npz") "attributions"))
                "maps"

            let summary = json (folder </> "maps/summary.json")
            let method = summary.GetProperty("methods")[0]

            Expect.stringStarts
                (method.GetProperty("description").GetString())
                $"channel {expert} of layer conv4_2l"
                "what the pictures say"

            Expect.equal
                (summary.GetProperty("expert").GetProperty("units").GetString())
                "channel-max"
                "the summary says it")

        example "draws what experts want to see where that is asked for, and finds the same experts" (fun folder ->
            let draw options out =
                attribution $"experts {tiny folder} --layer fc1l --quantity margin:0,1 {options} --out {folder}/{out}"
                |> ok
                |> ignore

                use picture = SkiaSharp.SKBitmap.Decode(folder </> out </> "expert.png")
                picture.Height, File.ReadAllBytes(folder </> out </> "expert.png")

            let plain, _ = draw "" "plain"
            let taller, first = draw "--ideal --iterations 3" "ideal"
            Expect.isGreaterThan taller plain "a row of images more"
            Expect.equal (snd (draw "--ideal --iterations 3" "again")) first "the same seed, the same picture"
            Expect.notEqual (snd (draw "--ideal --iterations 3 --seed 2" "other")) first "another seed, another"

            Expect.equal
                (File.ReadAllText(folder </> "ideal/experts.json"))
                (File.ReadAllText(folder </> "plain/experts.json"))
                "the experts")

        example "takes the distribution by true class" (fun folder ->
            attribution $"experts {tiny folder} --layer fc2 --distribution class:2,0 --out {folder}/out"
            |> ok
            |> ignore

            use model = Model.LoadVgg16(folder </> "vgg16.npz")
            use images = ImageSet.LoadNpz(folder </> "data.npz")

            use influence = InflDirected(model, "fc2", Quantity.Predicted).Influence(images.Where(0, 2))

            close
                1e-5
                (influence.``to``(torch.float64).data<float>().ToArray())
                (snd (read (folder </> "out/influence.npz") "influence"))
                "influence"

            Expect.equal
                ((json (folder </> "out/experts.json")).GetProperty("distribution").GetString())
                "class:2,0"
                "distribution")

        example
            "says how often the expert is active on each class, and how well it tells a margin's classes apart"
            (fun folder ->
                attribution $"experts {tiny folder} --layer fc1l --quantity margin:1,0 --out {folder}/out"
                |> ok
                |> ignore

                use model = Model.LoadVgg16(folder </> "vgg16.npz")
                use images = ImageSet.LoadNpz(folder </> "data.npz")
                let file = json (folder </> "out/experts.json")

                let activity =
                    InflDirected(model, "fc1l", Quantity.Predicted)
                        .Activity(file.GetProperty("expert").GetInt32(), images)

                let of' k = [
                    for i in 0 .. Tiny.count - 1 do
                        if Tiny.truth[i] = k then
                            i
                ]

                for c in file.GetProperty("classes").EnumerateArray() do
                    let members = of' (c.GetProperty("class").GetInt64())
                    Expect.equal (c.GetProperty("instances").GetInt32()) members.Length "instances"

                    Expect.equal
                        (c.GetProperty("active_share").GetDouble())
                        (activity.ActiveShare members)
                        "active share"

                Expect.equal (file.GetProperty("classes").GetArrayLength()) 3 "the classes in the data"

                Expect.equal
                    (file.GetProperty("selectivity").GetProperty("auc").GetDouble())
                    (activity.Selectivity(of' 1L, of' 0L))
                    "selectivity")

        example "says plainly that an expert is dead, and names the layer that feeds it" (fun folder ->
            let options = $"--model {Tiny.withDeadUnit folder} --dataset {folder}/data.npz --quantity class:0"

            Tiny.dataset folder |> ignore
            let said = attribution $"experts {options} --layer fc1 --out {folder}/after" |> ok
            let after = json (folder </> "after/experts.json")
            Expect.equal (after.GetProperty("expert").GetInt32()) 1 "the silent unit wins"
            Expect.isTrue (after.GetProperty("is_dead").GetBoolean()) "is_dead"
            Expect.equal (after.GetProperty("remedy").GetString()) "fc1l" "remedy"
            Expect.stringContains said "Unit 1 of layer 'fc1' is a dead expert" "the terminal"
            Expect.stringContains said "--layer fc1l" "the remedy"

            attribution $"experts {options} --layer fc1l --out {folder}/before" |> ok |> ignore

            Expect.isFalse
                ((json (folder </> "before/experts.json")).GetProperty("is_dead").GetBoolean())
                "cut before the activation"

            let explained =
                attribution $"explain {options} --method influence-directed --layer fc1 --out {folder}/maps" |> ok

            Expect.stringContains explained "dead expert" "explain says it too"

            Expect.isTrue
                ((json (folder </> "maps/summary.json")).GetProperty("expert").GetProperty("is_dead").GetBoolean())
                "and writes it")

        example "cuts before the last activation where no layer is named, and says where" (fun folder ->
            let said = attribution $"experts {tiny folder} --out {folder}/out" |> ok
            Expect.equal ((json (folder </> "out/experts.json")).GetProperty("layer").GetString()) "fc1l" "the layer"
            Expect.stringContains said "Cut at layer 'fc1l'" "the terminal")

        example "takes names for classes" (fun folder ->
            File.WriteAllLines(folder </> "names.txt", [ "cat"; "dog"; "sea lion"; "mug" ])

            let said =
                attributionWith [
                    yield! (tiny folder).Split ' ' |> Seq.append [ "experts" ]
                    "--quantity"
                    "margin:sea lion,cat"
                    "--distribution"
                    "class:dog"
                    "--labels"
                    $"{folder}/names.txt"
                    "--out"
                    $"{folder}/out"
                ]
                |> ok

            let file = json (folder </> "out/experts.json")
            Expect.equal (file.GetProperty("quantity").GetString()) "margin:2,0" "quantity"
            Expect.equal (file.GetProperty("distribution").GetString()) "class:1" "distribution"
            Expect.stringContains said "sea lion" "names on the terminal")

        example "takes influence around each image, and times the activation, as the library does" (fun folder ->
            use model = Model.LoadVgg16(Tiny.vgg16 folder)
            use images = ImageSet.LoadNpz(Tiny.dataset folder)

            for options, around, name in
                [
                    "--around itself", Neighbourhood.Itself, "itself"
                    "--around line --baseline white --steps 3", Neighbourhood.Line(Baseline.White, 3), "line"
                    "--around layer-line --steps 2 --rule midpoint",
                    Neighbourhood.LayerLine(null, 2, IntegrationRule.Midpoint),
                    "layer-line"
                    "--around gaussian:7.5 --samples 3 --seed 9", Neighbourhood.Gaussian(7.5, 3, 9), "gaussian:7.5"
                ] do
                for times, option in [ false, ""; true, "--times-activation" ] do
                    attribution
                        $"experts {tiny folder} --layer conv5_1l {options} {option} --no-pictures --out {folder}/out"
                    |> ok
                    |> ignore

                    let expected = InflDirected(model, "conv5_1l", Quantity.Predicted, Units.Auto, around, times)

                    close
                        1e-6
                        (expected.Influence(images).``to``(torch.float64).data<float>().ToArray())
                        (snd (read (folder </> "out/influence.npz") "influence"))
                        $"{options} {option}"

                    let file = json (folder </> "out/experts.json")
                    Expect.equal (file.GetProperty("around").GetString()) name "the file says around what"
                    Expect.equal (file.GetProperty("times_activation").GetBoolean()) times "and times what"

            attribution
                $"explain {tiny folder} --method influence-directed --layer conv5_1l --around line --steps 2 --out {folder}/maps"
            |> ok
            |> ignore

            let expert = (json (folder </> "maps/summary.json")).GetProperty "expert"
            Expect.equal (expert.GetProperty("around").GetString()) "line" "explain takes it too"

            Expect.equal
                (expert.GetProperty("expert").GetInt32())
                (InflDirected(model, "conv5_1l", Quantity.Predicted, Units.Auto, Neighbourhood.Line(null, 2))
                    .DisInfluence
                    images)
                "its expert")

        example "asks about several classes, one against the rest, thresholds and later units" (fun folder ->
            let asked = [
                "margin:0+3,1", Quantity.Margin([ 0; 3 ], [ 1 ])
                "one-vs-rest:2", Quantity.OneVsRest 2
                "threshold:1,499.5", Quantity.Threshold(1, 499.5)
                "unit:fc2l,3", Quantity.Unit("fc2l", 3)
            ]

            let options = asked |> List.map (fun (name, _) -> $"--quantity {name}") |> String.concat " "

            let said = attribution $"experts {tiny folder} --layer fc1l {options} --top 2 --out {folder}/out" |> ok

            use model = Model.LoadVgg16(folder </> "vgg16.npz")
            use images = ImageSet.LoadNpz(folder </> "data.npz")
            let file = json (folder </> "out/experts.json")

            for i, (name, quantity) in List.indexed asked do
                let influence =
                    InflDirected(model, "fc1l", quantity)
                        .Influence(images)
                        .``to``(torch.float64)
                        .data<float>()
                        .ToArray()

                close 1e-6 influence (snd (read (folder </> "out/influence.npz") $"influence_{i}")) name
                Expect.equal (file[i].GetProperty("quantity").GetString()) name "the question"
                let first, second = file[i].GetProperty("top")[0], file[i].GetProperty("top")[1]
                let unit (element: System.Text.Json.JsonElement) = element.GetProperty("unit").GetInt32()
                Expect.stringContains said $"{unit first}, {unit second}" "the terminal lists the units"

                let hasOpposite, opposite = file[i].TryGetProperty "opposite"
                Expect.equal hasOpposite (i < 2) $"{name} has sides"

                if hasOpposite then
                    Expect.equal (unit opposite) (Seq.findIndex ((=) (Seq.min influence)) influence) "the other side's"

            Expect.equal
                (files (folder </> "out"))
                [
                    "expert-0-fc1l-margin-0-3-1.png"
                    "expert-1-fc1l-one-vs-rest-2.png"
                    "expert-2-fc1l-threshold-1-499-5.png"
                    "expert-3-fc1l-unit-fc2l-3.png"
                    "experts.json"
                    "influence.npz"
                ]
                "a picture of each"

            let saliency =
                attribution $"explain {tiny folder} --method saliency --quantity unit:fc2l,3 --out {folder}/maps"

            ok saliency |> ignore
            let maps = SaliencyMap(model, Quantity.Unit("fc2l", 3)).Attribute images

            close
                1e-6
                (maps.permute(0L, 2L, 3L, 1L).contiguous().``to``(torch.float64).data<float>().ToArray())
                (snd (read (folder </> "maps/attributions-saliency.npz") "attributions"))
                "any method explains a unit")

        example "draws an expert beside the opposite margin's, and nothing where told so" (fun folder ->
            let size options =
                attribution $"experts {tiny folder} --layer fc1l {options} --out {folder}/out" |> ok |> ignore

                use picture = SkiaSharp.SKBitmap.Decode(folder </> "out/expert.png")
                picture.Width, picture.Height

            // Two columns of three images of four panels, and two of four: those of the classes 0 and 1 are seven.
            Expect.equal (size "--quantity class:0") (1132, 691) "a class's"
            Expect.equal (size "--quantity margin:0,1 --distribution own") (1132, 1177) "a margin's"

            attribution $"experts {tiny folder} --layer fc1l --no-pictures --out {folder}/plain" |> ok |> ignore

            Expect.equal (files (folder </> "plain")) [ "experts.json"; "influence.npz" ] "no pictures")

        example "says what cannot be asked" (fun folder ->
            for options, words in
                [
                    "--layer fc1l --quantity unit:fc9,0", "no layer 'fc9'"
                    "--layer fc1l --quantity unit:fc2,99", "no unit 99"
                    "--layer fc2 --quantity unit:fc1,0", "'fc2' has no influence on layer 'fc1'"
                    "--layer fc1l --quantity one-vs-rest:4", "no class 4"
                    "--layer fc1l --quantity margin:0+7,1", "no class 7"
                    "--layer fc1l --around line --steps 1 --rule trapezoid", "at least 2 steps"
                ] do
                let told = attribution $"experts {tiny folder} {options} --out {folder}/out" |> fails

                Expect.stringContains told words options
                Expect.isFalse (Directory.Exists(folder </> "out")) "no folder")

        sharedExample "finds the oracle's influence" (fun shared folder ->
            let model =
                $"--model {shared}/models/resnet_2b.onnx --scale 255 --mean 0.4914,0.4822,0.4465 --std 0.2471,0.2435,0.2616"

            let golden = shared </> "golden/resnet_2b.npz"
            let classes = snd (read golden "classes") |> Array.map int

            for quantity, name in
                [
                    "predicted", "influence_predicted_all"
                    $"class:{classes[0]}", "influence_class_all"
                    $"margin:{classes[0]},{classes[1]}", "influence_margin_all"
                ] do
                attribution
                    $"experts {model} --dataset {shared}/data/cifar10-real.npz --layer 32 --quantity {quantity} --out {folder}"
                |> ok
                |> ignore

                close 2e-4 (snd (read golden name)) (snd (read (folder </> "influence.npz") "influence")) name)
    ]
