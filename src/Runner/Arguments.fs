namespace Attribution.Runner

open System
open System.Collections.Generic
open System.Globalization
open System.Threading
open Argu
open Attribution
open Microsoft.FSharp.Quotations

/// A union of options, and what reads it.
type Group =
    abstract Cases: ArgumentCaseInfo list
    abstract Parse: words: string[] -> obj

[<RequireQualifiedAccess>]
module Group =
    let of'<'T when 'T :> IArgParserTemplate> =
        let parser = lazy ArgumentParser.Create<'T>(checkStructure = false)

        {
            new Group with
                member _.Cases = parser.Value.GetArgumentCases()

                member _.Parse words = parser.Value.ParseCommandLine(words, raiseOnUsage = false)
        }

/// What a command was given.
type Given(command: string, words: string list, results: IReadOnlyDictionary<Type, obj>, stop: CancellationToken) =
    let find () : ParseResults<'T> option =
        match results.TryGetValue typeof<ParseResults<'T>> with
        | true, found -> Some(unbox found)
        | _ -> None

    /// The command's name.
    member _.Command = command

    /// The words after it.
    member _.Words = words

    /// Says that the run is to stop.
    member _.Stop = stop

    /// The last value given of an option.
    member _.Get([<ReflectedDefinition>] option: Expr<'value -> 'T>) : 'value option =
        find () |> Option.bind _.TryGetResult(option)

    /// Every value given of an option.
    member _.All([<ReflectedDefinition>] option: Expr<'value -> 'T>) : 'value list =
        find () |> Option.map _.GetResults(option) |> Option.defaultValue []

    member _.Has([<ReflectedDefinition>] option: Expr<'T>) : bool = find () |> Option.exists _.Contains(option)

type Command = {
    Name: string
    Summary: string
    /// What follows the command's name, for people.
    Syntax: string
    /// The options that it takes, in the order of its help.
    Options: Group list
    Run: Given -> unit
}

[<RequireQualifiedAccess>]
module Arguments =
    let wrong message = raise (UsageException message)

    let parts (text: string) =
        text.Split(',', StringSplitOptions.TrimEntries ||| StringSplitOptions.RemoveEmptyEntries)
        |> List.ofArray

    /// Numbers separated by commas.
    let inline private numbers name (parse: string -> bool * 'a) text =
        match parts text with
        | [] -> wrong $"{name} takes numbers separated by commas."
        | parts ->
            parts
            |> List.map (fun part ->
                match parse part with
                | true, number -> number
                | _ -> wrong $"{name} takes numbers separated by commas, and '{part}' is none.")

    let floats name = numbers name (fun s -> Double.TryParse(s, NumberStyles.Float, CultureInfo.InvariantCulture))

    let integers name =
        numbers name (fun s -> Int64.TryParse(s, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture))

    /// One or several of the known names, separated by commas, blanks or further uses of the option; and whether that is all.
    let names option (known: string seq) (given: string list list) =
        let given = List.concat given |> List.collect parts
        let known = List.ofSeq known

        for name in given do
            if not (List.contains name ("all" :: known)) then
                let choice = String.concat ", " known
                wrong $"{option} takes {choice}, or all, and not '{name}'."

        match List.distinct given with
        | [] -> wrong $"{option} is missing."
        | names when List.contains "all" names -> known, true
        | names -> names, false

    /// The same where none stands for some.
    let namesOr ``default`` option known given = if List.isEmpty given then ``default`` else names option known given

    let require name given = given |> Option.defaultWith (fun () -> wrong $"{name} is missing.")

    /// A number that must be as large as that.
    let atLeast least name given =
        match given with
        | Some number when number < least -> wrong $"{name} must be at least {least}, but is {number}."
        | number -> number

    let positive name given = atLeast 1 name given |> Option.toNullable

    let batchSize (given: Given) = positive "--batch-size" (given.Get Batch_Size)

    let seed (given: Given) = defaultArg (given.Get Seed) 1

    /// The network of --network; None: the demo's VGG.
    let network (given: Given) =
        match given.Get Network with
        | None
        | Some "vgg" -> None
        | Some "vit" -> Some SceneNetwork.Vit
        | Some "swin" -> Some SceneNetwork.Swin
        | Some "segmentation" -> Some SceneNetwork.Segmentation
        | Some other -> wrong $"--network takes vgg, vit, swin or segmentation, and not '{other}'."

    let units (given: Given) = Spelled.Units(defaultArg (given.Get CutOption.Units) "auto")

    /// Every --layer.
    let layers (given: Given) = List.distinct (given.All CutOption.Layer)

    /// A line of an option and what it means, folded at a width that most terminals have.
    let private line (name: string) (meaning: string) =
        let fold (lines: string list) (word: string) =
            match lines with
            | line :: rest when line.Length + 1 + word.Length <= 66 -> $"{line} {word}" :: rest
            | lines -> word :: lines

        meaning.Split ' '
        |> Seq.fold fold []
        |> List.rev
        |> List.mapi (fun i line -> $"""    {(if i = 0 then name else ""), -28} {line}""")
        |> String.concat "\n"

    let private nameOf (case: ArgumentCaseInfo) = case.CommandLineNames.Value.Head

    /// The usage of a command: its syntax, and each of its options.
    let usage command =
        let describe (case: ArgumentCaseInfo) =
            let more = if case.ArgumentType = ArgumentType.List then "…" else ""

            let values = [ for field in case.UnionCaseInfo.GetFields() -> $" {field.Name}{more}" ]

            line (nameOf case + String.concat "" values) case.Description.Value

        String.concat "\n" [
            $"USAGE: attribution {command.Name} {command.Syntax}"
            ""
            command.Summary
            ""
            "OPTIONS:"
            yield! command.Options |> List.collect _.Cases |> List.map describe
            line "--help" "this text."
        ]

    let private helps = [ "--help"; "-h" ]

    /// What a command is given; None where its help is asked for.
    let parse command (argv: string list) stop : Given option =
        // --option=value is the same as --option value.
        let spaced (word: string) =
            match word.IndexOf '=' with
            | at when word.StartsWith "--" && at > 0 -> [ word[.. at - 1]; word[at + 1 ..] ]
            | _ -> [ word ]

        let words = List.collect spaced argv

        let groupOf =
            dict [
                for group in command.Options do
                    for case in group.Cases -> nameOf case, group
            ]

        // An option's values follow it.
        let rec sorted (group: Group option) words =
            match words with
            | [] -> []
            | (word: string) :: rest ->
                let group =
                    if word.StartsWith "--" then
                        match groupOf.TryGetValue word with
                        | true, group -> Some group
                        | _ -> wrong $"'{command.Name}' does not take {word}."
                    else
                        group

                match group with
                | Some own -> (own, word) :: sorted group rest
                | None -> wrong $"'{command.Name}' does not take '{word}'."

        if words |> List.exists (fun word -> List.contains word helps) then
            None
        else
            let results = Dictionary<Type, obj>()

            for group, own in sorted None words |> List.groupBy fst do
                try
                    let found = own |> List.map snd |> Array.ofList |> group.Parse
                    results[found.GetType()] <- found
                with :? ArguParseException as e ->
                    // Argu appends the usage of the group.
                    wrong ((e.Message.Split('\n')[0]).Replace("ERROR: ", ""))

            Some(Given(command.Name, words, results, stop))
