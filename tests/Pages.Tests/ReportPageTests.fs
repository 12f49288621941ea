module ReportPageTests

open System
open System.IO
open System.Net
open System.Text.RegularExpressions
open Expecto
open Giraffe.ViewEngine
open TorchSharp
open Attribution
open Attribution.Pages

let source = { Title = "A report"; Model = "model"; Data = "images"; Command = "attribution report" }

/// A network of two units and three classes, the last of which no unit influences.
let private network () =
    let weights = torch.linspace(-1.0, 1.0, 24L).reshape(12L, 2L).DetachFromDisposeScope()

    let scores =
        torch.tensor(array2D [ [ 1.0f; -0.5f; 0.0f ]; [ -0.3f; 0.8f; 0.0f ] ]).DetachFromDisposeScope()

    Model.FromLayers(
        struct ("hidden", Func<torch.Tensor, torch.Tensor>(fun x -> x.flatten(1L).matmul weights)),
        struct ("relu", Func<torch.Tensor, torch.Tensor>(fun x -> torch.nn.functional.relu x)),
        struct ("scores", Func<torch.Tensor, torch.Tensor>(fun x -> x.matmul scores))
    )

/// The report of images of those classes, by their numbers, and its page.
let private pageOf (classes: int64[]) names (test: AttributionReport -> string -> unit) =
    use _ = torch.NewDisposeScope()
    let count = int64 classes.Length
    let values = torch.linspace(0.0, 255.0, count * 12L).reshape(count, 3L, 2L, 2L)

    let trueClasses = if classes |> Array.forall (fun k -> k < 0L) then null else classes

    use images = ImageSet.FromTensor(values, trueClasses)
    use model = network ()

    use report =
        AttributionReport.Create(model, images, ReportOptions(Names = names, PixelsPerStep = Nullable 1))

    test report (fst (ReportPage.render source report))

let private visible (html: string) =
    Regex.Replace(Regex.Replace(html, "(?s)<(style|script)>.*?</\\1>", ""), "<[^>]+>", " ")
    |> WebUtility.HtmlDecode

let private tile (html: string) (term: string) =
    Regex.Match(html.Substring(0, html.IndexOf "</header>"), $"<dt>{term}</dt><dd>([^<]*)</dd>").Groups[1].Value

let private matches pattern (text: string) = [ for m in Regex.Matches(text, pattern) -> m.Groups[1].Value ]

/// A page of three classes, the second of one image alone.
let private example test = pageOf [| 0L; 1L; 2L; 0L; 2L |] ClassNames.None test

let private tableOf rows =
    Html.table "numbers" "Numbers." [ 1..rows ] [ "name", (fun i -> Html.text $"row {i}"); "value", Html.whole ]
    |> RenderView.AsString.htmlNodes

[<Tests>]
let tests =
    testList "report page" [
        testCase "one of a thing has no plural" (fun () ->
            example (fun _ html ->
                let text = visible html
                Expect.stringContains text "its own image" "a class of one image"
                Expect.stringContains text "its own 2 images" "a class of two"

                Expect.isEmpty
                    (matches @"(\b1 (?:images|classes|units|channels|experts|pictures|rows|margins)\b)" text)
                    "a plural"))

        testCase "the tile of classes counts those that are known, or else those that are predicted" (fun () ->
            example (fun _ html -> Expect.equal (tile html "classes") "3" "true classes")

            pageOf (Array.replicate 5 -1L) ClassNames.None (fun report html ->
                let predicted = report.Instances |> Seq.map _.PredictedClass |> Seq.distinct |> Seq.length

                Expect.equal (tile html "classes predicted") (string predicted) "predicted classes"
                Expect.equal (tile html "classes") "" "no true ones"))

        testCase "there are no runners-up where no unit has influence" (fun () ->
            example (fun report html ->
                let idle = report.Experts.Experts |> Seq.filter (fun e -> e.Influence = 0.)
                Expect.isNonEmpty idle "a class that nothing influences"
                Expect.stringContains (visible html) "none has influence" "it is said"
                Expect.isFalse ((visible html).Contains "0\u00A0(0.0)") "and no unit is named"))

        testCase "every section and figure has an id of its own, and a link to it" (fun () ->
            example (fun _ html ->
                let ids = matches " id=\"([^\"]+)\"" html
                Expect.equal (List.distinct ids) ids "each id once"
                let links = matches "href=\"#([^\"]+)\"" html
                Expect.isEmpty (List.except ids links) "links that lead nowhere"

                for kind in [ "section"; "figure" ] do
                    let all = matches $"<{kind}(?! class=\"best)([^>]*)>" html
                    let own = matches $"<{kind} id=\"([^\"]+)\"" html
                    Expect.equal own.Length all.Length $"an id for each {kind}"
                    Expect.isEmpty (List.except links own) $"a link to each {kind}"))

        testCase "a long table shows its first five rows, and all of them in what is folded" (fun () ->
            let html = tableOf 21
            let ends, folded = html.Split "<details" |> fun parts -> parts[0], parts[1]

            let rows (part: string) = matches "<th scope=\"row\">(row \d+)<" part

            Expect.equal (rows ends) [ for i in 1..5 -> $"row {i}" ] "the first"
            Expect.equal (rows folded) [ for i in 1..21 -> $"row {i}" ] "all"
            Expect.stringContains folded "All 21 rows" "which is said"
            Expect.stringContains folded "id=\"numbers\"" "a link to the table opens it")

        testCase "a short table is whole, and an empty one is not there" (fun () ->
            Expect.isFalse ((tableOf 12).Contains "<details") "nothing is folded"
            Expect.equal (tableOf 0) "" "no rows")

        testCase "the first screen holds a picture and what was found, before any table" (fun () ->
            example (fun report html ->
                let header = html.Substring(0, html.IndexOf "</header>")
                Expect.isNonEmpty (matches "(<img )" header) "a picture"
                Expect.isFalse (header.Contains "<table") "no table"

                for finding in report.Findings do
                    Expect.stringContains (visible header) finding "a finding"))

        testCase "names of classes are escaped" (fun () ->
            let hostile = [ "<script>alert(1)</script>"; "\"onload=\"x"; "a & <b>" ]

            pageOf [| 0L; 1L; 2L; 0L |] (ClassNames.Of hostile) (fun _ html ->
                Expect.stringContains html (WebUtility.HtmlEncode hostile[0]) "the name is shown"

                for name in hostile do
                    Expect.isFalse (html.Contains name) $"{name} is not there as it is"))

        testCase "the page asks for nothing from outside" (fun () ->
            example (fun _ html ->
                Expect.isFalse (Regex.IsMatch(html, "https?:")) "no address"
                Expect.isFalse (Regex.IsMatch(html, "@import|url\\(")) "no style from elsewhere"

                for place in matches "\\b(?:src|href)=\"([^\"]{0,12})" html do
                    Expect.isTrue (Regex.IsMatch(place, "^(data:|#)")) $"{place} lies within the page"))

        testCase "a page is written with its pictures and numbers" (fun () ->
            let path = Directory.CreateTempSubdirectory("attribution-page-").FullName

            try
                example (fun report html ->
                    use folder = new OutputFolder(path)
                    let pictures = report.WritePage(folder, source)
                    let files = List.ofSeq (folder.Commit())
                    let drawn = files |> List.filter (fun name -> name.EndsWith ".png")
                    Expect.equal drawn.Length pictures "as many pictures as it says"
                    Expect.equal (File.ReadAllText(Path.Combine(path, "index.html"))) html "the page"

                    Expect.equal
                        (List.except drawn files)
                        [ "experts.json"; "index.html"; "scores.csv"; "scores.json" ]
                        "the other files")
            finally
                Directory.Delete(path, true))
    ]
