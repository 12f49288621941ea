namespace Attribution.Runner

open System
open System.Diagnostics
open Attribution

/// The folder of a run's results.
type Output = {
    Folder: OutputFolder
    Clock: Stopwatch
    Deletion: IDisposable
} with

    /// Where to write a file until the run is complete.
    member this.Draft name = this.Folder.Draft name

    interface IDisposable with
        member this.Dispose() =
            this.Deletion.Dispose()
            this.Folder.Dispose()

[<RequireQualifiedAccess>]
module Output =
    /// Opens a folder, before the work begins; its drafts go as soon as the run is told to stop.
    let createIn (path: string) arguments =
        let folder = new OutputFolder(path)

        {
            Folder = folder
            Clock = Stopwatch.StartNew()
            Deletion = arguments.Stop.Register(fun () -> folder.Dispose())
        }

    /// Opens the folder that --out names.
    let create arguments =
        createIn (Arguments.out arguments) arguments

    /// Puts the results in their place, and says so.
    let commit (what: string) (output: Output) =
        output.Folder.Commit() |> ignore

        let seconds =
            output.Clock.Elapsed.TotalSeconds.ToString("0.0", Globalization.CultureInfo.InvariantCulture)

        Terminal.say $"Wrote {what} to {output.Folder.FullPath} in {seconds} s."

    /// Disposes of several things at once.
    let all (things: #IDisposable seq) = {
        new IDisposable with
            member _.Dispose() =
                for thing in things do
                    thing.Dispose()
    }
