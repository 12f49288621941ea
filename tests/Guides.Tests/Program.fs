module Program

open Expecto
open Attribution

[<EntryPoint>]
let main arguments =
    TorchRuntime.Start()

    testList "Guides" [ TextTests.tests; CSharpTests.tests; FSharpTests.tests ]
    |> testSequenced
    |> runTestsWithCLIArgs [] arguments
