module SimulationTests

open System
open System.Collections.Generic
open Expecto

/// What happens in a simulated cluster.
[<Struct>]
type private Event =
    | Finishes of worker: int * unit: int * life: int
    | Dies of worker: int
    | Joins of worker: int
    | Expires of unit: int

type private Outcome = {
    /// When the last unit is done, in seconds.
    End: float
    /// What the workers that were there could have done in that time, in units of a machine of speed 1.
    Offered: float
    /// What the units take on a machine of speed 1, altogether.
    Work: float
    /// From when the first worker finds nothing to do.
    Idle: float
    Lost: int
}

/// Machines of unequal speed that die and come back, and a queue that gives a unit to another when its lease has ended.
let private simulate seed (costs: float[]) workers (dying: float) (lease: float) (overhead: float) (comesBack: float) =
    let random = Random(seed: int)
    let events = PriorityQueue<Event, struct (float * int)>()
    let mutable number = 0

    let at time event =
        number <- number + 1
        events.Enqueue(event, struct (time, number))

    let speeds = Array.init workers (fun _ -> 0.5 + 1.5 * random.NextDouble())
    let lifetime () = -3600. / dying * Math.Log(1. - random.NextDouble())
    let waiting = Queue<int>(Seq.init costs.Length id)
    let isDone = Array.zeroCreate<bool> costs.Length
    let free = Queue<int>()
    let lives = Array.zeroCreate<int> workers
    let at' = Array.create workers -1
    let since = Array.zeroCreate<float> workers
    let mutable left, lost, idle, offered, finish = costs.Length, 0, nan, 0., 0.
    let isAlive = Array.zeroCreate<bool> workers

    let give now =
        while free.Count > 0 && waiting.Count > 0 do
            let worker = free.Dequeue()

            if isAlive[worker] && at'[worker] < 0 then
                let unit = waiting.Dequeue()
                at'[worker] <- unit
                at (now + overhead + costs[unit] / speeds[worker]) (Finishes(worker, unit, lives[worker]))

        if waiting.Count = 0 && free.Count > 0 && Double.IsNaN idle then
            idle <- now

    for worker in 0 .. workers - 1 do
        at 0. (Joins worker)

    while left > 0 do
        let mutable event = Unchecked.defaultof<Event>
        let mutable time = struct (0., 0)
        events.TryDequeue(&event, &time) |> ignore
        let struct (now, _) = time

        match event with
        | Joins worker ->
            isAlive[worker] <- true
            lives[worker] <- lives[worker] + 1
            since[worker] <- now
            at (now + lifetime ()) (Dies worker)
            free.Enqueue worker
        | Dies worker ->
            isAlive[worker] <- false
            offered <- offered + (now - since[worker]) * speeds[worker]

            if at'[worker] >= 0 then
                lost <- lost + 1
                at (now + lease) (Expires at'[worker])
                at'[worker] <- -1

            at (now + comesBack) (Joins worker)
        | Finishes(worker, unit, life) ->
            if isAlive[worker] && lives[worker] = life then
                at'[worker] <- -1
                free.Enqueue worker

                if not isDone[unit] then
                    isDone[unit] <- true
                    left <- left - 1
                    finish <- now
        | Expires unit ->
            if not isDone[unit] then
                waiting.Enqueue unit

        give now

    for worker in 0 .. workers - 1 do
        if isAlive[worker] then
            offered <- offered + (finish - since[worker]) * speeds[worker]

    {
        End = finish
        Offered = offered
        Work = Array.sum costs
        Idle = if Double.IsNaN idle then finish else idle
        Lost = lost
    }

/// Twenty methods, of which the dearest takes three hundred times the cheapest, over parts of so many images.
let private study images part isLongestFirst =
    let perImage = Array.init 20 (fun method -> 0.1 * 300. ** (float method / 19.))

    let costs = [|
        for _ in 1 .. images / part do
            yield! perImage |> Array.map ((*) (float part))
    |]

    if isLongestFirst then Array.sortDescending costs else costs

let private waste o = 1. - o.Work / o.Offered

let tests =
    testList "a simulated cluster" [
        testCase
            "of a hundred unequal machines, one in a hundred of which dies an hour, wastes less than 2 %"
            (fun () ->
                let o = simulate 1 (study 50_000 25 true) 100 0.01 20. 0.005 600.
                Expect.isGreaterThan o.Lost 3 "some units are lost"
                Expect.isLessThan (waste o) 0.02 $"the share that is not work, of {o.End / 3600.:F1} h"
                // No longer than the slowest machine takes for what is left when nothing waits any more.
                Expect.isLessThan (o.End - o.Idle) (25. * 30. / 0.5 + 20.) "the tail")

        testCase "in which nobody dies ends when its work is done, and a unit is computed once" (fun () ->
            let o = simulate 2 (study 2_000 25 true) 10 1e-9 20. 0. 600.
            Expect.equal o.Lost 0 "none is lost"
            Expect.isGreaterThan (o.Work / o.Offered) 0.98 "the machines are busy"
            Expect.isLessThanOrEqual o.Work o.Offered "no more is done than can be")

        testCase "has a shorter tail where the longest units are first" (fun () ->
            let tail isLongestFirst =
                let o = simulate 3 (study 50_000 25 isLongestFirst) 100 0.01 20. 0.005 600.
                o.End - o.Idle

            Expect.isLessThan (tail true) (tail false / 1.5) "the tail")

        testCase "loses more to large units than to a long lease" (fun () ->
            let end' part lease = (simulate 4 (study 50_000 part true) 100 0.05 lease 0.005 600.).End
            let small = end' 25 20.
            Expect.isLessThan small (end' 500 20.) "units of 500 images end later"
            Expect.isLessThan (abs (end' 25 120. / small - 1.)) 0.02 "a lease of two minutes changes little")
    ]

/// The figures of docs/cluster.md.
let figures () = [
    for part, lease, isLongestFirst in [ 25, 20., true; 25, 20., false; 25, 120., true; 125, 20., true; 500, 20., true ] do
        let o = simulate 1 (study 50_000 part isLongestFirst) 100 0.01 lease 0.005 600.
        part, lease, isLongestFirst, o.End / 3600., 100. * waste o, o.End - o.Idle, o.Lost
]
