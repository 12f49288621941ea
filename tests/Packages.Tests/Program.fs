module Program

open Expecto
open Support

[<EntryPoint>]
let main argv =
    try
        match argv with
        | [| "--accept-api" |] ->
            ApiTests.accept ()
            0
        | _ ->
            testList "Packages" [ ApiTests.tests; ContentTests.tests; UseTests.tests ]
            |> testSequenced
            |> runTestsWithCLIArgs [] argv
    finally
        folder.Delete true
