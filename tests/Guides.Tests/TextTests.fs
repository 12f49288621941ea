module TextTests

open System
open System.IO
open System.Text.RegularExpressions
open Expecto
open Attribution
open Support

let private slug (heading: string) = Regex.Replace(heading.ToLowerInvariant(), @"[^\w\- ]", "").Trim().Replace(' ', '-')

/// The places of a page that a link can lead to.
let private places (text: string) =
    set [
        for m in Regex.Matches(text, "<a id=\"([^\"]+)\">") -> m.Groups[1].Value
        for m in Regex.Matches(text, @"(?m)^#+ (.+)$") -> slug m.Groups[1].Value
    ]

/// The lines of a page's commands, each with its continuations.
let private commands (page: Guides.Page) = [
    for block in page.Blocks do
        if block.Info = "sh" then
            yield!
                (String.concat "\n" block.Lines).Replace("\\\n", " ").Split('\n', StringSplitOptions.TrimEntries)
                |> Array.map _.Split(' ', StringSplitOptions.RemoveEmptyEntries)
                |> Array.filter (fun words -> words.Length > 0)
]

let private help =
    let known = Collections.Generic.Dictionary<string, string>()

    fun command ->
        match known.TryGetValue command with
        | true, text -> text
        | _ ->
            let outcome = attribution $"{command} --help"
            Expect.equal outcome.Code 0 $"'attribution {command} --help': {outcome.Error}"
            known[command] <- outcome.Out
            outcome.Out

let private names option =
    match option with
    | "--method"
    | "--methods" -> Some("influence-directed" :: [ for m in AttributionMethod.All -> m.Name ])
    | "--metrics" -> Some [ for m in AttributionMetric.All -> m.Name ]
    | _ -> None

/// A command of the program has its options, and they name what there is.
let private isCommand name (words: string list) =
    match words with
    | [] -> ()
    | command :: rest ->
        let text = help command

        for option, value in List.pairwise (rest @ [ "" ]) do
            if option.StartsWith "--" then
                Expect.isTrue (Regex.IsMatch(text, $@"{Regex.Escape option}\b")) $"{name}: '{command}' has {option}"

                match names option with
                | Some known when value <> value.ToUpperInvariant() ->
                    for one in value.Split ',' do
                        Expect.contains ("all" :: known) one $"{name}: {option} {one}"
                | _ -> ()

let tests =
    testList "text" [
        for page in Guides.everything do
            testCase $"what {page.Name} links to is there" (fun () ->
                let folder = Path.GetDirectoryName(Guides.root </> page.Name)

                for link in Regex.Matches(page.Text, @"\]\(([^)#\s]*)(?:#([^)\s]*))?\)") do
                    let file, place = link.Groups[1].Value, link.Groups[2].Value

                    if not (Regex.IsMatch(file, "^https?:")) then
                        let target = if file = "" then Guides.root </> page.Name else folder </> file

                        Expect.isTrue (Path.Exists target) $"{page.Name}: {file}"

                        if place <> "" then
                            Expect.contains (places (File.ReadAllText target)) place $"{page.Name}: {file}#{place}")

        for page in Guides.all do
            testCase $"the commands of {page.Name} exist, and take their options" (fun () ->
                for words in commands page do
                    match List.ofArray words with
                    | ("./attribution" | "attribution") :: rest -> isCommand page.Name rest
                    | script :: _ when script.StartsWith "./" ->
                        Expect.isTrue (File.Exists(Guides.root </> script)) $"{page.Name}: {script}"
                    | _ -> ())

        testCase "the guide to metrics has every metric" (fun () ->
            let guide = Guides.all |> List.find _.Name.EndsWith("what-each-metric-means.md")

            for metric in AttributionMetric.All do
                Expect.stringContains guide.Text $"#{metric.Name})" metric.Name)

        testCase "every guide is on the README's list" (fun () ->
            let readme = Guides.all.Head

            for guide in Guides.all.Tail do
                Expect.stringContains readme.Text $"]({guide.Name})" guide.Name)
    ]
