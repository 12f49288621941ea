namespace Attribution.Runner

open System
open System.Globalization
open System.Threading
open Argu
open Attribution
open TorchSharp

/// Every option of every command: a name is spelled the same, and means the same, wherever it is taken.
[<RequireQualifiedAccess>]
type Arg =
    | Model of file: string
    | Preprocess of name: string
    | Scale of number: float
    | Mean of numbers: string
    | Std of numbers: string
    | Channel_Order of order: string
    | Dataset of file: string
    | Images of path: string list
    | Indices of numbers: string
    | Ids of numbers: string
    | Labels of file: string
    | Method of method: string list
    | Methods of method: string list
    | Metrics of metric: string list
    | Layer of name: string
    | Quantity of quantity: string
    | Distribution of distribution: string
    | Baseline of baseline: string
    | Steps of number: int
    | Rule of rule: string
    | No_Multiply
    | Top of number: int
    | Pixels_Per_Step of number: int
    | Skip_Non_Positive
    | Batch_Size of number: int
    | Device of device: string
    | Precision of precision: string
    | Classes of pair: string
    | Related of pair: string
    | Figures of ids: string
    | Drop_Class of ``class``: string
    | Seed of number: int
    | Open
    | Out of folder: string

    interface IArgParserTemplate with
        member this.Usage =
            match this with
            | Model _ -> "the classifier: an .onnx file, or the .npz file of VGG16's weights."
            | Preprocess _ ->
                "for .onnx: what training did to pixels (0-255): imagenet, caffe, unit (divided by 255), cifar10 or none; without it and the next four, what the file's metadata say, or none."
            | Scale _ -> "for .onnx: what pixels are divided by, such as 255."
            | Mean _ -> "for .onnx: what is subtracted after that, one number or one a channel, in the network's order."
            | Std _ -> "for .onnx: what divides the rest, one number or one a channel, in the network's order."
            | Channel_Order _ -> "for .onnx: the network's order of channels: rgb or bgr."
            | Dataset _ -> "images as an .npz file: X (n×H×W×C) and, where known, Y, Pred and Idx."
            | Images _ -> "image files and folders of them, in place of --dataset."
            | Indices _ -> "only the images at these positions: 0,3,…"
            | Ids _ -> "only the images with these values of Idx: 11436,…"
            | Labels _ ->
                "names of the classes: one a line, or a JSON or Python list; names may then stand for numbers."
            | Method _
            | Methods _ -> "saliency, integrated-gradients, influence-directed: one or several."
            | Metrics _ -> "average-drop, necessity-ordering: one or both."
            | Layer _ ->
                "where the model is cut (see 'attribution layers'); without it, before the last hidden activation."
            | Quantity _ -> "what is explained: predicted (the default), true, class:K, or margin:A,B."
            | Distribution _ ->
                "the images over which the expert is found: all (the default), or those of true classes, class:K,…"
            | Baseline _ -> "where integrated gradients begin: black (the default), white, random or random:SEED."
            | Steps _ -> "the points of integrated gradients; 50 by default."
            | Rule _ -> "their rule: right (the default), midpoint, trapezoid, gauss-legendre."
            | No_Multiply -> "gradients alone, not multiplied with the input."
            | Top _ -> "how many units to list; 10 by default."
            | Pixels_Per_Step _ ->
                "how many pixels necessity ordering removes at a time; 1000 by default (report: fewer for images smaller than 224×224)."
            | Skip_Non_Positive -> "leave images whose score is not positive out of average drop, instead of stopping."
            | Device _ -> "where the model runs: cpu (the default), cuda or cuda:I."
            | Precision _ ->
                "float32, float64 or bfloat16; without it float64 for small networks, and float32 for others."
            | Batch_Size _ -> "images a pass; without it as many as memory allows. No result depends on it."
            | Classes _ -> "two classes whose experts are compared: A,B."
            | Related _ -> "two related classes: C,D."
            | Figures _ -> "ids (or positions, where the images have none) of the images shown side by side: 11436,…"
            | Drop_Class _ -> "the class over whose images the average drop is taken."
            | Seed _ -> "decides on everything random; 1 by default."
            | Open -> "show the page in a browser when it is done."
            | Out _ -> "the folder for the results; made if missing, and other files in it are left alone."

/// Wrong usage: exit code 2, and the usage of the command.
exception UsageError of message: string

/// A class by its number or its name.
type ClassSpec = string

[<RequireQualifiedAccess>]
type QuantitySpec =
    | Predicted
    | True
    | Class of ClassSpec
    | Margin of ClassSpec * ClassSpec

[<RequireQualifiedAccess>]
type DistributionSpec =
    | All
    | Classes of ClassSpec list

type Arguments = {
    Given: Arg list
    Stop: CancellationToken
}

type Command = {
    Name: string
    Summary: string
    /// What follows the command's name, for people.
    Syntax: string
    /// The options that it takes, in the order of its help.
    Options: string list
    Run: Arguments -> unit
}

[<RequireQualifiedAccess>]
module Arguments =
    let wrong message = raise (UsageError message)

    /// The last value given of an option.
    let tryPick pick arguments =
        arguments.Given |> List.rev |> List.tryPick pick

    let require name pick arguments =
        tryPick pick arguments
        |> Option.defaultWith (fun () -> wrong $"{name} is missing.")

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

    let floats name =
        numbers name (fun s -> Double.TryParse(s, NumberStyles.Float, CultureInfo.InvariantCulture))

    let integers name =
        numbers name (fun s -> Int64.TryParse(s, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture))

    /// One or several of the known names, separated by commas, blanks or further uses of the option.
    let names option known (given: string list) =
        for name in given |> List.collect parts do
            if not (List.contains name known) then
                let choice = String.concat ", " known
                wrong $"{option} takes {choice}, and not '{name}'."

        match given |> List.collect parts |> List.distinct with
        | [] -> wrong $"{option} is missing."
        | names -> names

    let atLeast least name pick fallback arguments =
        match tryPick pick arguments with
        | Some number when number < least -> wrong $"{name} must be at least {least}, but is {number}."
        | number -> defaultArg number fallback

    let out =
        require "--out" (function
            | Arg.Out folder -> Some folder
            | _ -> None)

    let layer =
        tryPick (function
            | Arg.Layer name -> Some name
            | _ -> None)

    let multiply arguments =
        not (List.contains Arg.No_Multiply arguments.Given)

    let batchSize arguments =
        match
            arguments
            |> atLeast
                1
                "--batch-size"
                (function
                | Arg.Batch_Size n -> Some n
                | _ -> None)
                0
        with
        | 0 -> Nullable()
        | size -> Nullable size

    /// "head:rest" as (head, Some rest).
    let private split (text: string) =
        match text.IndexOf ':' with
        | -1 -> text, None
        | at -> text[.. at - 1], Some text[at + 1 ..]

    let quantity arguments =
        let text =
            arguments
            |> tryPick (function
                | Arg.Quantity quantity -> Some quantity
                | _ -> None)
            |> Option.defaultValue "predicted"

        match split text with
        | "predicted", None -> QuantitySpec.Predicted
        | "true", None -> QuantitySpec.True
        | "class", Some k when k <> "" -> QuantitySpec.Class k
        | "margin", Some pair ->
            match parts pair with
            | [ a; b ] -> QuantitySpec.Margin(a, b)
            | _ -> wrong $"--quantity margin:A,B takes two classes, and not '{pair}'."
        | _ -> wrong $"--quantity takes predicted, true, class:K or margin:A,B, and not '{text}'."

    let distribution arguments =
        match
            tryPick
                (function
                | Arg.Distribution distribution -> Some distribution
                | _ -> None)
                arguments
        with
        | None
        | Some "all" -> DistributionSpec.All
        | Some text ->
            match split text with
            | "class", Some classes when parts classes <> [] -> DistributionSpec.Classes(parts classes)
            | _ -> wrong $"--distribution takes all or class:K,…, and not '{text}'."

    /// The baseline, by the value of white and the position of the first image.
    let baseline arguments : string * (float -> int -> Baseline) =
        let text =
            arguments
            |> tryPick (function
                | Arg.Baseline baseline -> Some baseline
                | _ -> None)
            |> Option.defaultValue "black"

        match split text with
        | "black", None -> text, fun _ _ -> Baseline.Black
        | "white", None -> text, fun peak _ -> Baseline.Of((fun x -> torch.full_like (x, peak)), "white")
        | "random", seed ->
            match Int64.TryParse(defaultArg seed "1111") with
            | true, seed -> text, fun _ first -> Baseline.Random(seed, first = int64 first)
            | _ -> wrong $"--baseline random:SEED takes a whole number, and not '{text}'."
        | _ -> wrong $"--baseline takes black, white, random or random:SEED, and not '{text}'."

    let rule arguments =
        match
            tryPick
                (function
                | Arg.Rule rule -> Some rule
                | _ -> None)
                arguments
        with
        | None
        | Some "right" -> IntegrationRule.RightHand
        | Some "midpoint" -> IntegrationRule.Midpoint
        | Some "trapezoid" -> IntegrationRule.Trapezoid
        | Some "gauss-legendre" -> IntegrationRule.GaussLegendre
        | Some other -> wrong $"--rule takes right, midpoint, trapezoid or gauss-legendre, and not '{other}'."

    let private parser = lazy ArgumentParser.Create<Arg>(checkStructure = false)

    let private nameOf (case: ArgumentCaseInfo) = case.CommandLineNames.Value.Head

    /// A line of an option and what it means, folded at a width that most terminals have.
    let private option (name: string) (meaning: string) =
        let fold (lines: string list) (word: string) =
            match lines with
            | line :: rest when line.Length + 1 + word.Length <= 66 -> $"{line} {word}" :: rest
            | lines -> word :: lines

        meaning.Split ' '
        |> Seq.fold fold []
        |> List.rev
        |> List.mapi (fun i line -> $"""    {(if i = 0 then name else ""), -28} {line}""")
        |> String.concat "\n"

    /// The usage of a command: its syntax, and each of its options.
    let usage command =
        let cases = parser.Value.GetArgumentCases()

        let describe name =
            let case = cases |> List.find (fun case -> nameOf case = name)
            let isList = case.ArgumentType = ArgumentType.List

            let value =
                case.UnionCaseInfo.GetFields()
                |> Array.map (fun field -> if isList then $" {field.Name}…" else $" {field.Name}")
                |> String.concat ""

            option (name + value) case.Description.Value

        String.concat "\n" [
            $"USAGE: attribution {command.Name} {command.Syntax}"
            ""
            command.Summary
            ""
            "OPTIONS:"
            yield! List.map describe command.Options
            option "--help" "this text."
        ]

    /// The options of a command; None where its help is asked for.
    let parse command (argv: string[]) : Arg list option =
        // --option=value is the same as --option value.
        let spaced (token: string) =
            match token.IndexOf '=' with
            | at when token.StartsWith "--" && at > 0 -> [| token[.. at - 1]; token[at + 1 ..] |]
            | _ -> [| token |]

        try
            let results =
                parser.Value.ParseCommandLine(Array.collect spaced argv, raiseOnUsage = false)

            if results.IsUsageRequested then
                None
            else
                let given = results.GetAllResults()

                for arg in given do
                    let name = nameOf (parser.Value.GetArgumentCaseInfo arg)

                    if not (List.contains name command.Options) then
                        wrong $"'{command.Name}' does not take {name}."

                Some given
        with :? ArguParseException as e ->
            // Argu appends the usage of all options.
            let line = e.Message.Split('\n')[0]
            wrong (line.Replace("ERROR: ", ""))
