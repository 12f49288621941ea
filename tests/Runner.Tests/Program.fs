module Tests

open System
open Expecto
open Attribution

[<EntryPoint>]
let main arguments =
    TorchRuntime.Start()

    // The console and its streams are the process's own, so that one test must follow another.
    let result =
        testList "Runner" [
            UsageTests.tests
            LayersTests.tests
            DoctorTests.tests
            ExplainTests.tests
            FilesTests.tests
            PreprocessingTests.tests
            TorchScriptTests.tests
            OutputsTests.tests
            TasksTests.tests
            ExpertsTests.tests
            CompressTests.tests
            EvaluateTests.tests
            StudyTests.tests
            OptimisedTests.tests
            ConceptsTests.tests
            MethodsTests.tests
            MasksTests.tests
            SpeedTests.tests
            BadInputTests.tests
            ReportTests.tests
            ScriptTests.tests
            DocsTests.tests
        ]
        |> testSequenced
        |> runTestsWithCLIArgs [] arguments

    // The finaliser of a tensor left in an ended scope ends the process: it must not be one of ours.
    GC.Collect()
    GC.WaitForPendingFinalizers()
    result
