module Program

open Expecto
open Attribution

[<EntryPoint>]
let main arguments =
    TorchRuntime.Start()

    testList "Explorer" [
        QueueTests.tests
        GuardTests.tests
        AnswerTests.tests
        LinesTests.tests
        LoadTests.tests
        PageTests.tests
    ]
    |> testSequenced
    |> runTestsWithCLIArgs [] arguments
