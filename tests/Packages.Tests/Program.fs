module Program

open Expecto
open Support

[<EntryPoint>]
let main argv =
    try
        testList "Packages" [ ContentTests.tests; UseTests.tests ]
        |> testSequenced
        |> runTestsWithCLIArgs [] argv
    finally
        folder.Delete true
