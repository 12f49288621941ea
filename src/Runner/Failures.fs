namespace Attribution.Runner

open System
open System.Collections.Generic
open System.Runtime.InteropServices
open Attribution

/// What went wrong, for people.
[<RequireQualifiedAccess>]
module Sentence =
    let ofError (e: exn) =
        match e with
        | :? AttributionException -> e.Message
        | :? ArgumentException ->
            // .NET appends the names of parameters, which are ours and not the user's.
            e.Message.Split([| " (Parameter '"; "\n" |], StringSplitOptions.None)[0]
        | :? OutOfMemoryException -> "There is not enough memory: try a smaller --batch-size."
        | :? ExternalException when e.Message.Contains "alloc" ->
            "There is not enough memory for a batch: try a smaller --batch-size."
        | :? ExternalException -> $"""The tensor library failed: {e.Message.Split('\n')[0]}"""
        | :? IO.IOException
        | :? UnauthorizedAccessException -> $"A file cannot be used: {e.Message}"
        | _ -> $"""An error of attribution itself, please report it: {e.GetType().Name}: {e.Message.Split('\n')[0]}"""

/// What failed of the several things of a kind that one command was asked for. The others go on; what was asked for by its name
/// and not done is a failure of the run (exit code 1) all the same, and what `all` stands for and a model does not allow is
/// left out.
type Failures(isAll: bool) =
    let found = List<struct (string * exn)>()

    /// Nothing failed yet, of things asked for by name, or by "all".
    static member Of(given: string list) =
        Failures(given.IsEmpty || List.contains "all" (given |> List.collect Arguments.parts))

    /// What the work gives, unless it fails: then what failed is noted under its name.
    member _.Try (name: string) (work: unit -> 'a) : 'a option =
        try
            Some(work ())
        with
        | UsageError _ -> reraise ()
        | :? OperationCanceledException -> reraise ()
        | e ->
            found.Add(struct (name, e))
            None

    member _.Has(name: string) =
        found.Exists(fun (struct (other, _)) -> other = name)

    /// Why something failed.
    member _.Reason(name: string) =
        found
        |> Seq.tryPick (fun (struct (other, e)) -> if other = name then Some(Sentence.ofError e) else None)

    /// Where everything of these names failed, that is the run's failure.
    member this.Require(names: string list) =
        if not names.IsEmpty && List.forall this.Has names then
            match names |> List.choose this.Reason |> List.distinct with
            | [ same ] ->
                let struct (_, first) = found[0]
                raise (AttributionException(same, first))
            | _ -> raise (AttributionException(String.concat "\n" this.Sentences))

    /// A sentence for each that failed.
    member _.Sentences: string list = [
        for struct (name, e) in found do
            let verb =
                if isAll && e :? AttributionException then
                    "is left out"
                else
                    "failed"

            $"{name} {verb}: {Sentence.ofError e}"
    ]

    /// Notes that something failed, and why.
    member _.Add(name: string, e: exn) = found.Add(struct (name, e))

    /// What is a failure of the run, and not only left out.
    member this.Fatal: string list = [
        for sentence, struct (_, e) in Seq.zip this.Sentences found do
            if not (isAll && e :? AttributionException) then
                sentence
    ]

    /// What is only left out.
    member this.LeftOut: string list = List.except this.Fatal this.Sentences

[<RequireQualifiedAccess>]
module Failures =
    /// The run's failure, once the results of all that did not fail are written.
    let complain (failures: Failures list) =
        match failures |> List.collect _.Fatal with
        | [] -> ()
        | sentences -> raise (AttributionException(String.concat "\n" sentences))
