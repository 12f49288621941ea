module ScriptTests

open System
open System.Diagnostics
open System.IO
open System.Text.RegularExpressions
open Expecto
open SkiaSharp
open Support

/// The repository's folder, from which the tests were built.
let private root =
    let rec up (folder: DirectoryInfo) =
        if File.Exists(folder.FullName </> "Attribution.sln") then folder.FullName else up folder.Parent

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

        example "a metric of a map is differentiated in the map, the image and the weights" (fun folder ->
            let run = interactive "derivatives.fsx" folder
            Expect.equal (run.Code, run.Error) (0, "") "it runs without a word of complaint"

            let norm (what: string) =
                let line = run.Out.Split '\n' |> Array.find _.Contains(what)
                line.TrimEnd('.', '\r').Split ' ' |> Array.last |> float

            for what in [ "in the map has"; "in the image has"; "in the weights has"; "A Hessian-vector"; "Soft 0.1" ] do
                Expect.isGreaterThan (norm what) 0.01 what

            Expect.equal (norm "Exact: its gradient") 0. "an order has the derivative 0"

            let gap = Regex.Match(run.Out, "differ from the last by (\\S+) at most")
            Expect.isLessThan (float gap.Groups[1].Value) 1e-5 "central differences agree")
    ]
