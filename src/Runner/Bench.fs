[<RequireQualifiedAccess>]
module Attribution.Runner.Bench

open System
open System.Diagnostics
open System.Globalization
open System.IO
open System.Reflection
open System.Text.Json
open Attribution

/// What a child process finds out.
type Findings = {
    Measurements: Measurement[]
    /// The most memory of the process beyond the weights, bytes.
    Peak: int64
}

let private isDefault arguments =
    not (
        arguments.Given
        |> List.exists (function
            | Arg.Model _ -> true
            | _ -> false)
    )

let private model arguments =
    if isDefault arguments then
        let model =
            Inputs.placed arguments "Making a VGG16 of random weights" (fun () -> Model.RandomVgg16())

        model, defaultArg (Arguments.layer arguments) "fc1"
    else
        let _, model = Inputs.model arguments

        match Arguments.layer arguments with
        | Some layer -> model, layer
        | None -> model, Cuts.Default model

let private rounds =
    Arguments.atLeast
        1
        "--rounds"
        (function
        | Arg.Rounds n -> Some n
        | _ -> None)
        3

/// The most memory that this process has had, bytes.
let private peak () =
    let line = File.ReadLines "/proc/self/status" |> Seq.find _.StartsWith("VmHWM:")

    1024L * Int64.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1])

/// This program again, with other arguments: its output, and the seconds that it took.
let private again (environment: (string * string) list) (argv: string list) =
    let self = Assembly.GetExecutingAssembly()
    let isDotnet = Path.GetFileNameWithoutExtension Environment.ProcessPath = "dotnet"

    let start =
        ProcessStartInfo(
            (if isDotnet then Environment.ProcessPath else "dotnet"),
            self.Location :: argv,
            RedirectStandardOutput = true,
            RedirectStandardError = true
        )

    for name, value in environment do
        start.Environment[name] <- value

    let clock = Stopwatch.StartNew()
    use child = Process.Start start
    let errors = child.StandardError.ReadToEndAsync()
    let output = child.StandardOutput.ReadToEnd()
    child.WaitForExit()

    if child.ExitCode <> 0 then
        raise (AttributionException $"A part of the benchmark failed: {errors.Result.Trim()}")

    output, clock.Elapsed.TotalSeconds

/// A part of the benchmark in a process of its own.
let private part arguments environment name (extra: string list) : Findings =
    let output, _ =
        again environment ("bench" :: arguments.Words @ [ "--part"; name ] @ extra)

    // The model's notes come first.
    JsonSerializer.Deserialize<Findings>(output.TrimEnd().Split('\n') |> Array.last)

let private report (findings: Findings) =
    Terminal.say (JsonSerializer.Serialize findings)

let private halfOfDefault = 2L <<< 30

let private number (format: string) (value: float) =
    value.ToString(format, CultureInfo.InvariantCulture)

/// What is measured of whole processes.
let private processes arguments (benchmark: Benchmark) (result: BenchmarkResult) = [
    let stock = part arguments [ "ATTRIBUTION_ALLOCATOR", "default" ] "stock" []

    for s in stock.Measurements do
        let engine = result.Measurements |> Seq.find (fun m -> m.Name = s.Name)

        let target = if s.Name.Contains " to " then Nullable() else Nullable 0.45

        ProcessMeasurement($"{s.Name}, against stock settings", engine.Seconds / s.Seconds, "×", target)

    if OperatingSystem.IsLinux() then
        let memory = defaultArg (Arguments.memory arguments) halfOfDefault
        let beyond = part arguments [] "memory" [ "--memory"; $"{memory}B" ]
        let gigabytes bytes = float bytes / 2. ** 30.
        let weights = number "0.00" (gigabytes benchmark.WeightBytes)

        ProcessMeasurement(
            $"peak memory beyond the weights ({weights} GB)",
            gigabytes beyond.Peak,
            "GB",
            gigabytes memory
        )

    if isDefault arguments then
        let small = DemoNetwork.WeightsPath

        let times = [ for _ in 1..4 -> again [] [ "layers"; "--model"; small ] |> snd ]

        // The first of them warms the file cache.
        ProcessMeasurement(
            "'attribution layers' on a small model, warm",
            times.Tail |> List.sort |> List.item 1,
            "s",
            0.8
        )

        let folder = Directory.CreateTempSubdirectory "attribution-"

        try
            let seconds = Benchmark.ReadingSeconds(Path.Combine(folder.FullName, "vgg16.npz"))
            ProcessMeasurement("reading full VGG16 weights, warm file cache", seconds, "s", 1.5)
        finally
            folder.Delete true
]

let private timings title rounds (measurements: Measurement seq) =
    let optional =
        Option.ofNullable >> Option.map (number "0.00") >> Option.defaultValue ""

    Terminal.table $"{title} (the fastest of {rounds} rounds)" 1 [
        "what"
        "images"
        "seconds"
        "images/s"
        "ratio"
        "at most"
    ] [
        for m in measurements ->
            [
                m.Name
                string m.Images
                number "0.00" m.Seconds
                number "0.00" m.ImagesPerSecond
                optional m.Ratio
                optional m.Target
            ]
    ]

let private json arguments =
    arguments
    |> Arguments.tryPick (function
        | Arg.Json file -> Some file
        | _ -> None)

let private methods rounds (benchmark: Benchmark) =
    let measurements =
        Terminal.watch "Timing every method" (fun report -> benchmark.RunMethods(rounds, Terminal.part report 0. 1.))

    timings "Every method's time against that of its passes in bare loops in the same process" rounds measurements

    measurements

let private whole arguments =
    let model, layer = model arguments
    use model = model
    use benchmark = new Benchmark(model, layer, cancellation = arguments.Stop)

    let result =
        Terminal.watch "Timing" (fun report -> benchmark.Run(rounds arguments, progress = Terminal.part report 0. 1.))

    timings "Time against bare loops in the same process" (rounds arguments) result.Measurements
    // A round of every method takes as long as one of all else, so two must do; --part methods takes as many as asked for.
    let methods = methods (min 2 (rounds arguments)) benchmark

    let processes =
        Terminal.watch "Timing whole processes" (fun _ -> processes arguments benchmark result)

    Terminal.table "Whole processes" 1 [ "what"; "measured"; "at most" ] [
        for p in processes ->
            let text (value: Nullable<float>) =
                if value.HasValue then
                    $"""{number "0.00" value.Value} {p.Unit}"""
                else
                    ""

            [ p.Name; text (Nullable p.Value); text p.Target ]
    ]

    match Option.ofObj result.BFloat16 with
    | Some change ->
        let correlation = number "0.000" change.RankCorrelation
        let score = number "0.000" change.NecessityOrdering
        let difference = number "+0.000;-0.000" change.NecessityOrderingChange

        Terminal.say
            $"Saliency in bfloat16 has a rank correlation of {correlation} with float32's, and changes necessity ordering by {difference} from {score}."
    | None -> ()

    json arguments
    |> Option.iter (fun file -> result.WriteJson(file, methods, Array.ofList processes))

let private run arguments =
    match
        arguments
        |> Arguments.tryPick (function
            | Arg.Part part -> Some part
            | _ -> None)
    with
    | None -> whole arguments
    | Some part ->
        let model, layer = model arguments
        use model = model
        use benchmark = new Benchmark(model, layer, cancellation = arguments.Stop)

        match part with
        | "stock" ->
            report {
                Measurements = Array.ofSeq (benchmark.RunStock(rounds arguments))
                Peak = 0L
            }
        | "methods" ->
            let methods = methods (rounds arguments) benchmark

            json arguments
            |> Option.iter (fun file -> BenchmarkResult([||], layer, null).WriteJson(file, methods, [||]))
        | "memory" ->
            benchmark.RunOnce()

            report {
                Measurements = [||]
                Peak = peak () - benchmark.WeightBytes
            }
        | other -> Arguments.wrong $"--part takes methods, stock or memory, and not '{other}'."

let command = {
    Name = "bench"
    Summary = "Times the methods and metrics against the passes that they need."
    Syntax = "[--model FILE] [--layer NAME] [--rounds N] [--json FILE]"
    Options = Inputs.modelOptions @ [ "--layer"; "--rounds"; "--json"; "--part" ]
    Run = run
}
