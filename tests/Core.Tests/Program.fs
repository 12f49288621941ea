module Program

open Expecto

[<EntryPoint>]
let main arguments =
    Attribution.Core.Runtime.start ()

    testList "Core" [ DiffTests.tests ]
    |> runTestsWithCLIArgs [] arguments
