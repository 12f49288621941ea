module Program

open Expecto

[<EntryPoint>]
let main arguments =
    Attribution.Core.Runtime.start ()

    testList "Core" [ RuntimeTests.tests; TensorTests.tests; DiffTests.tests; GraphTests.tests; ModelTests.tests ]
    |> runTestsWithCLIArgs [] arguments
