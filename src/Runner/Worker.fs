[<RequireQualifiedAccess>]
module Attribution.Runner.Worker

open System
open System.IO
open Attribution
open TorchSharp

/// What a worker can carry out, and the work that it is.
let private plans: (Command * (Given -> Inputs -> string option -> Workload)) list = [
    Study.command, Study.plan
    Evaluate.command, Evaluate.plan
    Experts.command, Experts.plan
    Compress.command, Compress.plan
]

/// The work of words that another process sent, of which nothing is believed: an option that its command does not take, or that
/// names a file of this machine, is refused by the same parser.
let private build (given: Given) root =
    let own = [ for device in given.All Device -> $"--device={device}" ]

    WorkBuilder(fun words prepared stop ->
        let words = List.ofSeq words

        match plans |> List.tryFind (fun (command, _) -> command.Name = List.head words) with
        | None ->
            raise (AttributionException $"There is no work '{List.head words}': is the submitter of another version?")
        | Some(command, plan) ->
            let told =
                try
                    Clusters.requireOwnFiles root words
                    (Arguments.parse command (List.tail words @ own) stop).Value
                with :? UsageException as e ->
                    raise (AttributionException $"The cluster's words are none of this version: {e.Message}")

            let inputs = Inputs.load told
            struct (plan told inputs (Option.ofObj prepared), inputs :> IDisposable))

let private run (given: Given) =
    let root =
        match given.Get Root with
        | Some folder -> folder
        | None ->
            Path.Combine(
                Environment.GetFolderPath Environment.SpecialFolder.LocalApplicationData,
                "attribution",
                "cluster"
            )

    try
        Directory.CreateDirectory root |> ignore
    with
    | :? IOException
    | :? UnauthorizedAccessException as e ->
        raise (AttributionException $"The folder '{root}' cannot be used: {e.Message}; choose another --root.")

    let machine = Workplace.Machine(torch.device (Inputs.device given))
    use cluster = Clusters.connect given
    Terminal.say $"Waiting for work from {cluster.Address}; this is {machine}. Ctrl-C leaves."
    cluster.Work(machine, Path.GetFullPath root, build given (Path.GetFullPath root), given.Stop)

let command = {
    Name = "worker"
    Summary = "Computes units of the studies that are submitted to a cluster, until it is stopped."
    Syntax = "--cluster ADDRESS [--root FOLDER] [--device DEVICE]"
    Options = Clusters.options @ [ Group.of'<WorkerOption>; Group.of'<DeviceOption> ]
    Run = run
}
