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
    | Output of name: string
    | Preprocess of name: string
    | Scale of number: string
    | Mean of numbers: string
    | Std of numbers: string
    | Channel_Order of order: string
    | Demo
    | Dataset of file: string
    | Images of path: string list
    | Indices of numbers: string
    | Ids of numbers: string
    | Labels of file: string
    | Method of method: string list
    | Methods of method: string list
    | Metrics of metric: string list
    | Layer of name: string
    | Units of reading: string
    | Quantity of quantity: string
    | Distribution of distribution: string
    | Around of points: string
    | Times_Activation
    | Baseline of baseline: string
    | Steps of number: string
    | Tolerance of share: float
    | Rule of rule: string
    | Samples of number: int
    | Noise of share: float
    | Window of pixels: int
    | Stride of pixels: int
    | Map_Layer of name: string
    | Max_Pool of rule: string
    | No_Multiply
    | No_Pictures
    | Top of number: int
    | Keep of numbers: string
    | Silence
    | Pixels_Per_Step of number: int
    | Skip_Non_Positive
    | Batch_Size of number: int
    | Device of device: string
    | Precision of precision: string
    | Memory of size: string
    | Rounds of number: int
    | Json of file: string
    | Part of part: string
    | Classes of pair: string
    | Related of pair: string
    | Figures of ids: string
    | Drop_Class of ``class``: string
    | Seed of number: int
    | Full
    | Open
    | Out of folder: string

    interface IArgParserTemplate with
        member this.Usage =
            match this with
            | Model _ -> "the classifier: an .onnx file, a TorchScript file (.pt), or the .npz file of VGG16's weights."
            | Output _ ->
                "for .onnx: the output that holds the scores, or another tensor of the file that does; without it the one of several scores an image whose name speaks most for scores, then the last."
            | Preprocess _ ->
                "for .onnx and .pt: what training did to pixels (0-255): imagenet, caffe, unit (divided by 255), cifar10 or none; without it and the next four, what an .onnx file's metadata say, or none."
            | Scale _ ->
                "for .onnx and .pt: what pixels are divided by, such as 255; or, in explain, own (the default) or shared: whether each map is drawn by its own maximum, or all of a method's by one. It may be given twice."
            | Mean _ ->
                "for .onnx and .pt: what is subtracted after that, one number or one a channel, in the network's order."
            | Std _ -> "for .onnx and .pt: what divides the rest, one number or one a channel, in the network's order."
            | Channel_Order _ -> "for .onnx and .pt: the network's order of channels: rgb or bgr."
            | Demo -> "in place of a model and images: the network that comes with the program, and 140 scenes."
            | Dataset _ ->
                "images as an .npz file: X (n×H×W×C) and, where known, Y, Pred and Idx; or X alone as an .npy file."
            | Images _ ->
                "image files and folders of them, or a folder of a folder for each class, in place of --dataset."
            | Indices _ -> "only the images at these positions: 0,3,…"
            | Ids _ -> "only the images with these values of Idx: 11436,…"
            | Labels _ ->
                "names of the classes: one a line, with or without its number, a JSON or Python list or table, or the names of a YAML file; names may then stand for numbers."
            | Method _
            | Methods _ ->
                "one or several of those that 'attribution methods' lists, or all. One that fails is named, and the others' results are written; the exit code is 1 where it was asked for by name."
            | Metrics _ ->
                "one or several of those that 'attribution methods' lists, or all. One that fails is named, and the others' results are written; the exit code is 1 where it was asked for by name."
            | Layer _ ->
                "where the model is cut (see 'attribution layers'); without it, before the last hidden activation."
            | Units _ ->
                "what a unit of the layer is: each (one number), channel-sum or channel-max (over a channel's positions), or auto (the default): channel-sum for convolutional layers, each for others."
            | Quantity _ ->
                "what is explained: predicted (the default), true, class:K, margin:A,B (with several classes on a side margin:A+B,C+D), one-vs-rest:K, threshold:K,T (how far the score of K is from T) or unit:LAYER,U. For experts also classes and margins: every class that has images, and every pair of them, both ways. For compress class:K or classes (its default)."
            | Distribution _ ->
                "the images over which units are ranked: all (the default), those of true classes, class:K,…, or own: those of the quantity's classes (compress's default)."
            | Around _ ->
                "where around each image influence is taken: itself (the default), line (of images, from --baseline), layer-line (of the layer's values) or gaussian:SIGMA (noise, in pixel values)."
            | Times_Activation ->
                "influence times the layer's values at the image, or on layer-line times their difference from the baseline's."
            | Baseline _ ->
                "where integrated gradients and lines begin: black (the default), white, random or random:SEED."
            | Steps _ ->
                "the points of integrated gradients and of lines, 50 by default; or auto: for each image as few as completeness asks for."
            | Tolerance _ ->
                "for --steps auto: the completeness gap that may be left, as a share of the change of the score; 0.01 by default."
            | Samples _ -> "how many random samples a method draws; without it, what its paper takes."
            | Noise _ ->
                "the standard deviation of the noise that smoothgrad and its kin add, as a share of an image's range; 0.15 by default."
            | Window _ -> "the side of the square that occlusion hides; an eighth of the image's by default."
            | Stride _ -> "the pixels from one such square to the next, its side at most; half of it by default."
            | Map_Layer _ ->
                "the layer that grad-cam and its kin look at; without it, the last one with channels and positions on which all of the score depends."
            | Max_Pool _ ->
                "what a max pool hands on in deeplift: rescale (the default, complete), last-window (as Captum, where windows overlap) or gradient (as the authors' own program)."
            | Rule _ -> "their rule: right (the default), midpoint, trapezoid, gauss-legendre."
            | No_Pictures -> "the numbers alone."
            | No_Multiply -> "gradients alone, not multiplied with the input."
            | Top _ -> "how many units to list; 10 by default."
            | Keep _ ->
                "how many of the first units are kept, all others being 0: 1,2,5,…; without it 1, 2, 5, 10, 20, … and all."
            | Silence -> "set the first units to 0 instead, as many as --keep says, and keep all others."
            | Pixels_Per_Step _ ->
                "how many pixels the metrics that remove pixels or put them back change at a time; without it 1000 for images of 224×224 or larger, and as large a share of smaller ones, in 25 steps at the least."
            | Skip_Non_Positive -> "leave images whose score is not positive out of average drop, instead of stopping."
            | Device _ -> "where the model runs: cpu (the default), cuda or cuda:I."
            | Precision _ ->
                "float32, float64 or bfloat16; without it float64 for small networks, and float32 for others."
            | Memory _ ->
                "what a pass may take of memory, such as 2GB or 500MB; without it half of what is free, and at most 4GB."
            | Rounds _ -> "how often everything is timed; 3 by default. The fastest is told."
            | Json _ -> "a file for the measurements."
            | Part _ ->
                "one part alone, in this process: methods, stock (bare loops) or memory; without it, all of them."
            | Batch_Size _ -> "images a pass; without it as many as memory allows. No result depends on it."
            | Classes _ -> "two classes whose experts are compared: A,B."
            | Related _ -> "two related classes: C,D."
            | Figures _ -> "ids (or positions, where the images have none) of the images shown side by side: 11436,…"
            | Drop_Class _ -> "the class over whose images the average drop is taken."
            | Seed _ -> "decides on everything random; 1 by default."
            | Full ->
                "every method of the registry as well, by the criteria of a study, and the essence of classes: minutes for a small network, hours for a large one."
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
    /// Classes, and those that they are compared with.
    | Margin of ClassSpec list * ClassSpec list
    | OneVsRest of ClassSpec
    | Threshold of ClassSpec * float
    | Unit of layer: string * unit: int * Units

[<RequireQualifiedAccess>]
type DistributionSpec =
    | All
    | Classes of ClassSpec list
    /// The images of the classes that the quantity names.
    | Own

[<RequireQualifiedAccess>]
type StepsSpec =
    | Fixed of int * IntegrationRule
    /// As few as leave a completeness gap of at most this share.
    | Auto of tolerance: float

/// Quantities that one command asks about at once.
[<RequireQualifiedAccess>]
type QuantitiesSpec =
    | One of QuantitySpec
    /// Every class that has images.
    | EachClass
    /// Every pair of them, both ways.
    | EachMargin

type Arguments = {
    /// The words after the command's name.
    Words: string list
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

    /// What --scale says pixels are divided by.
    let scale arguments =
        arguments
        |> tryPick (function
            | Arg.Scale text ->
                match text, Double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture) with
                | ("own" | "shared"), _ -> None
                | _, (true, number) -> Some number
                | _ -> wrong $"--scale takes a number that pixels are divided by, own or shared, and not '{text}'."
            | _ -> None)

    /// Whether pictures of a method's maps are drawn by one scale.
    let sharesScale arguments =
        arguments
        |> tryPick (function
            | Arg.Scale("own" | "shared" as text) -> Some(text = "shared")
            | _ -> None)
        |> Option.defaultValue false

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
            if not (List.contains name ("all" :: known)) then
                let choice = String.concat ", " known
                wrong $"{option} takes {choice}, or all, and not '{name}'."

        match given |> List.collect parts |> List.distinct with
        | [] -> wrong $"{option} is missing."
        | names when List.contains "all" names -> known
        | names -> names

    let atLeast least name pick fallback arguments =
        match tryPick pick arguments with
        | Some number when number < least -> wrong $"{name} must be at least {least}, but is {number}."
        | number -> defaultArg number fallback

    let out =
        require "--out" (function
            | Arg.Out folder -> Some folder
            | _ -> None)

    /// The standard deviation of noise, as a share of an image's range; None where it is not given.
    let noise arguments =
        match
            arguments
            |> tryPick (function
                | Arg.Noise share -> Some share
                | _ -> None)
        with
        | Some share when not (Double.IsFinite share && share >= 0.) ->
            wrong $"--noise is a share of an image's range, 0 or more, and not {share}."
        | share -> share

    /// The side of a hidden window and the stride to the next, in pixels; null where they are not given.
    let window arguments : struct (Nullable<int> * Nullable<int>) =
        let pixels name pick =
            match atLeast 1 name pick 0 arguments with
            | 0 -> Nullable()
            | pixels -> Nullable pixels

        let size =
            pixels "--window" (function
                | Arg.Window n -> Some n
                | _ -> None)

        let stride =
            pixels "--stride" (function
                | Arg.Stride n -> Some n
                | _ -> None)

        if size.HasValue && stride.HasValue && stride.Value > size.Value then
            wrong
                $"--stride must be at most --window, so that windows cover every pixel, but {stride.Value} is more than {size.Value}."

        struct (size, stride)

    /// Every --layer.
    let layers arguments =
        arguments.Given
        |> List.choose (function
            | Arg.Layer name -> Some name
            | _ -> None)
        |> List.distinct

    /// The last --layer.
    let layer = layers >> List.tryLast

    /// What decides on everything random.
    let seed arguments =
        arguments
        |> tryPick (function
            | Arg.Seed n -> Some n
            | _ -> None)
        |> Option.defaultValue 1

    /// What a unit of a layer is.
    let units arguments =
        match
            arguments
            |> tryPick (function
                | Arg.Units reading -> Some reading
                | _ -> None)
        with
        | None
        | Some "auto" -> Units.Auto
        | Some "each" -> Units.Each
        | Some "channel-sum" -> Units.ChannelSum
        | Some "channel-max" -> Units.ChannelMax
        | Some other -> wrong $"--units takes auto, each, channel-sum or channel-max, and not '{other}'."

    /// What a max pool hands on in DeepLIFT.
    let maxPool arguments =
        match
            arguments
            |> tryPick (function
                | Arg.Max_Pool rule -> Some rule
                | _ -> None)
        with
        | None
        | Some "rescale" -> MaxPoolRule.Rescale
        | Some "last-window" -> MaxPoolRule.LastWindow
        | Some "gradient" -> MaxPoolRule.Gradient
        | Some other -> wrong $"--max-pool takes rescale, last-window or gradient, and not '{other}'."

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

    /// The bytes that --memory names: "2GB", "500 MB", "1.5GiB".
    let memory arguments =
        let bytes (text: string) =
            let unit = text.TrimStart("0123456789. ".ToCharArray()).ToUpperInvariant()
            let number = text[.. text.Length - unit.Length - 1]

            let size =
                match unit with
                | "B" -> 1.
                | "KB"
                | "KIB" -> 1024.
                | "MB"
                | "MIB" -> 1024. ** 2.
                | "GB"
                | "GIB" -> 1024. ** 3.
                | _ -> nan

            match Double.TryParse(number, NumberStyles.Float, CultureInfo.InvariantCulture) with
            | true, n when n * size >= 1. && n * size < 2. ** 62. -> int64 (n * size)
            | _ -> wrong $"--memory takes a size such as 2GB or 500MB, and not '{text}'."

        tryPick
            (function
            | Arg.Memory text -> Some text
            | _ -> None)
            arguments
        |> Option.map bytes

    /// "head:rest" as (head, Some rest).
    let private split (text: string) =
        match text.IndexOf ':' with
        | -1 -> text, None
        | at -> text[.. at - 1], Some text[at + 1 ..]

    /// "head,last" as (head, last), whatever commas the head holds.
    let private splitLast (text: string) =
        match text.LastIndexOf ',' with
        | -1 -> "", text
        | at -> text[.. at - 1].Trim(), text[at + 1 ..].Trim()

    let private finite (text: string) =
        match Double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture) with
        | true, number when Double.IsFinite number -> Some number
        | _ -> None

    let private asQuantity units text =
        let classes (side: string) =
            side.Split('+', StringSplitOptions.TrimEntries ||| StringSplitOptions.RemoveEmptyEntries)
            |> List.ofArray

        match split text with
        | "predicted", None -> QuantitySpec.Predicted
        | "true", None -> QuantitySpec.True
        | "class", Some k when k <> "" -> QuantitySpec.Class k
        | "one-vs-rest", Some k when k <> "" -> QuantitySpec.OneVsRest k
        | "margin", Some sides ->
            match parts sides |> List.map classes with
            | [ a; b ] when a <> [] && b <> [] -> QuantitySpec.Margin(a, b)
            | _ ->
                wrong $"--quantity margin:A,B takes two classes, or two sums of some as in A+B,C+D, and not '{sides}'."
        | "threshold", Some asked ->
            match splitLast asked with
            | k, t when k <> "" && (finite t).IsSome -> QuantitySpec.Threshold(k, (finite t).Value)
            | _ -> wrong $"--quantity threshold:K,T takes a class and a score, and not '{asked}'."
        | "unit", Some asked ->
            let layer, unit = splitLast asked

            match Int32.TryParse(unit, NumberStyles.None, CultureInfo.InvariantCulture) with
            | true, unit when layer <> "" -> QuantitySpec.Unit(layer, unit, units)
            | _ -> wrong $"--quantity unit:LAYER,U takes a layer and the number of a unit, and not '{asked}'."
        | _ ->
            wrong
                $"--quantity takes predicted, true, class:K, margin:A,B, one-vs-rest:K, threshold:K,T or unit:LAYER,U, and not '{text}'."

    let private asDistribution text =
        match split text with
        | "all", None -> DistributionSpec.All
        | "own", None -> DistributionSpec.Own
        | "class", Some classes when parts classes <> [] -> DistributionSpec.Classes(parts classes)
        | _ -> wrong $"--distribution takes all, own or class:K,…, and not '{text}'."

    let private every pick ``default`` parse arguments =
        match List.choose pick arguments.Given with
        | [] -> [ parse ``default`` ]
        | given -> given |> List.distinct |> List.map parse

    /// Every --quantity.
    let quantities arguments =
        let units = units arguments

        every
            (function
            | Arg.Quantity text -> Some text
            | _ -> None)
            "predicted"
            (function
            | "classes" -> QuantitiesSpec.EachClass
            | "margins" -> QuantitiesSpec.EachMargin
            | text -> QuantitiesSpec.One(asQuantity units text))
            arguments

    /// The last --quantity.
    let quantity arguments =
        match List.last (quantities arguments) with
        | QuantitiesSpec.One quantity -> quantity
        | _ -> wrong "Several quantities at once are for 'experts' alone: give --quantity one of them."

    /// Every --distribution.
    let distributions =
        every
            (function
            | Arg.Distribution text -> Some text
            | _ -> None)
            "all"
            asDistribution

    /// The last --distribution.
    let distribution arguments = List.last (distributions arguments)

    /// The baseline, by the value of white.
    let baseline arguments : string * (float -> Baseline) =
        let text =
            arguments
            |> tryPick (function
                | Arg.Baseline baseline -> Some baseline
                | _ -> None)
            |> Option.defaultValue "black"

        match split text with
        | "black", None -> text, fun _ -> Baseline.Black
        | "white", None -> text, fun peak -> Baseline.Of((fun x -> torch.full_like (x, peak)), "white")
        | "random", seed ->
            match Int64.TryParse(defaultArg seed "1111") with
            | true, seed -> text, fun _ -> Baseline.Random seed
            | _ -> wrong $"--baseline random:SEED takes a whole number, and not '{text}'."
        | _ -> wrong $"--baseline takes black, white, random or random:SEED, and not '{text}'."

    let private ruleName =
        tryPick (function
            | Arg.Rule rule -> Some rule
            | _ -> None)

    let private rule arguments =
        match ruleName arguments with
        | None
        | Some "right" -> IntegrationRule.RightHand
        | Some "midpoint" -> IntegrationRule.Midpoint
        | Some "trapezoid" -> IntegrationRule.Trapezoid
        | Some "gauss-legendre" -> IntegrationRule.GaussLegendre
        | Some other -> wrong $"--rule takes right, midpoint, trapezoid or gauss-legendre, and not '{other}'."

    /// The steps of integrated gradients.
    let steps arguments =
        let given =
            arguments
            |> tryPick (function
                | Arg.Steps text -> Some text
                | _ -> None)

        let tolerance =
            arguments
            |> tryPick (function
                | Arg.Tolerance share -> Some share
                | _ -> None)

        match defaultArg given "50", tolerance with
        | "auto", tolerance ->
            match ruleName arguments with
            | None
            | Some "gauss-legendre" -> ()
            | Some other -> wrong $"--steps auto is for the rule gauss-legendre, and not for '{other}'."

            match defaultArg tolerance 0.01 with
            | share when share > 0. && share < 1. -> StepsSpec.Auto share
            | share -> wrong $"--tolerance is a share between 0 and 1, and not {share}."
        | _, Some _ -> wrong "--tolerance is for --steps auto."
        | text, None ->
            match Int32.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture) with
            | true, n when n >= 1 -> StepsSpec.Fixed(n, rule arguments)
            | true, n -> wrong $"--steps must be at least 1, but is {n}."
            | _ -> wrong $"--steps takes a number or auto, and not '{text}'."

    /// How many random samples are drawn, where that is given.
    let samples arguments =
        match
            arguments
            |> atLeast
                1
                "--samples"
                (function
                | Arg.Samples n -> Some n
                | _ -> None)
                0
        with
        | 0 -> None
        | n -> Some n

    /// Where around each image influence is taken, by the value of white.
    let around arguments : float -> Neighbourhood =
        let text =
            arguments
            |> tryPick (function
                | Arg.Around text -> Some text
                | _ -> None)
            |> Option.defaultValue "itself"

        let line along =
            match steps arguments, baseline arguments with
            | StepsSpec.Fixed(steps, rule), (_, baseline) -> fun peak -> along (baseline peak, steps, rule)
            | StepsSpec.Auto _, _ -> wrong $"--around {text} takes a number of --steps, and not auto."

        match split text with
        | "itself", None -> fun _ -> Neighbourhood.Itself
        | "line", None -> line (fun (b, n, rule) -> Neighbourhood.Line(b, n, rule))
        | "layer-line", None -> line (fun (b, n, rule) -> Neighbourhood.LayerLine(b, n, rule))
        | "gaussian", Some sigma when finite sigma |> Option.exists (fun sigma -> sigma >= 0.) ->
            let draws, seed = defaultArg (samples arguments) 50, int64 (seed arguments)
            fun _ -> Neighbourhood.Gaussian((finite sigma).Value, draws, seed)
        | _ -> wrong $"--around takes itself, line, layer-line or gaussian:SIGMA, and not '{text}'."

    let timesActivation arguments =
        List.contains Arg.Times_Activation arguments.Given

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

                    match arg with
                    | Arg.Scale("own" | "shared") when command.Name <> "explain" ->
                        wrong "--scale own and shared are for explain's pictures."
                    | _ -> ()

                Some given
        with :? ArguParseException as e ->
            // Argu appends the usage of all options.
            let line = e.Message.Split('\n')[0]
            wrong (line.Replace("ERROR: ", ""))
