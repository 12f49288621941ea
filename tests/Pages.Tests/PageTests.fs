module PageTests

open System
open System.IO
open Expecto
open Microsoft.Playwright
open TorchSharp
open Attribution
open Browser
open Attribution.Pages


/// The demo's page, of two scenes a class, with a name that would do harm if it were not escaped.
let private write folder =
    use scenes = ConceptScenes.Draw(2 * ConceptScenes.ClassNames.Count, 7)
    use network = Model.LoadVgg16 DemoNetwork.WeightsPath
    use model = network.To(torch.CPU, Precision.Float32)

    let names =
        ConceptScenes.ClassNames
        |> Seq.mapi (fun k name -> if k = 0 then "<img src=x onerror=alert(1)>" else name)

    use report =
        AttributionReport.Create(
            model,
            scenes.Images,
            ReportOptions(
                Names = ClassNames.Of names,
                BatchSize = Nullable 32,
                Truth = ReportTruth(scenes.ObjectMasks, scenes.PartMasks, ConceptScenes.Pairs)
            )
        )

    let file = Path.Combine(folder, "index.html")
    File.WriteAllText(file, fst (ReportPage.render ReportPageTests.source report))
    file

/// A browser with the page open, and what it complained of and asked for.
type private Visit = { Page: IPage; Complaints: ResizeArray<string>; Requests: ResizeArray<string> }

let private visit (browser: IBrowser) (file: string) (scheme: ColorScheme) width (test: Visit -> unit) =
    let options =
        BrowserNewPageOptions(ColorScheme = Nullable scheme, ViewportSize = ViewportSize(Width = width, Height = 900))

    let page = wait (browser.NewPageAsync options)

    let visit = { Page = page; Complaints = ResizeArray(); Requests = ResizeArray() }

    page.Console.Add(fun message ->
        if message.Type = "error" || message.Type = "warning" then
            visit.Complaints.Add message.Text)

    page.PageError.Add visit.Complaints.Add
    page.Request.Add(fun request -> visit.Requests.Add request.Url)

    try
        wait (page.GotoAsync(Uri(file).AbsoluteUri)) |> ignore
        test visit
    finally
        finish (page.CloseAsync())

let private ask<'a> visit (script: string) : 'a = wait (visit.Page.EvaluateAsync<'a> script)

let private press visit key = finish (visit.Page.Keyboard.PressAsync key)

/// The numbers of the column of the average drop.
let private drops visit =
    ask<float[]> visit "[...document.querySelectorAll('#drop tbody tr')].map(r => parseFloat(r.cells[1].dataset.value))"

let private sortState visit =
    ask<string> visit "document.querySelectorAll('#drop th[scope=col]')[1].getAttribute('aria-sort')"

let private isOpen visit = ask<bool> visit "document.querySelector('dialog').open"

let private caption visit = ask<string> visit "document.querySelector('dialog p').textContent"

/// Opens what is folded.
let private openAll = "document.querySelectorAll('details').forEach((d) => { d.open = true; })"

/// The id of something in what is folded.
let private folded = "[...document.querySelectorAll('details:not([open]) [id]')].at(-1).id"

/// Whether it can be seen now, and something of it is in the window.
let private isSeen =
    "(id) => { const e = document.getElementById(id); const r = e.getBoundingClientRect(); return e.checkVisibility() && r.bottom > 0 && r.top < innerHeight; }"

/// The worst contrast of any text with what is behind it, and the text.
let private contrast =
    """(() => {
      document.querySelectorAll('details').forEach((d) => { d.open = true; });
      const rgb = (c) => c.match(/[\d.]+/g).map(Number);
      const light = (c) => { const v = c / 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; };
      const luminance = ([r, g, b]) => 0.2126 * light(r) + 0.7152 * light(g) + 0.0722 * light(b);
      const behind = (e) => { for (; e; e = e.parentElement) { const c = rgb(getComputedStyle(e).backgroundColor); if (c.length === 3 || c[3] > 0) return c; } return [255, 255, 255]; };
      const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
      let worst = [21, ''];
      while (walker.nextNode()) {
        const e = walker.currentNode.parentElement;
        if (!walker.currentNode.data.trim() || e.closest('script, style, dialog') || !e.getClientRects().length) continue;
        const style = getComputedStyle(e);
        const [a, b] = [luminance(rgb(e.closest('svg') ? style.fill : style.color)), luminance(behind(e))];
        const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        if (ratio < worst[0]) worst = [ratio, walker.currentNode.data];
      }
      return worst[0] >= 4.5 ? '' : worst.join(' ');
    })()"""

let private checks: (string * (IBrowser -> string -> unit)) list =
    let at (scheme: ColorScheme) width test browser file = visit browser file scheme width test

    [
        "the page complains of nothing and asks for nothing but itself",
        at ColorScheme.Light 1200 (fun visit ->
            Expect.isEmpty visit.Complaints "complaints"
            let others = visit.Requests |> Seq.filter (fun url -> not (url.StartsWith "data:"))
            Expect.hasLength (List.ofSeq others) 1 "requests")

        "every image decodes, and says in words what it shows",
        at ColorScheme.Light 1200 (fun visit ->
            let broken =
                ask<int>
                    visit
                    "Promise.all([...document.images].map(i => i.decode().then(() => i.naturalWidth > 0 && i.alt ? 0 : 1, () => 1))).then(all => all.reduce((a, b) => a + b, 0))"

            Expect.isGreaterThan (ask<int> visit "document.images.length") 100 "images"
            Expect.equal broken 0 "broken images")

        "a hostile name is text",
        at ColorScheme.Light 1200 (fun visit ->
            Expect.equal (ask<int> visit "document.querySelectorAll('img[onerror]').length") 0 "no element of it"
            Expect.isTrue (ask<bool> visit "document.body.innerText.includes('<img src=x')") "it is shown")

        "the mouse sorts a table, one way and the other",
        at ColorScheme.Light 1200 (fun visit ->
            let head = visit.Page.Locator("#drop th[scope=col] button").Nth 1
            finish (head.ClickAsync())
            let ascending = drops visit
            Expect.equal ascending (Array.sort ascending) "ascending"
            Expect.equal (sortState visit) "ascending" "as announced"
            finish (head.ClickAsync())
            Expect.equal (drops visit) (Array.rev ascending) "descending"
            Expect.equal (sortState visit) "descending" "as announced")

        "the keyboard sorts a table",
        at ColorScheme.Light 1200 (fun visit ->
            finish (visit.Page.Locator("#drop th[scope=col] button").Nth(1).FocusAsync())
            press visit "Enter"
            Expect.equal (drops visit) (Array.sort (drops visit)) "ascending")

        "the mouse enlarges a figure and closes it",
        at ColorScheme.Light 1200 (fun visit ->
            let figure = visit.Page.Locator("#methods .zoom").First
            let small = wait (figure.Locator("img").BoundingBoxAsync())
            finish (figure.ClickAsync())
            Expect.isTrue (isOpen visit) "open"
            let large = wait (visit.Page.Locator("dialog img").BoundingBoxAsync())
            Expect.isGreaterThan large.Width (2f * small.Width) "larger"
            Expect.stringContains (caption visit) "predicted" "labelled"
            finish (visit.Page.Locator("dialog button[value=close]").ClickAsync())
            Expect.isFalse (isOpen visit) "closed")

        "the keyboard enlarges a figure, goes to the next, closes it and is back where it was",
        at ColorScheme.Light 1200 (fun visit ->
            finish (visit.Page.Locator("#methods .zoom").First.FocusAsync())
            press visit "Enter"
            Expect.isTrue (isOpen visit) "open"
            let first = caption visit
            press visit "ArrowRight"
            Expect.notEqual (caption visit) first "another figure"
            press visit "ArrowLeft"
            Expect.equal (caption visit) first "back"
            press visit "Escape"
            Expect.isFalse (isOpen visit) "closed"
            Expect.equal (ask<string> visit "document.activeElement.className") "zoom" "focus")

        "the first tab stop leads past the contents",
        at ColorScheme.Light 1200 (fun visit ->
            press visit "Tab"
            Expect.equal (ask<string> visit "document.activeElement.hash") "#main" "a skip link")

        "a link to what is folded opens it, and so does one from another page",
        at ColorScheme.Light 1200 (fun visit ->
            let id = ask<string> visit folded
            Expect.isFalse (wait (visit.Page.EvaluateAsync<bool>(isSeen, id))) "closed"

            wait (visit.Page.EvaluateAsync<obj>("(id) => { location.hash = id; }", id)) |> ignore

            wait (visit.Page.WaitForFunctionAsync(isSeen, id)) |> ignore
            let address = visit.Page.Url
            wait (visit.Page.GotoAsync "about:blank") |> ignore
            wait (visit.Page.GotoAsync address) |> ignore
            wait (visit.Page.WaitForFunctionAsync(isSeen, id)) |> ignore)

        "print shows what is folded",
        at ColorScheme.Light 1200 (fun visit ->
            let id = ask<string> visit folded
            finish (visit.Page.EmulateMediaAsync(PageEmulateMediaOptions(Media = Nullable Media.Print)))

            let height = ask<float> visit $"document.getElementById('{id}').getBoundingClientRect().height"

            Expect.isTrue (ask<bool> visit $"document.getElementById('{id}').checkVisibility()") "shown"
            Expect.isGreaterThan height 10. "pixels")

        "the page is a few screens long, and says what was found on the first",
        at ColorScheme.Light 1280 (fun visit ->
            let height = ask<int> visit "document.scrollingElement.scrollHeight"
            Expect.isLessThan height 9000 "pixels"

            let bottom selector =
                ask<float> visit $"document.querySelector('{selector}').getBoundingClientRect().bottom"

            Expect.isLessThan (bottom ".brief") 900. "what was found"
            Expect.isLessThan (bottom ".best") 900. "the picture")

        for scheme in [ ColorScheme.Light; ColorScheme.Dark ] do
            $"the {scheme.ToString().ToLowerInvariant()} scheme has a contrast of 4.5 at least",
            at scheme 1200 (fun visit -> Expect.equal (ask<string> visit contrast) "" "the worst contrast")

        for width in [ 390; 900; 1400 ] do
            $"a window {width} pixels wide shows the whole width",
            at ColorScheme.Light width (fun visit ->
                ask<obj> visit openAll |> ignore
                let beyond = ask<int> visit "document.scrollingElement.scrollWidth - innerWidth"
                Expect.isLessThanOrEqual beyond 0 "pixels beyond the edge")
    ]

[<Tests>]
let tests =
    if Browser.isThere then
        let folder = lazy (Directory.CreateTempSubdirectory "attribution-page-")
        let file = lazy (write folder.Value.FullName)
        let playwright = lazy (wait (Playwright.CreateAsync()))

        let browser = lazy (launch playwright.Value)

        let close () =
            finish (browser.Value.CloseAsync())
            playwright.Value.Dispose()
            folder.Value.Delete true

        testSequenced (
            testList "page" [
                for name, check in checks do
                    testCase name (fun () -> check browser.Value file.Value)

                testCase "the browser closes" close
            ]
        )
    else
        testList "page" [ for name, _ in checks -> ptestCase $"{name} (skipped: there is no Chromium)" ignore ]
