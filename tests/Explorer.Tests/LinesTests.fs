module LinesTests

open System
open System.Diagnostics
open System.IO
open Expecto
open Attribution
open Asking

/// Over the scenes that the command line draws too.
let private withDemo test =
    use scenes = ConceptScenes.Draw 140
    use whole = Model.LoadVgg16 DemoNetwork.WeightsPath
    use model = whole.To("cpu", Precision.Float32)

    let options =
        ExplorerOptions(
            Port = 0,
            Names = names,
            Given = "--demo",
            ModelCode = "Model.LoadVgg16(DemoNetwork.WeightsPath).To(\"cpu\", Precision.Float32)",
            ImagesCode = "ConceptScenes.Draw(140, 1).Images"
        )

    use explorer = Explorer.Start(model, scenes.Images, options)
    use client = new Net.Http.HttpClient(BaseAddress = explorer.Address)
    test client

let private lines client question = (answer client question).GetProperty "lines"

let private words (command: string) =
    Expect.stringStarts command "attribution " "a command line"
    command.Substring("attribution ".Length).Split ' ' |> Array.map _.Trim(''') |> List.ofArray

let private maps = [
    "of=map&image=17&method=saliency&quantity=class:3"
    "of=map&image=17&method=integrated-gradients&quantity=margin:0,1&steps=9&baseline=random:3&rule=midpoint"
    "of=map&image=17&method=influence-directed&quantity=margin:4,5&distribution=own&layer=fc1l"
    "of=map&image=2&method=saliency&quantity=unit:conv2_1,3&multiply=no"
    "of=map&image=2&method=smoothgrad&quantity=one-vs-rest:2&samples=4&noise=0.2"
]

let tests =
    testList "Lines" [
        testCase "the command line gives the same map, to float32" (fun () ->
            withDemo (fun client ->
                for question in maps do
                    Support.inFolder (fun folder ->
                        let out = Path.Combine(folder, "out")
                        let command = text "command" (lines client question)

                        let run =
                            Support.attributionWith [
                                for word in words command -> if word = "maps" then out else word
                            ]

                        Expect.equal run.Code 0 $"{command}: {run.Error}"
                        let file = Directory.GetFiles(out, "attributions-*.npz") |> Array.exactlyOne
                        let _, pixels = Support.read file "pixels"
                        Support.close 1e-5 pixels (floats "map" (answer client question)) command)))

        testCase "experts and scores are spelled as commands that are understood" (fun () ->
            withDemo (fun client ->
                for question in
                    [
                        "of=experts&quantity=margin:0,1&layer=fc1l&top=3"
                        "of=measure&image=all&method=saliency&metrics=sparseness&quantity=class:2"
                    ] do
                    Support.inFolder (fun folder ->
                        let command = text "command" (lines client question)
                        let words = words command
                        let out = Path.Combine(folder, "out")
                        let run = Support.attributionWith (words[.. words.Length - 2] @ [ out ])
                        Expect.equal run.Code 0 $"{command}: {run.Error}"
                        Expect.isNonEmpty (Directory.GetFiles out) command)))

        testCase "the lines of F# give the same maps, and those of C# are the same calls" (fun () ->
            withDemo (fun client ->
                Support.inFolder (fun folder ->
                    let own = Path.GetDirectoryName(typeof<Explorer>.Assembly.Location)

                    let references =
                        [ "TorchSharp"; "Attribution.Core"; "Attribution"; "Attribution.Demo" ]
                        |> List.map (fun name -> $"#r @\"{Path.Combine(own, name)}.dll\"")

                    let head =
                        references
                        @ [ $"System.Runtime.InteropServices.NativeLibrary.Load(@\"{own}/libtorch.so\") |> ignore" ]

                    let part i question =
                        let code = text "fsharp" (lines client question)
                        let file = Path.Combine(folder, $"{i}.npy")
                        ignore file

                        String.concat "\n" [
                            $"module Question{i} ="
                            for line in code.Split '\n' |> Array.filter (fun line -> not (line.StartsWith "open")) do
                                $"    {line}"
                            "    let found = (maps.``to``(torch.float64)).mean([| 1L |]).flatten().data<float>().ToArray()"
                            $"    System.IO.File.WriteAllLines(@\"{Path.Combine(folder, string i)}\", found |> Array.map string)"
                        ]

                    let script =
                        String.concat "\n" [
                            yield! references
                            "open TorchSharp"
                            "open Attribution"
                            yield! List.mapi part maps
                        ]

                    ignore head
                    let file = Path.Combine(folder, "script.fsx")
                    File.WriteAllText(file, script)

                    let info =
                        ProcessStartInfo(
                            "dotnet",
                            [ "fsi"; file ],
                            RedirectStandardError = true,
                            RedirectStandardOutput = true
                        )

                    let run = Support.finish (Process.Start info)
                    Expect.equal (run.Code, run.Error) (0, "") script

                    for i, question in List.indexed maps do
                        let found = File.ReadAllLines(Path.Combine(folder, string i)) |> Array.map float
                        Support.close 1e-4 found (floats "map" (answer client question)) question

                    let csharp = text "csharp" (lines client maps[1])
                    Expect.stringContains csharp "var quantity = Quantity.Margin(0, 1);" "C#"
                    Expect.stringContains csharp "new MethodSettings { Quantity = quantity, Steps = 9," "C#")))

        testCase "words of a stranger are quoted for the shell and for programs" (fun () ->
            use scenes = ConceptScenes.Draw 14

            use model =
                Model.FromLayers(
                    struct ("a \"b\\ $(c)'", Func<_, _>(fun (x: TorchSharp.torch.Tensor) -> x)),
                    struct ("logits", Func<_, _>(fun (x: TorchSharp.torch.Tensor) -> x.mean ([| 2L; 3L |])))
                )

            use explorer = Explorer.Start(model, scenes.Images, usual)
            use client = new Net.Http.HttpClient(BaseAddress = explorer.Address)
            let layer = Uri.EscapeDataString "a \"b\\ $(c)'"
            let found = lines client $"of=map&image=0&quantity=unit:{layer},1"
            Expect.stringContains (text "command" found) """--quantity 'unit:a "b\ $(c)'\'',1'""" "the shell"
            Expect.stringContains (text "csharp" found) """Quantity.Unit("a \"b\\ $(c)'", 1)""" "C#")
    ]
    |> testSequenced
