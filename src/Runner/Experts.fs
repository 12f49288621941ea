[<RequireQualifiedAccess>]
module Attribution.Runner.Experts

open System
open System.Globalization
open Attribution

let private number (format: string) (value: float) =
    value.ToString(format, CultureInfo.InvariantCulture)

let private percent share = number "0.0" (100. * share) + " %"

let private auc (expert: ExpertSummary) =
    match Option.ofObj expert.Selectivity with
    | Some s -> number "0.000" s.Auc
    | None -> ""

let private show (inputs: Inputs) (expert: ExpertSummary) =
    Terminal.table $"Influence of layer {expert.Layer} on {expert.Quantity}{expert.Taken}" 0 [
        expert.Noun
        "influence"
    ] [ for unit in expert.Top -> [ string unit.Unit; number "G6" unit.Influence ] ]

    Terminal.say
        $"The expert is {expert.Named}, active on {percent expert.ActiveShare} of the {expert.Instances} images of its distribution ({expert.Distribution})."

    if expert.Classes.Count > 0 then
        Terminal.table $"How often {expert.Named} is active" 1 [ "class"; "number"; "images"; "active" ] [
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
        Terminal.say
            $"Its value tells {inputs.Names[int s.Class]} from {inputs.Names[int s.Against]} with selectivity {auc expert} (area under the ROC curve)."
    | None -> ()

    match Option.ofObj expert.Opposite with
    | Some other ->
        Terminal.say
            $"The opposite margin's expert is {expert.Noun} {other.Unit}, active on {percent other.ActiveShare} of them."
    | None -> ()

    Option.iter Terminal.say (Option.ofObj expert.Warning)

/// Many experts, a line each, and the units that come next.
let private list (inputs: Inputs) (experts: ExpertSummary list) =
    let asked (e: ExpertSummary) = [ e.Layer; e.Quantity; e.Distribution ]
    let asks = [ "layer"; "quantity"; "distribution" ]

    Terminal.table
        $"{experts.Length} experts over {inputs.Selected.Count} images{experts.Head.Taken}"
        3
        (asks @ [ "expert"; "influence"; "active there"; "selectivity" ])
        [
            for e in experts ->
                asked e
                @ [ e.Named; number "G6" e.Top[0].Influence; percent e.ActiveShare; auc e ]
        ]

    let most = experts |> List.map _.Top.Count |> List.max

    if most > 1 then
        Terminal.table $"The {most} with most influence, largest first" 4 (asks @ [ "" ]) [
            for e in experts -> asked e @ [ e.Top |> Seq.map (fun u -> string u.Unit) |> String.concat ", " ]
        ]

    match experts |> List.filter _.IsDead with
    | [] -> ()
    | dead ->
        let names =
            [ for e in dead -> $"{e.Layer}: {e.Expert}" ]
            |> List.distinct
            |> String.concat ", "

        Terminal.say
            $"{dead.Length} of them are dead experts, active on no image of their distribution ({names}): {dead.Head.Advice}."

/// The name of a file for the picture of each expert, in their order.
let private pictureNames (experts: ExpertSummary list) =
    let plain = String.map (fun c -> if Char.IsAsciiLetterOrDigit c then c else '-')
    let digits = (string (experts.Length - 1)).Length

    match experts with
    | [ _ ] -> [ "expert.png" ]
    | several ->
        several
        |> List.mapi (fun i e -> $"expert-{i.ToString().PadLeft(digits, '0')}-{plain e.Layer}-{plain e.Quantity}.png")

let private draw (given: Given) (output: Output) (inputs: Inputs) (experts: ExpertSummary list) =
    let painter =
        ExpertPicture(inputs.Model, inputs.Selected, inputs.Names, Inputs.title inputs)

    Terminal.watch "Drawing what experts see" (fun progress ->
        for i, (expert, name) in List.indexed (List.zip experts (pictureNames experts)) do
            given.Stop.ThrowIfCancellationRequested()
            progress.Report(Progress(i, experts.Length))
            painter.Write(output.Draft name, expert, Arguments.batchSize given, given.Stop))

/// The experts of every layer, quantity and distribution that are asked for.
let private find (given: Given) (inputs: Inputs) top =
    let images = inputs.Selected
    let layers = Methods.layers given inputs

    let questions = [|
        for quantity, distribution in List.allPairs (Methods.everyQuantity given images) (Methods.distributions given) do
            Methods.ask inputs images quantity distribution
    |]

    Terminal.watch $"""Finding the expert of layer {String.concat ", " layers}""" (fun progress ->
        images.Naming(fun () ->
            ExpertSummary.FindAll(
                inputs.Model,
                Array.ofList layers,
                questions,
                images,
                top,
                Arguments.batchSize given,
                progress,
                given.Stop,
                Arguments.units given,
                Methods.around given,
                given.Has Times_Activation
            )))
    |> List.ofSeq

let private run (given: Given) =
    let top = Arguments.atLeast 1 "--top" (given.Get Top)
    use output = Output.Of given
    use inputs = Inputs.load given
    Inputs.sayDoubt given inputs
    let experts = find given inputs (defaultArg top 10)

    match experts with
    | [ expert ] -> show inputs expert
    | several -> list inputs several

    ExpertSummary.WriteJson(output.Draft "experts.json", experts)
    ExpertSummary.WriteInfluence(output.Draft "influence.npz", experts)

    if given.Has No_Pictures then
        output.Commit "experts.json and influence.npz"
    else
        draw given output inputs experts
        output.Commit $"""{Words.Count(experts.Length, "picture")}, experts.json and influence.npz"""

let command = {
    Name = "experts"
    Summary =
        "Finds the unit of a layer with most influence on a quantity, says when it is active, and shows what it sees."
    Syntax = $"{Inputs.syntax} [--layer NAME…] [--quantity QUANTITY…] [--distribution DISTRIBUTION…] --out FOLDER"
    Options =
        Inputs.options
        @ Methods.expertOptions
        @ [ Group.of'<ExpertsOption>; Group.of'<BatchOption>; Group.of'<OutOption> ]
    Run = run
}
