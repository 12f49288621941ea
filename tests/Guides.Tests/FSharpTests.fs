module FSharpTests

open System
open System.Diagnostics
open System.IO
open System.Text.RegularExpressions
open Expecto
open Support

let private assemblies = [ "TorchSharp"; "Attribution.Core"; "Attribution"; "Attribution.Pages"; "Attribution.Demo" ]

/// The blocks of a page as one script on the assemblies of this build, whose errors name the page and its lines.
let private script (page: Guides.Page) (blocks: Guides.Block list) =
    // Packages are what this build is.
    let code (line: string) = if Regex.IsMatch(line, "^#r \"nuget:") then "" else line

    String.concat "\n" [
        yield $"#I @\"{AppContext.BaseDirectory}\""
        yield! [ for name in assemblies -> $"#r \"{name}.dll\"" ]
        yield $"printfn \"%%s\" \"== {page.Name}\""

        for block in blocks do
            yield $"# {block.Line} \"{page.Name}\""
            yield! List.map code block.Lines
    ]

let tests =
    testList "F#" [
        // One process, since most of a script's time is its start.
        example "the scripts of all pages run, and print what the pages say" (fun folder ->
            let pages = [
                for page in Guides.all do
                    match Guides.ofLanguage "fsharp" page with
                    | [] -> ()
                    | blocks -> page, blocks
            ]

            let file (page: Guides.Page) = Path.GetFileNameWithoutExtension(page.Name).Replace("-", "") + ".fsx"

            for page, blocks in pages do
                File.WriteAllText(folder </> file page, script page (List.map fst blocks))

            File.WriteAllLines(folder </> "all.fsx", [ for page, _ in pages -> $"#load \"{file page}\"" ])
            Reader.files folder

            let info = ProcessStartInfo("dotnet", [ "fsi"; "--warnaserror+"; "all.fsx" ], WorkingDirectory = folder)

            info.RedirectStandardOutput <- true
            info.RedirectStandardError <- true
            let run = finish (Process.Start info)
            Expect.equal (run.Code, run.Error) (0, "") "they run without a word of complaint"

            for page, blocks in pages do
                let part = run.Out.Split "== " |> Array.find (fun part -> part.StartsWith $"{page.Name}\n")

                Guides.printed (List.collect snd blocks) part)
    ]
