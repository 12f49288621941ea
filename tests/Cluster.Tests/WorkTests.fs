module WorkTests

open System
open System.Diagnostics
open System.Threading
open System.Threading.Tasks
open Expecto
open TorchSharp
open Attribution
open Server
open Toy

let tests =
    testList "work" [
        withServer "of two workers is what one process makes, each unit computed once" (fun server ->
            let here = Toy 60

            Workplace
                .In(Model.FromLayers(struct ("logits", Func<torch.Tensor, torch.Tensor> id)))
                .Do(here, null, CancellationToken.None)

            Expect.equal here.Known (Toy.Whole 60) "one process"
            let work, own = Toy 60, [ Toy 60; Toy 60 ]
            let workers = own |> List.map (fun own -> new Worker(server, own, "toy"))
            submit server work "toy" false ignore
            workers |> List.iter _.Stop()
            Expect.equal work.Known here.Known "the same results"
            let computed = own |> List.collect _.Computed
            Expect.equal (List.sort computed) [ 0..59 ] "each once"
            Expect.isTrue (own |> List.forall (fun own -> not own.Computed.IsEmpty)) "by both")

        withServer "is a study of a program's own model and method too" (fun server ->
            use _ = torch.NewDisposeScope()
            use generator = new torch.Generator 5UL
            let weights = torch.randn ([| 192L; 3L |], generator = generator)

            let model =
                Model.FromLayers(
                    struct ("flat", Func<torch.Tensor, torch.Tensor>(fun x -> x.flatten 1L)),
                    struct ("logits", Func<torch.Tensor, torch.Tensor>(fun x -> x.matmul weights))
                )

            let images = ImageSet.FromTensor(torch.rand ([| 70L; 3L; 8L; 8L |], generator = generator) * 255.)

            let methods = [
                StudyMethod.op_Implicit (AttributionMethod.Find "saliency")
                StudyMethod("own", fun _ _ -> Explainer(fun x _ _ _ -> images.Images(Range(Index 0, Index x.Count))))
            ]

            let metrics = [ AttributionMetric.Find "sparseness"; AttributionMetric.Find "deletion" ]
            let here = Study.Run(model, images, methods, metrics)
            use stop = new CancellationTokenSource()

            let worker =
                Task.Run(fun () ->
                    use cluster = server.Connect()

                    try
                        cluster.Work(
                            Study.Plan(model, images, methods, metrics),
                            Workplace.Machine(),
                            "mine",
                            stop.Token
                        )
                    with :? OperationCanceledException ->
                        ())

            use cluster = server.Connect()
            let there = Study.Run(model, images, methods, metrics, place = cluster.Place(name = "mine"))
            stop.Cancel()
            worker.Wait()

            for a, b in Seq.zip here.Table.Scores there.Table.Scores do
                Expect.sequenceEqual
                    (Seq.map string b.PerInstance)
                    (Seq.map string a.PerInstance)
                    $"{a.Method} {a.Metric}")

        withServer "costs a few milliseconds a unit" (fun server ->
            let count = 400
            let work = Toy count
            use worker = new Worker(server, Toy count, "toy")
            let clock = Stopwatch.StartNew()
            submit server work "toy" false ignore
            let each = clock.Elapsed.TotalMilliseconds / float count
            printfn $"A unit costs %.2f{each} ms beside its own work."
            Expect.equal work.Known (Toy.Whole count) "results"
            Expect.isLessThan each 25. "milliseconds a unit, whatever else the machine does")

        withServer "is reached by many who come to a new server at once" (fun server ->
            use ready = new Barrier 12

            let come _ =
                Task.Factory.StartNew(
                    (fun () ->
                        ready.SignalAndWait()
                        use cluster = server.Connect()
                        ()),
                    TaskCreationOptions.LongRunning
                )

            Array.init 12 come |> Task.WaitAll)

        withServer "that two submit is computed once, and both have it" (fun server ->
            let submitted, own = [ Toy 40; Toy 40 ], Toy 40
            use worker = new Worker(server, own, "toy")

            [| for work in submitted -> Task.Run(fun () -> submit server work "toy" false ignore) |]
            |> Task.WaitAll

            for work in submitted do
                Expect.equal work.Known (Toy.Whole 40) "results"

            Expect.equal (List.sort own.Computed) [ 0..39 ] "each once"
            let again = Toy 40
            submit server again "toy" false ignore
            Expect.equal again.Known (Toy.Whole 40) "what is known is there at once"
            Expect.hasLength own.Computed 40 "and is not computed again")

        withServer "of a worker that leaves is left to others, and is no loss" (fun server ->
            use begun = new ManualResetEventSlim()

            let waits _ (cancellation: CancellationToken) =
                begun.Set()
                cancellation.WaitHandle.WaitOne 30000 |> ignore
                cancellation.ThrowIfCancellationRequested()
                WorkResult "late"

            let work = Toy 5
            let running = Task.Run(fun () -> submit server work "toy" false ignore)

            for _ in 1..7 do
                begun.Reset()
                let leaving = new Worker(server, Toy(5, waits), "toy")
                Expect.isTrue (begun.Wait 10000) "it is at a unit"
                leaving.Stop()

            use worker = new Worker(server, Toy 5, "toy")
            running.Wait()
            Expect.equal work.Known (Toy.Whole 5) "all, after more leaves than there may be losses"
            Expect.isEmpty work.Lost "none is lost")

        withServer "that no machine can do is given up, and the rest goes on" (fun server ->
            let compute i _ = if i = 3 then WorkResult("", "There is not enough memory") else WorkResult(Toy.Result i)
            let work, own, said = Toy 8, Toy(8, compute), ResizeArray()
            use worker = new Worker(server, own, "toy", said = said.Add)
            submit server work "toy" false ignore
            Expect.equal work.Known (Toy.Whole 8 |> List.removeAt 3) "the rest"
            Expect.equal (List.map fst work.Lost) [ 3 ] "it is named"
            Expect.stringContains (snd work.Lost[0]) "5 workers were lost over it" "why"
            Expect.hasLength (own.Computed |> List.filter ((=) 3)) 5 "five tries"
            Expect.isTrue (said |> Seq.exists _.Contains("not enough memory")) "the worker says why")

        withServer "that fails by itself is told of as it comes, and is not tried again" (fun server ->
            let fails i _ =
                if i = 2 then
                    WorkResult("refused", Fault = "the model does not allow it")
                else
                    WorkResult(Toy.Result i)

            let own, said = Toy(5, fails), ResizeArray()
            use worker = new Worker(server, own, "toy")
            submit server (Toy 5) "toy" false said.Add
            Expect.isTrue (said |> Seq.exists _.Contains("the model does not allow it")) $"%A{List.ofSeq said}"
            Expect.hasLength own.Computed 5 "each once")

        withServer "has large results, which come in pieces" (fun server ->
            let large i = String(char (int 'a' + i), 3_000_000)
            let work = Toy 3
            use worker = new Worker(server, Toy(3, fun i _ -> WorkResult(large i)), "toy")
            submit server work "toy" false ignore
            Expect.equal work.Known [ for i in 0..2 -> large i ] "results")

        withServer "waits for machines of its kind, unless it is mixed" (fun server ->
            let other, own = Toy 10, Toy 10
            use stranger = new Worker(server, other, "toy", machine' = "another processor")
            use worker = new Worker(server, own, "toy")
            use second = new Worker(server, own, "toy")
            Thread.Sleep 1000
            let work, said = Toy 10, ResizeArray()
            submit server work "toy" false said.Add
            Expect.equal work.Known (Toy.Whole 10) "results"
            Expect.isEmpty other.Computed "the stranger computes nothing"
            Expect.isTrue (said |> Seq.exists _.Contains("--mixed")) "which is said"
            let mixed = Toy(30, subject = "mixed")

            let slow =
                Toy(
                    30,
                    (fun i _ ->
                        Thread.Sleep 50
                        WorkResult(Toy.Result i)),
                    "mixed"
                )

            use third = new Worker(server, slow, "mixed", machine' = "another processor")

            use fourth =
                new Worker(
                    server,
                    Toy(
                        30,
                        (fun i _ ->
                            Thread.Sleep 50
                            WorkResult(Toy.Result i)),
                        "mixed"
                    ),
                    "mixed"
                )

            submit server mixed "mixed" true ignore
            Expect.equal mixed.Known (Toy.Whole 30) "of both"
            Expect.isGreaterThan slow.Computed.Length 0 "the stranger helps")

        withServer "is listed while it goes on, and forgotten when that is wished" (fun server ->
            let work = Toy 6
            use worker = new Worker(server, Toy 6, "toy")
            submit server work "toy" false ignore
            use cluster = server.Connect()
            let listed = cluster.Studies() |> Seq.exactlyOne
            Expect.equal (listed.Name, listed.Units, listed.Done) ("toy", 6, 6) "the study"
            Expect.hasLength (cluster.Workers()) 1 "its worker"
            cluster.Forget "toy"
            Expect.isEmpty (cluster.Studies()) "it is gone"
            let told = Expect.throwsC (fun () -> cluster.Forget "toy") _.Message
            Expect.stringContains told "no study 'toy'" "and cannot go twice"
            // The name is free for other work.
            let other = Toy(4, subject = "other")
            use worker = new Worker(server, Toy(4, subject = "other"), "toy")
            submit server other "toy" false ignore
            Expect.equal other.Known (Toy.Whole 4) "other work")

        withServer "that is forgotten meanwhile ends with a sentence" (fun server ->
            let never i (stop: CancellationToken) =
                stop.WaitHandle.WaitOne 60000 |> ignore
                stop.ThrowIfCancellationRequested()
                WorkResult "late"

            use worker = new Worker(server, Toy(2, never), "toy")
            let running = Task.Run(fun () -> submit server (Toy 2) "toy" false ignore)
            use cluster = server.Connect()

            while cluster.Studies().Count = 0 do
                Thread.Sleep 50

            cluster.Forget "toy"
            let told = Expect.throwsC (fun () -> running.GetAwaiter().GetResult()) _.Message
            Expect.stringContains told "has forgotten 'toy'" "a sentence")
    ]
