module ProcessTests

open System
open System.Diagnostics
open System.IO
open System.Threading
open Expecto
open TorchSharp
open Attribution
open Support
open Server

/// A process of the command line, with its words in files.
let private launch (folder: string) (name: string) (line: string) =
    let info = ProcessStartInfo("dotnet", $"exec \"{typeof<Runner.Command>.Assembly.Location}\" {line}")
    info.RedirectStandardOutput <- true
    info.RedirectStandardError <- true
    let running = Process.Start info

    let log =
        new StreamWriter(
            File.Open(folder </> $"{name}-{running.Id}.log", FileMode.Create, FileAccess.Write, FileShare.ReadWrite)
        )

    let write (e: DataReceivedEventArgs) =
        if not (isNull e.Data) then
            lock log (fun () ->
                log.WriteLine e.Data
                log.Flush())

    running.OutputDataReceived.Add write
    running.ErrorDataReceived.Add write
    running.BeginOutputReadLine()
    running.BeginErrorReadLine()
    running

let private kill (running: Process) =
    running.Kill()
    running.WaitForExit()

/// The results, which are the same whoever computed them.
let private results folder = [
    for name in [ "study.csv"; "study.json"; "study.png"; "study.progress" ] -> name, File.ReadAllBytes(folder </> name)
]

let private equal expected actual =
    for (name, a: byte[]), (_, b: byte[]) in List.zip expected actual do
        Expect.isTrue (a.AsSpan().SequenceEqual(b.AsSpan())) $"{name} is the same to the last byte"

/// A log that somebody may be writing.
let private read (log: string) =
    use file = new StreamReader(File.Open(log, FileMode.Open, FileAccess.Read, FileShare.ReadWrite))
    file.ReadToEnd()

let private many folder (count: int) =
    let count, name = int64 count, $"many{count}.npz"
    use generator = new torch.Generator(3UL)

    Tiny.write (folder </> name) [
        "X", torch.randint (256L, [| count; 32L; 32L; 3L |], generator = generator)
        "Y", torch.arange(count).remainder((4L).ToScalar())
    ]

let tests =
    testList "processes" [
        withServers
            "twenty times one of them is killed: workers, submitter and server; nothing is lost, and nothing twice"
            (fun folder ->
                let options =
                    $"--model {Tiny.vgg16 folder} --dataset {many folder 128} --methods saliency,integrated-gradients,smoothgrad,occlusion,influence-directed --metrics deletion,sparseness --pixels-per-step 4"

                attribution $"study {options} --out {folder}/one" |> ok |> ignore
                use server = Server.In folder
                let seed = Random().Next()
                let random = Random seed
                let cluster = $"--cluster {server.Address}"
                let worker () = launch folder "worker" $"worker {cluster} --root {folder}/root"
                let submitter () = launch folder "submitter" $"study {options} {cluster} --out {folder}/many"
                let workers = Array.init 2 (fun _ -> worker ())
                let current = ref (submitter ())
                let mutable rounds = 0

                // Who starts while the server is away ends with a sentence, and is started again, as a person would.
                let isAway (running: Process) =
                    running.HasExited
                    && running.ExitCode <> 0
                    && Directory.GetFiles(folder, $"*-{running.Id}.log")
                       |> Array.exists (fun log -> (read log).Contains "cannot be reached")

                let revive () =
                    if isAway current.Value then
                        current.Value <- submitter ()

                    for i in 0 .. workers.Length - 1 do
                        if isAway workers[i] then
                            workers[i] <- worker ()

                try
                    while rounds < 20 && (not current.Value.HasExited || isAway current.Value) do
                        Thread.Sleep(random.Next(300, 1500))
                        revive ()
                        rounds <- rounds + 1

                        match random.Next 4 with
                        | 0 ->
                            server.Kill()
                            Thread.Sleep(random.Next 500)
                            server.Start()
                        | 1 ->
                            if not current.Value.HasExited then
                                kill current.Value
                                current.Value <- submitter ()
                        | _ ->
                            let i = random.Next workers.Length
                            kill workers[i]
                            workers[i] <- worker ()

                    let clock = Stopwatch.StartNew()

                    while (not current.Value.HasExited || isAway current.Value) && clock.Elapsed.TotalSeconds < 240. do
                        revive ()
                        Thread.Sleep 200

                    Expect.isTrue current.Value.HasExited $"it ends (seed {seed})"
                    current.Value.WaitForExit()

                    let told =
                        Directory.GetFiles(folder, $"*-{current.Value.Id}.log") |> Array.map read |> String.concat "\n"

                    Expect.equal current.Value.ExitCode 0 $"the submitter's end (seed {seed}, {rounds} rounds): {told}"
                    printfn $"{rounds} rounds of kill -9, seed {seed}."
                    equal (results $"{folder}/one") (results $"{folder}/many")
                finally
                    for running in [ current.Value; yield! workers ] do
                        if not running.HasExited then
                            kill running)

        withServers "parts that machines compute by themselves are merged to the same" (fun folder ->
            let options =
                $"--model {Tiny.vgg16 folder} --dataset {many folder 100} --methods saliency,guided-backpropagation,influence-directed --metrics sparseness,deletion --pixels-per-step 64"

            attribution $"study {options} --out {folder}/one" |> ok |> ignore

            for part in 1..3 do
                let said = attribution $"study {options} --part {part}/3 --out {folder}/part{part}" |> ok
                Expect.stringContains said "merge" "what comes next"
                Expect.equal (files (folder </> $"part{part}")) [ "study.progress" ] "files"

            attribution $"merge --parts {folder}/part1 {folder}/part2 {folder}/part3 --out {folder}/all"
            |> ok
            |> ignore

            let said = attribution $"study {options} --out {folder}/all" |> ok
            Expect.stringContains said "Going on from" "nothing is computed again"
            equal (results $"{folder}/one") (results $"{folder}/all")

            let told = attribution $"merge --parts {folder}/part1 {folder}/none --out {folder}/x" |> fails
            Expect.stringContains told "none" "a part that is not there"
            attribution $"study {options} --batch-size 5 --part 1/3 --out {folder}/other" |> ok |> ignore
            let told = attribution $"merge --parts {folder}/part1 {folder}/other --out {folder}/x" |> fails
            Expect.stringContains told "several studies" "parts of two")

        withServers "'evaluate', 'experts' and 'compress' share their work too" (fun folder ->
            let options =
                $"--model {Tiny.vgg16 folder} --dataset {Tiny.dataset folder} --methods saliency --metrics sparseness"

            attribution $"evaluate {options} --out {folder}/one" |> ok |> ignore
            use server = Server.In folder
            let cluster = $"--cluster {server.Address}"
            let worker = launch folder "worker" $"worker {cluster} --root {folder}/root"

            try
                attribution $"evaluate {options} {cluster} --out {folder}/many" |> ok |> ignore

                Expect.equal
                    (File.ReadAllText $"{folder}/many/scores.json")
                    (File.ReadAllText $"{folder}/one/scores.json")
                    "scores"


                // Influence adds up the same wherever it is computed, in one step or in two.
                let images = $"--model {Tiny.vgg16 folder} --dataset {many folder 300}"

                for line, results in
                    [
                        "experts --layer fc1l --quantity classes --distribution own",
                        [ "experts.json"; "influence.npz" ]
                        "experts --layer conv1_1 --units each --around line --steps 3",
                        [ "experts.json"; "influence.npz" ]
                        "compress --layer fc1l", [ "compress.csv"; "compress.json" ]
                    ] do
                    let run more out = attribution $"{line} {images} {more} --out {folder}/{out}" |> ok |> ignore
                    run "" "here"
                    run $"{cluster} --name work" "there"

                    for name in results do
                        let read out = File.ReadAllBytes $"{folder}/{out}/{name}"

                        Expect.isTrue
                            ((read "here").AsSpan().SequenceEqual((read "there").AsSpan()))
                            $"{name} of {line}"

                    for step in [ "work"; "work-2" ] do
                        attribution $"cluster {cluster} --forget {step}" |> ignore

                let said = attribution $"cluster {cluster}" |> ok
                Expect.stringContains said "evaluate-" "it is listed"
            finally
                kill worker

            let told =
                attribution $"study {options} --cluster nats://127.0.0.1:{freePort ()} --out {folder}/x" |> fails

            Expect.stringContains told "cannot be reached" "no server"
            Expect.isFalse (Directory.Exists $"{folder}/x") "no folder")
    ]
