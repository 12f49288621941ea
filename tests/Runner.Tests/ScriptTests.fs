module ScriptTests

open System
open System.Diagnostics
open System.IO
open Expecto
open SkiaSharp
open Support

/// The repository's folder, from which the tests were built.
let private root =
    let rec up (folder: DirectoryInfo) =
        if File.Exists(folder.FullName </> "Attribution.sln") then
            folder.FullName
        else
            up folder.Parent

    up (DirectoryInfo AppContext.BaseDirectory)

let private interactive (script: string) folder =
    let info =
        ProcessStartInfo("dotnet", [ "fsi"; root </> "tests" </> "Scripts" </> script ], WorkingDirectory = folder)

    info.RedirectStandardOutput <- true
    info.RedirectStandardError <- true
    finish (Process.Start info)

let tests =
    testList "F# Interactive" [
        example "the quickstart names an expert and draws what it sees" (fun folder ->
            let run = interactive "quickstart.fsx" folder
            Expect.equal (run.Code, run.Error) (0, "") "it runs without a word of complaint"
            Expect.stringContains run.Out "of fc1l is active on" "it says how often the expert is active"
            use picture = SKBitmap.Decode(folder </> "quickstart.png")
            Expect.isGreaterThan picture.Width (3 * 224) "three panels")
    ]
