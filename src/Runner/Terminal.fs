namespace Attribution.Runner

open System
open System.Diagnostics
open System.IO
open System.Threading
open System.Threading.Tasks
open Spectre.Console
open Spectre.Console.Rendering
open Attribution

/// What long work is at: a stage, and how far it is.
type private Watched(title: string) =
    let padlock = obj ()
    let clock = Stopwatch.StartNew()
    let mutable stage = title
    let mutable fraction = 0.

    /// The stage, its fraction, how long it has taken, and what is left by that: steadier than by the last passes.
    member _.Now =
        lock padlock (fun () ->
            let left = if fraction > 0. then ValueSome(clock.Elapsed * ((1. - fraction) / fraction)) else ValueNone

            struct (stage, fraction, clock.Elapsed, left))

    interface IProgress<Progress> with
        member _.Report p =
            lock padlock (fun () ->
                let next = float p.Done / float (max 1L p.Total)

                // What begins anew has its own time.
                if next < fraction then
                    clock.Restart()

                fraction <- next
                stage <- if isNull p.Stage then title else p.Stage)

/// What a person at the terminal sees.
[<RequireQualifiedAccess>]
module Terminal =
    // Wide enough that no table in a file or a pipe is cut.
    [<Literal>]
    let private PipeWidth = 400

    let say (line: string) = Console.Out.WriteLine line

    let private console (writer: TextWriter) isPiped =
        let console = AnsiConsole.Create(AnsiConsoleSettings(Out = AnsiConsoleOutput writer))

        if isPiped then
            console.Profile.Width <- PipeWidth

        console

    /// A table, under its title and above its notes.
    let table (given: TextTable) =
        let table = Table(Border = TableBorder.Rounded)

        if given.Title <> "" then
            say given.Title

        given.Headers
        |> Seq.iteri (fun i header ->
            let column = TableColumn(Markup.Escape header)
            column.Alignment <- if i < given.Words then Justify.Left else Justify.Right
            table.AddColumn column |> ignore)

        for row in given.Rows do
            table.AddRow [ for cell in row -> Text cell :> IRenderable ] |> ignore

        (console Console.Out Console.IsOutputRedirected).Write table
        Seq.iter say given.Notes

    /// Shows the cursor again, which a progress bar hides.
    let restore () =
        if not Console.IsErrorRedirected then
            Console.Error.Write "\027[?25h"

    let private timeLeft left =
        match left with
        | ValueSome(time: TimeSpan) when time.TotalHours < 100. ->
            time.ToString(if time.TotalHours >= 1. then @"h\:mm\:ss" else @"m\:ss") + " left"
        | _ -> ""

    /// A bar, from the first second on.
    let private show (work: Watched) (finished: ManualResetEventSlim) =
        let columns: ProgressColumn[] = [| TaskDescriptionColumn(); ProgressBarColumn(); PercentageColumn() |]

        if not (finished.Wait 1000) then
            (console Console.Error false)
                .Progress()
                .AutoClear(true)
                .Columns(columns)
                .Start(fun context ->
                    let task = context.AddTask("", maxValue = 1.)

                    while not (finished.Wait 100) do
                        let struct (stage, fraction, _, left) = work.Now
                        task.Description <- Markup.Escape $"{stage} {timeLeft left}"
                        task.IsIndeterminate <- (fraction = 0.)
                        task.Value <- fraction)

    /// Lines, where no bar can be: one when a stage has taken a second, and another every ten.
    let private tell (error: TextWriter) (work: Watched) (finished: ManualResetEventSlim) =
        let since = Stopwatch.StartNew()
        let mutable told = ""

        while not (finished.Wait 200) do
            let struct (stage, fraction, elapsed, left) = work.Now
            let isNew = stage <> told

            if
                isNew && (told <> "" && since.Elapsed.TotalSeconds >= 1. || elapsed.TotalSeconds >= 1.)
                || since.Elapsed.TotalSeconds >= 10.
            then
                let how = if fraction > 0. then $""" {fraction * 100.:F0} %%, {timeLeft left}""" else ""

                error.WriteLine $"{stage} …{how}"
                told <- stage
                since.Restart()

    /// Does long work, which tells how far it is and at what; what takes over a second is shown on standard error.
    let watch (title: string) (work: IProgress<Progress> -> 'a) : 'a =
        let watched = Watched title
        use finished = new ManualResetEventSlim()
        let error = Console.Error

        let display =
            Task.Run(fun () -> if Console.IsErrorRedirected then tell error watched finished else show watched finished)

        try
            work watched
        finally
            finished.Set()
            display.Wait()

    /// Shows a page in the user's browser. What keeps it from opening is no failure of the command.
    let browse (page: string) =
        let opener =
            if OperatingSystem.IsMacOS() then "open"
            elif OperatingSystem.IsWindows() then "explorer"
            else "xdg-open"

        try
            use _ = Process.Start(ProcessStartInfo(opener, [ page ]))
            ()
        with _ ->
            say $"No browser could be opened: open {page}."
