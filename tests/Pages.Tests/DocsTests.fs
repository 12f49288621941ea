module DocsTests

open System
open System.IO
open System.Text.RegularExpressions
open Expecto
open Attribution

let private docs =
    let rec up (folder: DirectoryInfo) =
        if isNull folder then
            failtest "There is no checkout around the tests."
        elif File.Exists(Path.Combine(folder.FullName, "Attribution.sln")) then
            Path.Combine(folder.FullName, "docs")
        else
            up folder.Parent

    lazy up (DirectoryInfo AppContext.BaseDirectory)

let private committed name = File.ReadAllText(Path.Combine(docs.Value, name)).ReplaceLineEndings "\n"

/// The sections of a page by their titles, links replaced by what they say.
let private sections name =
    let said = Regex.Replace(committed name, @"\[([^\]]*)\]\([^)]*\)", "$1")

    said.Split "\n## "
    |> Array.tail
    |> Array.map (fun section ->
        let title = section.IndexOf '\n'
        section[.. title - 1], section[title..])
    |> Map

let private tells (page: Map<string, string>) title facts =
    let section =
        page |> Map.tryFind title |> Option.defaultWith (fun () -> failtest $"'{title}' has no section.")

    for fact in facts do
        Expect.stringContains section fact title

let tests =
    testList "docs" [
        testCase "every method has its section in docs/methods.md, with its name, formula and source" (fun () ->
            let page = sections "methods.md"

            for m in AttributionMethod.All do
                tells page m.Title [ $"`{m.Name}`"; $"```\n{m.Formula}\n```"; m.Source; "| C# | `new " ]

            let struct (name, title, _, source) = MethodDocs.InfluenceDirected
            tells page title [ $"`{name}`"; source; "Dead experts" ]
            let ofMethods = page |> Map.filter (fun _ text -> text.Contains "| Name | `")
            Expect.hasLength ofMethods (AttributionMethod.All.Count + 1) "no section of a method that is gone")

        testCase
            "every metric has its section in docs/metrics.md, with its name, formula, source, direction and range"
            (fun () ->
                let page = sections "metrics.md"

                for m in AttributionMetric.All do
                    let better = (string m.Better).ToLowerInvariant()

                    tells page m.Title [
                        $"`{m.Name}`"
                        $"```\n{m.Formula}\n```"
                        m.Source
                        $"| Better | {better} |"
                        $"| Range | {m.Range} |"
                    ]

                Expect.hasLength page AttributionMetric.All.Count "no section of a metric that is gone")

        testCase "the pages are those that 'attribution methods --out docs' writes now" (fun () ->
            Expect.equal (committed "methods.md") (MethodDocs.Methods()) "methods.md"
            Expect.equal (committed "metrics.md") (MethodDocs.Metrics()) "metrics.md"
            Expect.equal (committed "derivatives.md") (MethodDocs.Derivatives()) "derivatives.md")

        testCase "every picture and page that they name is there, and every place that they link to" (fun () ->
            for name in [ "methods.md"; "metrics.md"; "derivatives.md" ] do
                for link in Regex.Matches(committed name, @"\]\(([^)#]*)(?:#([^)]*))?\)") do
                    let file, place = link.Groups[1].Value, link.Groups[2].Value

                    if not (file.StartsWith "https://") then
                        Expect.isTrue (file = "" || File.Exists(Path.Combine(docs.Value, file))) $"{name}: {file}"

                        if place <> "" then
                            let page = committed (if file = "" then name else file)
                            Expect.stringContains page $"<a id=\"{place}\"></a>" $"{name}: #{place}")
    ]
