module Program

open Attribution
open Expecto

[<EntryPoint>]
let main argv =
    TorchRuntime.Start()

    runTestsWithCLIArgs
        []
        argv
        (testList "Pages" [
            DrawingTests.tests
            ChartsTests.tests
            PicturesTests.tests
            DocsTests.tests
            AgreementTests.tests
            ReportPageTests.tests
            PageTests.tests
        ])
