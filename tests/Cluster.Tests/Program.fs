module Program

open System
open Expecto
open Attribution

[<EntryPoint>]
let main arguments =
    TorchRuntime.Start()

    match arguments with
    | [| "--simulate" |] ->
        for part, lease, isLongestFirst, hours, waste, tail, lost in SimulationTests.figures () do
            let order = if isLongestFirst then "longest first" else "by image"

            printfn
                $"{part} images a unit, lease {lease} s, {order}: %.2f{hours} h, %.2f{waste} %% waste, tail %.0f{tail} s, {lost} lost"

        0
    | _ ->
        let result =
            testList "Cluster" [ SimulationTests.tests; WorkTests.tests; FaultTests.tests; ProcessTests.tests ]
            |> testSequenced
            |> runTestsWithCLIArgs [] arguments

        GC.Collect()
        GC.WaitForPendingFinalizers()
        result
