/// A real browser, headless, for the tests of pages.
module Browser

open System.IO
open System.Threading.Tasks
open Microsoft.Playwright

[<Literal>]
let private Chromium = "/usr/bin/chromium"

let isThere = File.Exists Chromium

let wait (work: Task<'a>) = work.GetAwaiter().GetResult()
let finish (work: Task) = work.GetAwaiter().GetResult()

let private flags = [
    "--no-sandbox"
    "--disable-gpu"
    "--disable-quic"
    "--no-first-run"
    "--disable-background-networking"
    "--disable-component-update"
    "--disable-sync"
]

let launch (playwright: IPlaywright) : IBrowser =
    wait (
        playwright.Chromium.LaunchAsync(
            BrowserTypeLaunchOptions(ExecutablePath = Chromium, Args = flags, Headless = true)
        )
    )
