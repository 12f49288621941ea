module Attribution.Runner.Program

open System
open System.Runtime.InteropServices
open System.Threading
open Attribution

let private commands = [
    Report.demo
    Explore.command
    Explain.command
    Experts.command
    Compress.command
    Evaluate.command
    Study.command
    Report.command
    Layers.command
    Registry.command
    Doctor.command
    Bench.command
    TrainDemo.command
    Priors.command
    Attack.command
    Optimal.command
    Interactions.command
    TracIn.command
    Concepts.command
    Examples.command
    Worker.command
    ClusterList.command
    Merge.command
]

let private overview =
    String.concat "\n" [
        "USAGE: attribution COMMAND [OPTIONS]"
        ""
        "Explains what an image classifier looked at, and measures whether the explanation is true."
        ""
        "COMMANDS:"
        for command in commands do
            $"    {command.Name, -30} {command.Summary}"
        ""
        "'attribution COMMAND --help' lists a command's options."
    ]

let private complain (code: int) (text: string) =
    eprintfn "%s" text
    code

/// Cancels on Ctrl-C and its kin. Work that does not stop at once, within a pass of the model, ends with the process:
/// its drafts are gone by then.
let private listen (stop: CancellationTokenSource) =
    let onSignal (context: PosixSignalContext) =
        context.Cancel <- true
        stop.Cancel()
        Thread.Sleep 2000
        Terminal.restore ()
        context.Cancel <- false

    [ PosixSignal.SIGINT; PosixSignal.SIGTERM; PosixSignal.SIGHUP ]
    |> List.map (fun signal -> PosixSignalRegistration.Create(signal, onSignal))

let private execute (command: Command) argv =
    use stop = new CancellationTokenSource()
    let listening = listen stop

    try
        try
            match Arguments.parse command argv stop.Token with
            | None -> Terminal.say (Arguments.usage command)
            | Some given -> command.Run given

            0
        with
        | _ when stop.IsCancellationRequested -> 130
        | :? UsageException as e -> complain 2 $"ERROR: {e.Message}\n\n{Arguments.usage command}"
        | e -> complain 1 (Sentence.Of e)
    finally
        listening |> List.iter _.Dispose()

/// What the library says of the machine's kernels is told once, however often a test runs a command.
let private listening = lazy (TorchRuntime.WhenSaid Terminal.say)

[<EntryPoint>]
let main argv =
    listening.Force()

    match List.ofArray argv with
    | [] -> complain 2 overview
    | ("--help" | "-h" | "help") :: _ ->
        Terminal.say overview
        0
    | name :: rest ->
        match commands |> List.tryFind (fun command -> command.Name = name) with
        | Some command -> execute command rest
        | None -> complain 2 $"ERROR: There is no command '{name}'.\n\n{overview}"
