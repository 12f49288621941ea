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

/// Questions, what their lines end in (the numbers of the last name that they give), and what the page is told.
let private programs: (string * string * (Text.Json.JsonElement -> float[])) list = [
    for question in maps do
        question, "maps", floats "map"
    "of=experts&quantity=margin:0,1&layer=fc1l&top=3", "influence", floats "influence"
    "of=experts&quantity=class:2&distribution=own", "influence", floats "influence"

    for quantity in [ "predicted"; "class:2" ] do
        $"of=measure&image=5&method=saliency&metrics=sparseness,deletion&quantity={quantity}",
        "study",
        (fun data -> [| for row in items "rows" data -> number "value" row |])
]

let private own = Path.GetDirectoryName(typeof<Explorer>.Assembly.Location)

let private dotnet folder (arguments: string list) =
    let info =
        ProcessStartInfo(
            "dotnet",
            arguments,
            WorkingDirectory = folder,
            RedirectStandardError = true,
            RedirectStandardOutput = true
        )

    Support.finish (Process.Start(info: ProcessStartInfo))

let private kindOf i =
    let _, kind, _ = programs[i]
    kind

/// Runs programs as one script of F# Interactive.
let private runFsharp folder (codes: string list) : float[] list =
    let value i =
        match kindOf i with
        | "maps" -> "(maps.``to``(torch.float64)).mean([| 1L |]).flatten().data<float>().ToArray()"
        | "influence" -> "(influence.``to``(torch.float64)).flatten().data<float>().ToArray()"
        | _ -> "[| for scores in study.Table.Scores -> scores.Score |]"

    let script =
        String.concat "\n" [
            for name in [ "TorchSharp"; "Attribution.Core"; "Attribution"; "Attribution.Demo" ] do
                $"#r @\"{Path.Combine(own, name)}.dll\""
            "open TorchSharp"
            "open Attribution"

            for i, code in List.indexed codes do
                $"module Question{i} ="

                for line in code.Split '\n' |> Array.filter (fun line -> not (line.StartsWith "open")) do
                    $"    {line}"

                $"    System.IO.File.WriteAllLines(@\"{Path.Combine(folder, string i)}\", {value i} |> Array.map string)"
        ]

    File.WriteAllText(Path.Combine(folder, "script.fsx"), script)
    let run = dotnet folder [ "fsi"; "script.fsx" ]
    Expect.equal (run.Code, run.Error) (0, "") script

    [
        for i in 0 .. codes.Length - 1 -> File.ReadAllLines(Path.Combine(folder, string i)) |> Array.map float
    ]

/// Compiles programs by the compiler of the SDK, and runs them here.
let private runCsharp folder (codes: string list) : float[] list =
    let value i =
        match kindOf i with
        | "maps" -> "maps.to(torch.float64).mean([1]).flatten().data<double>().ToArray()"
        | "influence" -> "influence.to(torch.float64).flatten().data<double>().ToArray()"
        | _ -> "study.Table.Scores.Select(scores => scores.Score).ToArray()"

    let source =
        String.concat "\n" [
            "using System.Linq;"
            "using TorchSharp;"
            "using Attribution;"
            "public static class Asked {"

            for i, code in List.indexed codes do
                $"public static double[] Q{i}() {{"
                code.Replace("using Attribution;", "")
                $"return {value i}; }}"

            "}"
        ]

    File.WriteAllText(Path.Combine(folder, "asked.cs"), source)
    let sdk = (dotnet folder [ "--list-sdks" ]).Out.Trim().Split('\n') |> Array.last

    let version, place =
        sdk.Substring(0, sdk.IndexOf ' '), sdk.Substring(sdk.IndexOf '[').Trim('[', ']', '\r')

    let compiler = Path.Combine(place, version, "Roslyn", "bincore", "csc.dll")
    let known = (string (AppContext.GetData "TRUSTED_PLATFORM_ASSEMBLIES")).Split Path.PathSeparator

    File.WriteAllLines(
        Path.Combine(folder, "asked.rsp"),
        [
            "-target:library"
            "-nullable-"
            "-out:asked.dll"
            for file in known do
                $"-r:\"{file}\""
            "asked.cs"
        ]
    )

    let run = dotnet folder [ "exec"; compiler; "-nologo"; "@asked.rsp" ]
    Expect.equal (run.Code, run.Out) (0, "") source

    let asked =
        Reflection.Assembly.Load(File.ReadAllBytes(Path.Combine(folder, "asked.dll"))).GetType "Asked"

    [ for i in 0 .. codes.Length - 1 -> asked.GetMethod($"Q{i}").Invoke(null, [||]) :?> float[] ]

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

        testCase "the lines of C# and F# give the same numbers" (fun () ->
            withDemo (fun client ->
                Support.inFolder (fun folder ->
                    for name, run in [ "csharp", runCsharp; "fsharp", runFsharp ] do
                        let codes = [ for question, _, _ in programs -> text name (lines client question) ]

                        for (question, _, expected), found in List.zip programs (run folder codes) do
                            Support.close 1e-4 (expected (answer client question)) found $"{name}: {question}")))

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
