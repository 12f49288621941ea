module LoadTests

open System
open System.Diagnostics
open System.Net.Http
open System.Threading
open System.Threading.Tasks
open Expecto
open Attribution
open Asking

/// How long the load lasts: two minutes where somebody asks, and a few seconds among the other tests.
let private seconds =
    match Double.TryParse(Environment.GetEnvironmentVariable "ATTRIBUTION_LOAD_SECONDS") with
    | true, seconds -> seconds
    | _ -> 6.

[<Literal>]
let private Clients = 50

let private megabytes () =
    GC.Collect()
    GC.WaitForPendingFinalizers()
    GC.Collect()
    use own = Process.GetCurrentProcess()
    float own.WorkingSet64 / float (1 <<< 20)

let tests =
    testList "Load" [
        testCase
            "fifty clients: no answer is lost or another's, what is called off is stopped, and memory does not grow"
            (fun () ->
                use table = demo (ExplorerOptions(Port = 0, Names = names, MostCached = (2L <<< 20)))
                let methods = [| "saliency"; "integrated-gradients"; "grad-cam"; "lrp-epsilon"; "occlusion" |]

                let question (random: Random) =
                    let image, k = random.Next 28, random.Next 14

                    match random.Next 10 with
                    | 0 -> $"of=scores&image={image}"
                    | 1 -> $"of=curve&image={image}&method=saliency&quantity=class:{k}"
                    | 2 -> $"of=experts&layer=fc1l&quantity=class:{k}&top=3"
                    | 3 -> $"of=measure&image={image}&method=saliency&metrics=sparseness"
                    | _ ->
                        $"of=map&image={image}&method={methods[random.Next methods.Length]}&quantity=class:{k}&steps=8"

                // What tells one answer from another's: the words of the question that it repeats, and its numbers.
                let print (data: Text.Json.JsonElement) =
                    let told (name: string) =
                        match data.TryGetProperty name with
                        | true, value -> value.GetRawText()
                        | _ -> ""

                    String.concat "|" [
                        for name in [ "map"; "scores"; "logits"; "influence"; "rows"; "method"; "quantity" ] ->
                            told name
                    ]

                // Each kind once, so that what it takes at most is taken before it is looked at.
                for asked in
                    [
                        "of=curve&image=0&method=saliency"
                        "of=experts&layer=fc1l&quantity=class:0&top=3"
                        "of=measure&image=0&method=saliency&metrics=sparseness"
                        yield! methods |> Seq.map (fun method -> $"of=map&image=0&method={method}&steps=8")
                    ] do
                    answer table.Client asked |> ignore

                let known = Collections.Concurrent.ConcurrentDictionary<string, string>()
                let clock = Stopwatch.StartNew()
                let mutable answered, calledOff, half = 0, 0, 0.
                let wrong = Collections.Concurrent.ConcurrentQueue<string>()

                let client seed = task {
                    use http = new HttpClient(BaseAddress = table.Address)
                    let random = Random(seed: int)

                    while clock.Elapsed.TotalSeconds < seconds do
                        let asked = question random
                        use stop = new CancellationTokenSource()

                        if random.Next 4 = 0 then
                            stop.CancelAfter(random.Next 20)

                        try
                            let! body = http.GetStringAsync($"ask?{asked}", stop.Token)

                            match List.last (events body) with
                            | "answer", data ->
                                let print = print data
                                Interlocked.Increment &answered |> ignore

                                if known.GetOrAdd(asked, print) <> print then
                                    wrong.Enqueue $"{asked}: another answer"
                            | name, data -> wrong.Enqueue $"{asked}: {name} {data}"
                        with
                        | :? OperationCanceledException -> Interlocked.Increment &calledOff |> ignore
                        | e -> wrong.Enqueue $"{asked}: {e.Message}"
                }

                let all = [| for seed in 1..Clients -> Task.Run<unit>(fun () -> client seed) |]
                Task.Delay(TimeSpan.FromSeconds(seconds / 2.)).Wait()
                half <- megabytes ()
                Task.WaitAll [| for one in all -> one :> Task |]
                let full = megabytes ()
                Expect.isEmpty (Seq.truncate 5 wrong) "no answer is lost or another's"
                Expect.isGreaterThan answered Clients "answers"
                Expect.isGreaterThan calledOff 10 "called off"
                let state () = parse (wait (table.Client.GetStringAsync "/state"))

                Expect.isTrue
                    (SpinWait.SpinUntil(
                        (fun () ->
                            let now = state ()
                            number "open" now = 0. && number "running" now = 0. && number "waiting" now = 0.),
                        TimeSpan.FromSeconds 10.
                    ))
                    "what was called off is stopped"

                let now = state ()
                Expect.isGreaterThan (number "cancelled" now) 0. "some were stopped"
                Expect.equal (number "failed" now) 0. "none failed"
                Expect.isLessThanOrEqual (number "cacheBytes" now) (float (2 <<< 20)) "what is remembered is bounded"

                // The answers are right, not only the same: by the library itself, beside no server.
                let maps =
                    known.Keys
                    |> Seq.filter (fun asked -> asked.Contains "method=saliency" && asked.StartsWith "of=map")
                    |> Seq.truncate 10
                    |> List.ofSeq

                Expect.isNonEmpty maps "maps were asked"

                for asked in maps do
                    let words = dict [ for word in asked.Split '&' -> word.Split('=')[0], word.Split('=')[1] ]
                    let k = int (words["quantity"].Substring 6)

                    use maps =
                        SaliencyMap(table.Model, k)
                            .Attribute(Instances.op_Implicit (table.Images.Take [ int words["image"] ]))

                    let expected = doubles ((maps.``to`` TorchSharp.torch.float64).mean [| 1L |])

                    Support.close
                        1e-5
                        expected
                        (known[asked].Split('|')[0] |> fun map -> floats "map" (parse ("{\"map\":" + map + "}")))
                        asked

                printfn
                    $"{Clients} clients, %.0f{seconds} s: {answered} answers, {calledOff} called off, memory %.0f{half} MB at half time, %.0f{full} MB at the end."

                // In a few seconds not every kind of question has been asked at its largest.
                let room = if seconds < 60. then 1000. else 150.
                Expect.isLessThan full (half + room) "memory does not grow")
    ]
