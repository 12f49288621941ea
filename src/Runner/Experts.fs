[<RequireQualifiedAccess>]
module Attribution.Runner.Experts

open System
open System.Globalization
open Attribution

let private number (format: string) (value: float) =
    value.ToString(format, CultureInfo.InvariantCulture)

let private percent share = number "0.0" (100. * share) + " %"

let private show (inputs: Inputs) (expert: ExpertSummary) =
    let title =
        $"Influence of layer {expert.Layer} on {expert.Quantity}{Methods.neighbourhood expert}"

    Terminal.table title 0 [ expert.Noun; "influence" ] [
        for unit in expert.Top -> [ string unit.Unit; number "G6" unit.Influence ]
    ]

    Terminal.say
        $"The expert is {Methods.unit expert}, active on {percent expert.ActiveShare} of the {expert.Instances} images of its distribution ({expert.Distribution})."

    if expert.Classes.Count > 0 then
        Terminal.table $"How often {Methods.unit expert} is active" 1 [ "class"; "number"; "images"; "active" ] [
            for c in expert.Classes ->
                [
                    inputs.Names[int c.Class]
                    string c.Class
                    string c.Instances
                    percent c.ActiveShare
                ]
        ]

    match Option.ofObj expert.Selectivity with
    | Some s ->
        let auc = number "0.000" s.Auc

        Terminal.say
            $"Its value tells {inputs.Names[int s.Class]} from {inputs.Names[int s.Against]} with selectivity {auc} (area under the ROC curve)."
    | None -> ()

    match Option.ofObj expert.Opposite with
    | Some other ->
        Terminal.say
            $"The opposite margin's expert is {expert.Noun} {other.Unit}, active on {percent other.ActiveShare} of them."
    | None -> ()

    expert |> Methods.warning |> Option.iter Terminal.say

/// Many experts, a line each, and the units that come next.
let private list (inputs: Inputs) (experts: ExpertSummary list) =
    let title =
        $"{experts.Length} experts over {inputs.Selected.Count} images{Methods.neighbourhood experts.Head}"

    Terminal.table title 3 [
        "layer"
        "quantity"
        "distribution"
        "expert"
        "influence"
        "active there"
        "selectivity"
    ] [
        for e in experts ->
            [
                e.Layer
                e.Quantity
                e.Distribution
                Methods.unit e
                number "G6" e.Top[0].Influence
                percent e.ActiveShare
                match Option.ofObj e.Selectivity with
                | Some s -> number "0.000" s.Auc
                | None -> ""
            ]
    ]

    let most = experts |> List.map _.Top.Count |> List.max

    if most > 1 then
        Terminal.table $"The {most} with most influence, largest first" 4 [ "layer"; "quantity"; "distribution"; "" ] [
            for e in experts ->
                [
                    e.Layer
                    e.Quantity
                    e.Distribution
                    e.Top |> Seq.map (fun u -> string u.Unit) |> String.concat ", "
                ]
        ]

    match experts |> List.filter _.IsDead with
    | [] -> ()
    | dead ->
        let names =
            [ for e in dead -> $"{e.Layer}: {e.Expert}" ]
            |> List.distinct
            |> String.concat ", "

        Terminal.say
            $"{dead.Length} of them are dead experts, active on no image of their distribution ({names}): {Methods.remedy dead.Head}."

/// The name of a file for the picture of each expert, in their order.
let private pictureNames (experts: ExpertSummary list) =
    let plain (text: string) =
        String.map (fun c -> if Char.IsAsciiLetterOrDigit c then c else '-') text

    let digits = (string (experts.Length - 1)).Length

    experts
    |> List.mapi (fun i e ->
        match experts with
        | [ _ ] -> "expert.png"
        | _ -> $"expert-{i.ToString().PadLeft(digits, '0')}-{plain e.Layer}-{plain e.Quantity}.png")

let private draw arguments (output: Output) (inputs: Inputs) (experts: ExpertSummary list) =
    let painter =
        ExpertPicture(inputs.Model, inputs.Selected, inputs.Names, Inputs.title inputs)

    Terminal.watch "Drawing what experts see" (fun report ->
        for i, (expert, name) in List.zip experts (pictureNames experts) |> List.indexed do
            arguments.Stop.ThrowIfCancellationRequested()
            painter.Write(output.Draft name, expert, Arguments.batchSize arguments, arguments.Stop)
            report (float (i + 1) / float experts.Length))

let private run arguments =
    let top =
        arguments
        |> Arguments.atLeast
            1
            "--top"
            (function
            | Arg.Top n -> Some n
            | _ -> None)
            10

    use out = Output.create arguments
    use inputs = Inputs.load arguments
    Inputs.sayDoubtOfSome arguments inputs
    let experts = List.ofSeq (Methods.experts arguments inputs top)

    match experts with
    | [ expert ] -> show inputs expert
    | several -> list inputs several

    ExpertSummary.WriteJson(out.Draft "experts.json", experts)
    ExpertSummary.WriteInfluence(out.Draft "influence.npz", experts)

    if List.contains Arg.No_Pictures arguments.Given then
        out |> Output.commit "experts.json and influence.npz"
    else
        draw arguments out inputs experts

        out
        |> Output.commit $"""{Terminal.count experts.Length "picture"}, experts.json and influence.npz"""

let command = {
    Name = "experts"
    Summary =
        "Finds the unit of a layer with most influence on a quantity, says when it is active, and shows what it sees."
    Syntax = $"{Inputs.syntax} [--layer NAME…] [--quantity QUANTITY…] [--distribution DISTRIBUTION…] --out FOLDER"
    Options =
        Inputs.options
        @ Methods.expertOptions
        @ [ "--top"; "--no-pictures"; "--batch-size"; "--out" ]
    Run = run
}
