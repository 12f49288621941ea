namespace Attribution.Runner

open System
open System.Diagnostics
open System.Threading
open System.Threading.Tasks
open Attribution
open Spectre.Console
open Spectre.Console.Rendering

/// The time that is left, judged from the whole time so far: steadier than from the last passes.
type private TimeLeft(left: unit -> TimeSpan voption) =
    inherit ProgressColumn()

    override _.Render(_: RenderOptions, _: ProgressTask, _: TimeSpan) : IRenderable =
        match left () with
        | ValueSome time when time.TotalHours < 100. ->
            let format = if time.TotalHours >= 1. then @"h\:mm\:ss" else @"m\:ss"
            Text(time.ToString format + " left")
        | _ -> Text ""

/// What a person at the terminal sees.
[<RequireQualifiedAccess>]
module Terminal =
    // Wide enough that no table in a file or a pipe is cut.
    [<Literal>]
    let private PipeWidth = 400

    let say (line: string) = Console.Out.WriteLine line

    /// "1 image", "2 images".
    let count (n: int) thing = Words.Count(n, thing)

    /// The text with a capital at its beginning.
    let capital (text: string) =
        string (Char.ToUpperInvariant text[0]) + text[1..]

    let private console (writer: IO.TextWriter) isPiped =
        let console =
            AnsiConsole.Create(AnsiConsoleSettings(Out = AnsiConsoleOutput writer))

        if isPiped then
            console.Profile.Width <- PipeWidth

        console

    /// A table; columns after the first `left` are numbers.
    let table (title: string) (left: int) (headers: string list) (rows: string list seq) =
        let table = Table(Border = TableBorder.Rounded)

        if title <> "" then
            say title

        headers
        |> List.iteri (fun i header ->
            let column = TableColumn(Markup.Escape header)
            column.Alignment <- if i < left then Justify.Left else Justify.Right
            table.AddColumn column |> ignore)

        for row in rows do
            table.AddRow(row |> List.map (fun cell -> Text cell :> IRenderable)) |> ignore

        (console Console.Out Console.IsOutputRedirected).Write table

    /// Shows the cursor again, which a progress bar hides.
    let restore () =
        if not Console.IsErrorRedirected then
            Console.Error.Write "\027[?25h"

    let private show (title: string) (fraction: unit -> float) (finished: ManualResetEventSlim) (clock: Stopwatch) =
        let timeLeft () =
            match fraction () with
            | f when f > 0. -> ValueSome(clock.Elapsed * ((1. - f) / f))
            | _ -> ValueNone

        let progress = (console Console.Error false).Progress().AutoClear true

        let columns: ProgressColumn[] = [|
            TaskDescriptionColumn()
            ProgressBarColumn()
            PercentageColumn()
            TimeLeft timeLeft
        |]

        progress
            .Columns(columns)
            .Start(fun context ->
                let task = context.AddTask(Markup.Escape title, maxValue = 1.)

                while not (finished.Wait 100) do
                    task.IsIndeterminate <- (fraction () = 0.)
                    task.Value <- fraction ())

    /// Does long work, which tells how much of it (0 to 1) is done; what takes over a second has a progress bar.
    let watch (title: string) (work: (float -> unit) -> 'a) : 'a =
        if Console.IsErrorRedirected then
            work ignore
        else
            let done' = [| 0. |]
            let clock = Stopwatch.StartNew()
            use finished = new ManualResetEventSlim()

            let display =
                Task.Run(fun () ->
                    if not (finished.Wait 1000) then
                        show title (fun () -> Volatile.Read &done'[0]) finished clock)

            try
                work (fun fraction -> Volatile.Write(&done'[0], fraction))
            finally
                finished.Set()
                display.Wait()

    /// Progress of a part of the work, from the fraction `start` on.
    let part (report: float -> unit) (start: float) (length: float) = {
        new IProgress<Attribution.Progress> with
            member _.Report p =
                report (start + length * float p.Done / float (max 1L p.Total))
    }
