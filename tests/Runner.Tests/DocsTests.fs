module DocsTests

open System.IO
open System.Text.RegularExpressions
open Expecto
open Attribution
open Support

let private docs =
    lazy
        (match checkout with
         | Some root -> root </> "docs"
         | None -> failtest "There is no checkout around the tests.")

let private committed name =
    File.ReadAllText(docs.Value </> name).ReplaceLineEndings "\n"

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
        page
        |> Map.tryFind title
        |> Option.defaultWith (fun () -> failtest $"'{title}' has no section.")

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
            Expect.hasLength page (AttributionMethod.All.Count + 1) "no section of a method that is gone")

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
                        Expect.isTrue (file = "" || File.Exists(docs.Value </> file)) $"{name}: {file}"

                        if place <> "" then
                            let page = committed (if file = "" then name else file)
                            Expect.stringContains page $"<a id=\"{place}\"></a>" $"{name}: #{place}")

        example "a file in a folder inside the output appears with the others, or not at all" (fun folder ->
            let write name =
                use output = new OutputFolder(folder </> name)
                File.WriteAllText(output.Draft "page.md", "")
                File.WriteAllText(output.Draft "pictures/a.png", "")
                Expect.isFalse (File.Exists(folder </> name </> "page.md")) "only drafts so far"

                if name = "kept" then
                    let names = output.Commit() |> List.ofSeq
                    Expect.equal names [ "page.md"; "pictures/a.png" ] "what is committed"

            write "kept"
            write "dropped"
            Expect.equal (files folder) [ "kept"; "kept/page.md"; "kept/pictures"; "kept/pictures/a.png" ] "files")

        example "'attribution methods --out' that cannot write its folder says so in a sentence" (fun folder ->
            File.WriteAllText(folder </> "taken", "")
            let told = attribution $"methods --out {folder}/taken" |> fails
            Expect.stringContains told "taken" "the folder")
    ]
