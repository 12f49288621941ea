module Toy

open System
open System.Collections.Concurrent
open System.Collections.Generic
open System.Threading
open System.Threading.Tasks
open Expecto
open Attribution
open Server

/// Work of numbered units, whose results are known.
type Toy(count: int, ?compute: int -> CancellationToken -> WorkResult, ?subject: string) =
    inherit Workload()
    let known = ConcurrentDictionary<int, string>()
    let lost = ConcurrentDictionary<int, string>()
    let computed = ConcurrentQueue<int>()
    let unit i = WorkUnit($"unit {i}", $"kind {i % 3}, unit {i}", 1. + float (i % 3))
    let number (unit: WorkUnit) = int (unit.Key.Substring 5)
    let compute = defaultArg compute (fun i _ -> WorkResult(Toy.Result i))
    static member Result(i: int) = $"{i} squared is {i * i}"
    override _.Subject = Workload.Digest(defaultArg subject "toy")

    override _.Units = seq {
        for i in 0 .. count - 1 do
            if not (known.ContainsKey i || lost.ContainsKey i) then
                unit i
    }

    override _.Parse key =
        match key.Split ' ' with
        | [| "unit"; number |] when int number < count -> unit (int number)
        | _ -> raise (AttributionException "It is no unit.")

    override _.Compute(unit, _, cancellation) =
        computed.Enqueue(number unit)
        compute (number unit) cancellation

    override _.Keep(unit, result) =
        if not (known.TryAdd(number unit, result)) then
            failtest $"{unit.Key} came twice."

    override _.Lose(unit, why) = lost[number unit] <- why
    member _.Known = [ for i in known.Keys |> Seq.sort -> known[i] ]
    member _.Lost = [ for i in lost.Keys |> Seq.sort -> i, lost[i] ]
    member _.Computed = List.ofSeq computed
    static member Whole count = [ for i in 0 .. count - 1 -> Toy.Result i ]

let machine = Workplace.Machine()

/// A worker as long as the work goes on.
type Worker(server: Server, work: Workload, name: string, ?machine': string, ?said: string -> unit) =
    let stop = new CancellationTokenSource()

    let running =
        Task.Run(fun () ->
            use cluster = server.Connect(defaultArg said ignore)

            try
                cluster.Work(work, defaultArg machine' machine, name, stop.Token)
            with :? OperationCanceledException ->
                ())

    member _.Running = running

    member _.Stop() =
        stop.Cancel()
        running.Wait()

    interface IDisposable with
        member this.Dispose() =
            stop.Cancel()

            try
                running.Wait()
            with _ ->
                ()

/// Has it computed, and gives up after a minute.
let submit (server: Server) (work: Workload) name isMixed (said: string -> unit) =
    use cluster = server.Connect said
    use late = new CancellationTokenSource(TimeSpan.FromSeconds 60.)
    cluster.Place(null, name, isMixed).Do(work, null, late.Token)
