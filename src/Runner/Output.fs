namespace Attribution.Runner

open System
open System.Diagnostics
open System.Globalization
open Attribution

/// The folder of a run's results, opened before the work begins; its drafts go as soon as the run is told to stop.
type Output(path: string, given: Given) =
    let folder = new OutputFolder(path)
    let clock = Stopwatch.StartNew()
    let deletion = given.Stop.Register(fun () -> folder.Dispose())

    /// The folder that --out names.
    static member Of(given: Given) = new Output(Arguments.require "--out" (given.Get Out), given)

    member _.Folder = folder

    /// Where to write a file until the run is complete.
    member _.Draft name = folder.Draft name

    /// Puts the results in their place, and says so.
    member _.Commit(what: string) =
        folder.Commit() |> ignore

        let seconds = clock.Elapsed.TotalSeconds.ToString("0.0", CultureInfo.InvariantCulture)

        Terminal.say $"Wrote {what} to {folder.FullPath} in {seconds} s."

    /// The run's failure, once the results of all that did not fail are written.
    static member Complain(failures: string seq) =
        if not (Seq.isEmpty failures) then
            raise (AttributionException(String.concat "\n" failures))

    interface IDisposable with
        member _.Dispose() =
            deletion.Dispose()
            folder.Dispose()
