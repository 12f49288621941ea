module AnswerTests

open System
open System.IO
open System.IO.Compression
open System.Net.Http
open Expecto
open SkiaSharp
open TorchSharp
open Attribution
open Asking

let private table = lazy (demo usual)

let private ask question = answer table.Value.Client question

let private image (i: int) = table.Value.Images.Take [ i ]

let private agree message (expected: float seq) (actual: float seq) = Support.close 1e-6 expected actual message

/// The mean over the channels of a map, as pictures read it.
let private pixels (maps: torch.Tensor) = doubles ((maps.``to`` torch.float64).mean [| 1L |])

let private encoded (name: string) = Uri.EscapeDataString name

let tests =
    testList "Answers" [
        testCase
            "the page is told of the model, its layers as a graph, the images and every method and metric"
            (fun () ->
                let about = (parse (wait (table.Value.Client.GetStringAsync "/about"))).GetProperty "told"
                Expect.equal (items "methods" about |> List.map (text "name")) (List.ofSeq StudyMethod.Names) "methods"

                Expect.equal
                    (items "metrics" about |> List.map (text "name"))
                    [
                        for metric in AttributionMetric.All do
                            if not metric.NeedsMasks then
                                metric.Name
                    ]
                    "metrics"

                Expect.equal
                    (items "classes" about |> List.map _.GetString())
                    (List.ofSeq ConceptScenes.ClassNames)
                    "classes"

                let layers = items "layers" about
                let names = layers |> List.map (text "name")
                Expect.equal names [ for layer in table.Value.Model.Describe() -> layer.Name ] "layers"
                Expect.isEmpty (items "inputs" layers.Head) "the images are computed of nothing"

                for i, layer in List.indexed layers.Tail do
                    let inputs = items "inputs" layer |> List.map _.GetString()
                    Expect.isNonEmpty inputs (text "name" layer)

                    Expect.isTrue
                        (inputs |> List.forall (fun input -> List.contains input names[..i]))
                        "of what is before it"

                Expect.equal (text "defaultLayer" about) "fc1l" "the cut"
                let scale = about.GetProperty "scale"
                let colour name = items name scale |> List.map _.GetInt32()
                Expect.equal (colour "for", colour "against") ([ 178; 24; 43 ], [ 33; 102; 172 ]) "colours")

        testCase "a page that was opened on another model is told so, and on the same one it goes on" (fun () ->
            let subject (table: Table) = text "subject" (parse (wait (table.Client.GetStringAsync "/about")))
            use again = demo usual
            use other = resnet usual
            Expect.equal (subject again) (subject table.Value) "the same model and images"
            Expect.notEqual (subject other) (subject table.Value) "others"
            use weights = again.Model.Randomised 3L
            use changed = Explorer.Start(weights, again.Images, usual)
            use client = new HttpClient(BaseAddress = changed.Address)

            Expect.notEqual
                (text "subject" (parse (wait (client.GetStringAsync "/about"))))
                (subject again)
                "other weights of the same layers"

            let ask subject =
                use request = new HttpRequestMessage(HttpMethod.Get, "/ask?of=scores&image=0")
                request.Headers.Add("X-Subject", (subject: string))
                wait (again.Client.SendAsync request)

            Expect.isTrue (ask (subject again)).IsSuccessStatusCode "its own"
            let code, said = refusal (ask (subject other))
            Expect.equal code 409 "another's"
            Expect.stringContains said "started anew" "in words")

        testCase "scores are the model's" (fun () ->
            let data = ask "of=scores&image=3"
            use scores = table.Value.Model.ClassScores(Instances.op_Implicit (image 3))
            agree "logits" (doubles scores) (items "logits" data |> List.map _.GetDouble())
            agree "probabilities" (doubles (scores.softmax 1L)) (items "probabilities" data |> List.map _.GetDouble())
            Expect.equal (number "predicted" data) (float (scores.argmax(1L).item<int64>())) "predicted"
            Expect.equal (number "trueClass" data) (float table.Value.Images.TrueClasses[3]) "true")

        testCase "every method's map is the library's, with its settings" (fun () ->
            let model = table.Value.Model
            let x = Instances.op_Implicit (image 4): Instances

            for method in AttributionMethod.All do
                let settings =
                    MethodSettings(
                        Quantity = Quantity.Margin(0, 1),
                        Steps = 6,
                        Samples = Nullable 3,
                        Iterations = 3,
                        Background = Nullable(Instances.op_Implicit table.Value.Images)
                    )

                let question =
                    $"of=map&image=4&method={encoded method.Name}&quantity=margin:0,1&steps=6&samples=3&iterations=3"

                if method.AppliesTo model then
                    let data = ask question
                    use expected = method.Create(model, settings).Invoke(x)

                    let expected = if expected.ndim = 3L then doubles expected else pixels expected

                    let map = floats "map" data
                    Support.close 1e-5 expected map method.Name
                    agree $"{method.Name}: sum" [ Seq.sum expected ] [ number "sum" data ]

                    agree $"{method.Name}: magnitude" [ expected |> Seq.map abs |> Seq.max ] [
                        number "magnitude" data
                    ]
                else
                    let name, data = last table.Value.Client question
                    Expect.equal name "failure" method.Name
                    Expect.stringContains (sentence data) "choose another method" method.Name)

        testCase "a setting that does not concern the method makes no other question" (fun () ->
            let question extra = $"of=map&image=5&method=saliency{extra}"
            ask (question "") |> ignore
            let state () = parse (wait (table.Value.Client.GetStringAsync "/state")) |> number "remembered"
            let before = state ()
            ask (question "&steps=7&window=3") |> ignore
            Expect.equal (state ()) (before + 1.) "from memory")

        testCase "the quantity's value is the one that the page's scores tell" (fun () ->
            let logits = ask "of=scores&image=6" |> items "logits" |> List.map _.GetDouble()

            for quantity, expected in
                [
                    "class:2", logits[2]
                    "margin:0,1", logits[0] - logits[1]
                    "predicted", List.max logits
                    "one-vs-rest:3", logits[3] - (List.sum logits - logits[3]) / 13.
                ] do
                agree quantity [ expected ] [ ask $"of=map&image=6&quantity={quantity}" |> number "value" ])

        testCase "the curve is the score of the image without the pixels that go first" (fun () ->
            let model, x = table.Value.Model, image 7
            let data = ask "of=curve&image=7&method=saliency&quantity=class:5"
            let removed = items "pixels" data |> List.map _.GetInt32()
            let scores = items "scores" data |> List.map _.GetDouble()
            let order = whole "order" data
            Expect.equal (Array.sort order) [| 0 .. 64 * 64 - 1 |] "every pixel goes once"
            let map = floats "map" (ask "of=map&image=7&method=saliency&quantity=class:5")
            let byOrder = order |> Array.indexed |> Array.sortBy snd |> Array.map (fun (pixel, _) -> map[pixel])
            Expect.isTrue (byOrder |> Array.pairwise |> Array.forall (fun (a, b) -> a >= b)) "the largest first"
            Expect.equal (List.head removed, List.last removed) (0, 64 * 64) "from none to all"

            for k in [ 0; 1; removed.Length / 2; removed.Length - 1 ] do
                use _ = torch.NewDisposeScope()
                let kept = [| for rank in order -> if rank < removed[k] then 0f else 1f |]
                let keep = torch.tensor(kept).reshape(1L, 1L, 64L, 64L)
                let without = x.Images() * keep
                let score = (model.ClassScores(Instances.op_Implicit without)).[0L, 5L].ToDouble()
                Support.close 1e-5 [ score ] [ scores[k] ] $"after {removed[k]} pixels")

        testCase "experts are the library's, each with its most active images and how selective it is" (fun () ->
            let model, images = table.Value.Model, table.Value.Images
            let data = ask "of=experts&layer=fc1l&quantity=margin:2,3&top=5"

            let expected =
                ExpertSummary.Find(
                    model,
                    "fc1l",
                    Quantity.Margin(2, 3),
                    images,
                    margin = Nullable<struct (int * int)>(struct (2, 3)),
                    top = 5
                )

            agree "influence" (expected.Influence |> Seq.map float) (floats "influence" data)
            let top = items "top" data

            Expect.equal
                (top |> List.map (number "unit" >> int))
                [ for unit in expected.Top -> unit.Unit ]
                "the first five"

            let first = top.Head
            agree "share" [ expected.ActiveShare ] [ number "activeShare" first ]
            agree "selective" [ expected.Selectivity.Auc ] [ number "auc" first ]

            Expect.equal
                [ for active in items "mostActive" first -> text "image" active ]
                [ for active in expected.MostActive -> string active.Position ]
                "its images"

            Expect.equal
                (items "bottom" data |> List.head |> number "unit" |> int)
                (expected.Influence |> Seq.indexed |> Seq.minBy snd |> fst)
                "the opposite margin's expert comes first at the other end"

            Expect.stringContains (text "aucMeaning" data) "cat with pointed ears from cat with round ears" "in words"

            let dead =
                items "top" (ask "of=experts&layer=fc1&quantity=class:0&top=100")
                |> List.filter (fun unit -> (unit.GetProperty "isDead").GetBoolean())

            for unit in dead do
                Expect.equal (number "activeShare" unit) 0. "a dead one is never active")

        testCase "what an expert sees is the map of its unit" (fun () ->
            let data = ask "of=map&image=2&method=influence-directed&quantity=margin:2,3&layer=fc1l"
            let expert = data.GetProperty "expert"
            let unit = int (number "unit" expert)

            use expected =
                InflDirected(table.Value.Model, "fc1l", Quantity.Predicted)
                    .ExpertAttribution(unit, Instances.op_Implicit (image 2))

            Support.close 1e-5 (pixels expected) (floats "map" data) "by the method"

            Support.close
                1e-5
                (pixels expected)
                (floats "map" (ask $"of=map&image=2&quantity=unit:fc1l,{unit}"))
                "by the quantity")

        testCase "metrics are the library's, of one image and of all, with an interval" (fun () ->
            let model, images = table.Value.Model, table.Value.Images
            let metrics = [ "average-drop"; "deletion"; "sparseness" ]
            let saliency = AttributionMethod.Find "saliency"

            let study =
                Study.Run(
                    model,
                    images,
                    [| StudyMethod saliency |],
                    [| for name in metrics -> AttributionMetric.Find name |]
                )

            let all = ask $"""of=measure&image=all&method=saliency&metrics={String.concat "," metrics}"""
            let one = ask $"""of=measure&image=3&method=saliency&metrics={String.concat "," metrics}"""

            for row, single in List.zip (items "rows" all) (items "rows" one) do
                let name = text "metric" row
                let scores = study.Table.Scores |> Seq.find (fun s -> s.Metric = name)
                Support.close 1e-5 [ scores.OfSound.Score ] [ number "value" row ] name
                Support.close 1e-5 [ scores.PerInstance[3] ] [ number "value" single ] $"{name} of one"

                Expect.isTrue
                    (number "low" row <= number "value" row && number "value" row <= number "high" row)
                    "interval"

                Expect.isLessThan (number "low" row) (number "high" row) "interval"
                Expect.equal (number "count" row) 28. "images")

        testCase "a metric that does not apply says so, and the others are there" (fun () ->
            use _ = torch.NewDisposeScope()
            use scenes = ConceptScenes.Draw 14

            use model =
                Model
                    .FromLayers(
                        struct ("logits", Func<_, _>(fun (x: torch.Tensor) -> x.mean([| 1L; 2L; 3L |]).unsqueeze 1L))
                    )
                    .OfTwoClasses()

            use explorer = Explorer.Start(model, scenes.Images, ExplorerOptions(Port = 0))
            use client = new HttpClient(BaseAddress = explorer.Address)

            let rows =
                answer client "of=measure&image=0&method=saliency&metrics=sparseness,random-logit" |> items "rows"

            Expect.equal (rows |> List.map (text "metric")) [ "sparseness"; "random-logit" ] "all are listed"
            Expect.isTrue (Double.IsFinite(number "value" rows[0])) "the one that applies"
            Expect.stringContains (text "failure" rows[1]) "class" "the other says why")

        testCase "a map of nothing says so, and a dead unit is marked" (fun () ->
            use _ = torch.NewDisposeScope()
            use scenes = ConceptScenes.Draw 14

            use model =
                Model.FromLayers(
                    struct ("units",
                            Func<_, _>(fun (x: torch.Tensor) ->
                                (x.mean [| 2L; 3L |]) * torch.tensor ([| 1f; 1f; 0f |]))),
                    struct ("logits",
                            Func<_, _>(fun (h: torch.Tensor) ->
                                h.matmul (torch.tensor (array2D [ [ 1f; 0f ]; [ 0f; 1f ]; [ 9f; 0f ] ]))))
                )

            use explorer = Explorer.Start(model, scenes.Images, ExplorerOptions(Port = 0))
            use client = new HttpClient(BaseAddress = explorer.Address)
            let data = answer client "of=experts&layer=units&quantity=class:0"
            let first = items "top" data |> List.head

            Expect.equal
                (number "unit" first, (first.GetProperty "isDead").GetBoolean())
                (2., true)
                "the expert is dead"

            Expect.stringContains (text "warning" data) "dead expert" "in words"
            let map = answer client "of=map&image=0&quantity=unit:units,2"
            Expect.equal (text "state" map) "empty" "state"
            Expect.stringContains (text "stateSentence" map) "zero everywhere" "in words")

        testCase "a picture that is added is asked about as one of the set" (fun () ->
            let client = table.Value.Client
            let picture = wait (client.GetByteArrayAsync "/image?image=9")
            let added = wait (client.PostAsync("/image", new ByteArrayContent(picture)))
            let key = text "key" (parse (wait (added.Content.ReadAsStringAsync())))
            let map of' = floats "map" (ask $"of=map&image={of'}&quantity=class:1")
            Support.close 1e-5 (map "9") (map key) "the same pixels"
            let scores = ask $"of=scores&image={key}"

            Expect.equal
                (scores.GetProperty "trueClass").ValueKind
                Text.Json.JsonValueKind.Null
                "its true class is not known"

            let name, data = last client $"of=map&image={key}&quantity=true"
            Expect.equal name "failure" "nobody knows it"
            Expect.stringContains (sentence data) "true class" "in words")

        testCase "a map can be had as a picture, as arrays and as a table" (fun () ->
            let client = table.Value.Client
            let get kind = wait (client.GetAsync $"/export?as={kind}&of=map&image=3&method=saliency&quantity=class:1")
            let bytes kind = wait ((get kind).Content.ReadAsByteArrayAsync())
            let map = floats "map" (ask "of=map&image=3&quantity=class:1")
            use picture = SKBitmap.Decode(bytes "png")
            Expect.isGreaterThan picture.Width 800 "the labelled picture"
            let csv = Text.Encoding.UTF8.GetString(bytes "csv").TrimEnd('\n').Split '\n'
            let numbers = csv |> Array.collect (fun line -> line.Split ',' |> Array.map float)
            Expect.equal csv.Length 64 "rows"
            Support.close 1e-6 map numbers "csv"

            Support.inFolder (fun folder ->
                let file = Path.Combine(folder, "map.npz")
                File.WriteAllBytes(file, bytes "npz")
                let shape, pixels = Support.read file "pixels"
                Expect.equal shape [ 1; 64; 64 ] "shape"
                Support.close 1e-6 map pixels "npz")

            Expect.stringContains (string (get "npz").Content.Headers.ContentDisposition) "attachment" "a download"

            let scores =
                wait (client.GetStringAsync "/export?as=csv&of=measure&image=all&method=saliency&metrics=sparseness")

            Expect.equal (scores.Trim().Split('\n').Length) 29 "a line an image, and a head"
            let wrong = wait (client.GetAsync "/export?as=exe&of=map&image=3")
            Expect.equal (fst (refusal wrong)) 400 "nothing else")

        testCase "an image is what the model sees" (fun () ->
            use picture = SKBitmap.Decode(wait (table.Value.Client.GetByteArrayAsync "/image?image=11"))
            Expect.equal (picture.Width, picture.Height) (64, 64) "its size"
            let x = (image 11).Images()

            for row, column in [ 0, 0; 17, 40; 63, 63 ] do
                let colour = picture.GetPixel(column, row)
                let expected = [ for c in 0L .. 2L -> int (round (x[0L, c, int64 row, int64 column].ToDouble())) ]
                Expect.equal [ int colour.Red; int colour.Green; int colour.Blue ] expected "its colours")

        testCase "the heads of a transformer are units that can be experts" (fun () ->
            use scenes = ConceptScenes.Draw(28, 5)
            use model = Model.Load(DemoNetworks.ModelPath SceneNetwork.Vit)
            use explorer = Explorer.Start(model, scenes.Images, usual)
            use client = new HttpClient(BaseAddress = explorer.Address)
            let layers = items "layers" ((parse (wait (client.GetStringAsync "/about"))).GetProperty "told")
            let heads = layers |> List.filter (fun layer -> text "noun" layer = "head")
            Expect.hasLength heads 4 "a layer of heads in each block"
            let data = answer client $"""of=experts&layer={text "name" (List.last heads)}&quantity=margin:2,3"""
            Expect.equal (text "noun" data, number "units" data) ("head", 4.) "heads"

            let expected =
                ExpertSummary.Find(model, text "name" (List.last heads), Quantity.Margin(2, 3), scenes.Images)

            Support.close 1e-4 (expected.Influence |> Seq.map float) (floats "influence" data) "influence")

        testCase "tables, signals and volumes are told where they can be explained" (fun () ->
            use _ = torch.NewDisposeScope()
            use rows = ImageSet.FromTensor(torch.rand (4L, 1L, 1L, 8L))
            use model = Model.FromLayers(struct ("logits", Func<_, _>(fun (x: torch.Tensor) -> x.flatten (1L))))
            let e = Expect.throwsC (fun () -> (Explorer.Start(model, rows, usual) :> IDisposable).Dispose()) id
            Expect.stringContains e.Message "attribution explain" "in words")
    ]
    |> testSequenced
