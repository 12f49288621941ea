[<RequireQualifiedAccess>]
module Attribution.Runner.Bench

open System
open System.Globalization
open System.IO
open System.Reflection
open Attribution

let private number (format: string) (value: float) = value.ToString(format, CultureInfo.InvariantCulture)

let private methods rounds (benchmark: Benchmark) =
    let measurements =
        Terminal.watch "Timing every method" (fun progress -> benchmark.RunMethods(rounds, progress))

    Terminal.table (
        measurements.Table
            $"Every method's time against that of its passes in bare loops in the same process (the fastest of {rounds} rounds)"
    )

    measurements

/// What starts this program again.
let private self = [|
    if Path.GetFileNameWithoutExtension Environment.ProcessPath = "dotnet" then
        Environment.ProcessPath
    else
        "dotnet"
    Assembly.GetExecutingAssembly().Location
|]

let private whole (given: Given) rounds (benchmark: Benchmark) smallModel =
    let result = Terminal.watch "Timing" (fun progress -> benchmark.Run(rounds, progress = progress))

    Terminal.table (
        result.Measurements.Table $"Time against bare loops in the same process (the fastest of {rounds} rounds)"
    )

    // A round of every method takes as long as one of all else, so two must do; --part methods takes as many as asked for.
    let methods = methods (min 2 rounds) benchmark

    let processes =
        Terminal.watch "Timing whole processes" (fun _ ->
            ProcessBenchmark(self, Array.ofList (given.Command :: given.Words))
                .Run(benchmark, result, Option.toNullable (Inputs.memory given), smallModel))

    Terminal.table (processes.Table "Whole processes")

    match Option.ofObj result.BFloat16 with
    | Some change ->
        let correlation = number "0.000" change.RankCorrelation
        let difference = number "+0.000;-0.000" change.NecessityOrderingChange

        Terminal.say
            $"""Saliency in bfloat16 has a rank correlation of {correlation} with float32's, and changes necessity ordering by {difference} from {number "0.000" change.NecessityOrdering}."""
    | None -> ()

    given.Get Json |> Option.iter (fun file -> result.WriteJson(file, methods, processes))

let private run (given: Given) =
    let rounds = defaultArg (Arguments.atLeast 1 "--rounds" (given.Get Rounds)) 3
    let isDefault = (given.Get ModelOption.Model).IsNone

    use model =
        if isDefault then
            Inputs.placed given "Making a VGG16 of random weights" (fun () -> Model.RandomVgg16())
        else
            snd (Inputs.model given)

    let layer =
        match List.tryLast (Arguments.layers given) with
        | Some layer -> layer
        | None when isDefault -> "fc1"
        | None -> Cuts.Default model

    use benchmark = new Benchmark(model, layer, cancellation = given.Stop)

    match given.Get Part with
    | None -> whole given rounds benchmark (if isDefault then DemoNetwork.WeightsPath else null)
    | Some "methods" ->
        let methods = methods rounds benchmark

        given.Get Json
        |> Option.iter (fun file -> BenchmarkResult([||], layer, null).WriteJson(file, methods, [||]))
    | Some part -> Terminal.say (ProcessBenchmark.Part(benchmark, part, rounds))

let command = {
    Name = "bench"
    Summary = "Times the methods and metrics against the passes that they need."
    Syntax = "[--model FILE] [--layer NAME] [--rounds N] [--json FILE]"
    Options = [
        Group.of'<ModelOption>
        Group.of'<DeviceOption>
        Group.of'<CutOption>
        Group.of'<BenchOption>
        Group.of'<PartOption>
    ]
    Run = run
}
