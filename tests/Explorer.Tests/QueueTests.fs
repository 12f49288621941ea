module QueueTests

open System
open System.Collections.Concurrent
open System.Threading
open System.Threading.Tasks
open Expecto
open Attribution

let private patience = TimeSpan.FromSeconds 20.

/// The last that is told of a question.
let private listen (answers: Answers) key isQuick (work: Doing) (stop: CancellationToken) = task {
    let mutable last = Told()
    let all = ResizeArray()
    let heard = answers.Ask(key, isQuick, work, stop).GetAsyncEnumerator stop
    let mutable goes = true

    while goes do
        let! isMore = heard.MoveNextAsync()
        goes <- isMore

        if isMore then
            last <- heard.Current
            all.Add last.Name

    do! heard.DisposeAsync()
    return last, List.ofSeq all
}

let private said (told: Told) = Text.Encoding.UTF8.GetString told.Data
let private wait (work: Task<'a>) = if work.Wait patience then work.Result else failtest "It took too long."

let private counts (answers: Answers) name =
    (Asking.parse (Text.Encoding.UTF8.GetString(Json.Bytes answers.State)) |> Asking.number name)

let private eventually (condition: unit -> bool) what =
    if not (SpinWait.SpinUntil(condition, patience)) then
        failtest what

/// Work that goes on, pass by pass, until it is released.
let private passes (release: ManualResetEventSlim) (log: ConcurrentQueue<string>) name : Doing =
    Doing(fun progress _ ->
        log.Enqueue $"{name} begins"

        while not (release.Wait 5) do
            progress.Report(Progress(1L, 2L))

        log.Enqueue $"{name} ends"
        box {| Name = name |})

let private moment (log: ConcurrentQueue<string>) name : Doing =
    Doing(fun _ _ ->
        log.Enqueue name
        box {| Name = name |})

let private withAnswers test =
    use queue = new WorkQueue()
    test (Answers(queue, 1000L))

let tests =
    testList "Queue" [
        testCase "a question that many ask is answered once, and remembered" (fun () ->
            withAnswers (fun answers ->
                use release = new ManualResetEventSlim()
                let log = ConcurrentQueue()
                let ask () = listen answers "a" false (passes release log "a") CancellationToken.None
                let asked = [ for _ in 1..5 -> ask () ]
                eventually (fun () -> not log.IsEmpty) "it never began"
                release.Set()

                Expect.equal
                    (asked |> List.map (wait >> fst >> said) |> List.distinct)
                    [ "{\"name\":\"a\"}" ]
                    "one answer"

                Expect.equal (List.ofSeq log) [ "a begins"; "a ends" ] "one piece of work"
                let again, told = wait (ask ())
                Expect.equal (said again, told, log.Count) ("{\"name\":\"a\"}", [ "answer" ], 2) "from memory"))

        testCase
            "what nobody looks at any more is stopped within a pass, and what one still looks at goes on"
            (fun () ->
                withAnswers (fun answers ->
                    use release = new ManualResetEventSlim()
                    let log = ConcurrentQueue()
                    use first = new CancellationTokenSource()
                    use second = new CancellationTokenSource()

                    let asked = [
                        for stop in [ first; second ] -> listen answers "a" false (passes release log "a") stop.Token
                    ]

                    eventually (fun () -> not log.IsEmpty) "it never began"
                    first.Cancel()
                    Thread.Sleep 50

                    Expect.equal
                        (counts answers "running", counts answers "cancelled")
                        (1., 0.)
                        "the other one looks on"

                    second.Cancel()
                    eventually (fun () -> counts answers "cancelled" = 1.) "it was not stopped"
                    eventually (fun () -> counts answers "running" = 0.) "the processor is not free"

                    for one in asked do
                        Expect.throws (fun () -> wait one |> ignore) "it listens no more"

                    // It is asked anew, and not given the answer of the one that was stopped.
                    release.Set()
                    let told, _ = wait (listen answers "a" false (moment log "again") CancellationToken.None)
                    Expect.equal (said told) "{\"name\":\"again\"}" "asked anew"))

        testCase "what waits and is not wanted any more never begins" (fun () ->
            withAnswers (fun answers ->
                use release = new ManualResetEventSlim()
                let log = ConcurrentQueue()
                let busy = listen answers "a" false (passes release log "a") CancellationToken.None
                eventually (fun () -> not log.IsEmpty) "it never began"
                use stop = new CancellationTokenSource()
                let unwanted = [ for i in 1..20 -> listen answers $"b{i}" false (moment log "b") stop.Token ]
                eventually (fun () -> counts answers "waiting" = 20.) "they do not wait"
                stop.Cancel()

                eventually
                    (fun () -> counts answers "cancelled" = 20. && counts answers "waiting" = 0.)
                    "they still wait"

                release.Set()
                wait busy |> ignore

                for one in unwanted do
                    Expect.throws (fun () -> wait one |> ignore) "it listens no more"

                Expect.equal (List.ofSeq log) [ "a begins"; "a ends" ] "none of them began"))

        testCase "a quick question goes before the next pass of a long one, and does not end it" (fun () ->
            withAnswers (fun answers ->
                use release = new ManualResetEventSlim()
                let log = ConcurrentQueue()
                let long = listen answers "long" false (passes release log "long") CancellationToken.None
                eventually (fun () -> not log.IsEmpty) "it never began"

                let quick = [
                    for i in 1..3 -> listen answers $"quick{i}" true (moment log $"quick {i}") CancellationToken.None
                ]

                quick |> List.iter (wait >> ignore)
                Expect.isFalse long.IsCompleted "the long one goes on"
                release.Set()
                Expect.equal (said (fst (wait long))) "{\"name\":\"long\"}" "and is answered"
                Expect.equal (Seq.head log, Seq.last log) ("long begins", "long ends") "in between"))

        testCase "only one piece of work is done at a time" (fun () ->
            withAnswers (fun answers ->
                let mutable now, most = 0, 0

                let work: Doing =
                    Doing(fun progress _ ->
                        for i in 1L .. 5L do
                            most <- max most (Interlocked.Increment &now)
                            Thread.Sleep 1
                            Interlocked.Decrement &now |> ignore
                            progress.Report(Progress(i, 5L))

                        box {| Done = true |})

                [ for i in 1..40 -> listen answers $"{i}" (i % 2 = 0) work CancellationToken.None ]
                |> List.iter (wait >> ignore)

                Expect.equal most 1 "at a time"))

        testCase "what fails says so in a sentence, is not remembered, and harms nothing else" (fun () ->
            withAnswers (fun answers ->
                let fails e = Doing(fun _ _ -> raise e)
                let say e = listen answers "a" true (fails e) CancellationToken.None |> wait |> fst
                let told = say (AttributionException "No.")
                Expect.equal (told.Name, said told) ("failure", "{\"sentence\":\"No.\"}") "the sentence"
                let told = say (InvalidOperationException "inside")
                Expect.stringContains (said told) "please report it" "any other error"
                Expect.equal (counts answers "failed", counts answers "remembered") (2., 0.) "counts"
                let told, _ = wait (listen answers "a" true (moment (ConcurrentQueue()) "a") CancellationToken.None)
                Expect.equal told.Name "answer" "it lives on"))

        testCase "answers are forgotten where there is no room, the longest unused first" (fun () ->
            withAnswers (fun answers ->
                let log = ConcurrentQueue()

                let long name =
                    Doing(fun _ _ ->
                        log.Enqueue name
                        box {| Text = String('x', 180) |})

                let ask name = wait (listen answers name true (long name) CancellationToken.None) |> ignore

                for name in [ "a"; "b"; "c"; "d"; "a"; "e"; "f" ] do
                    ask name

                Expect.isLessThanOrEqual (counts answers "cacheBytes") 1000. "bounded"
                ask "a"
                ask "b"
                Expect.equal (List.ofSeq log) [ "a"; "b"; "c"; "d"; "e"; "f"; "b" ] "a was used, b was not"))

        testCase "an end in the middle of work stops it" (fun () ->
            let log = ConcurrentQueue()
            use release = new ManualResetEventSlim()

            let asked =
                use queue = new WorkQueue()
                let asked = listen (Answers(queue, 1000L)) "a" false (passes release log "a") CancellationToken.None
                eventually (fun () -> not log.IsEmpty) "it never began"
                asked

            Expect.equal (fst (wait asked)).Name "failure" "told"
            Expect.equal (List.ofSeq log) [ "a begins" ] "not finished")
    ]
    |> testSequenced
