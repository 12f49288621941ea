[<RequireQualifiedAccess>]
module Attribution.Runner.Experts

open System.Globalization
open Attribution

let private number (format: string) (value: float) =
    value.ToString(format, CultureInfo.InvariantCulture)

let private percent share = number "0.0" (100. * share) + " %"

let private show (inputs: Inputs) (expert: ExpertSummary) =
    Terminal.table $"Influence of layer {expert.Layer} on {expert.Quantity}" 0 [ expert.Noun; "influence" ] [
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

    expert |> Methods.warning |> Option.iter Terminal.say

/// Many experts, a line each.
let private list (inputs: Inputs) (experts: ExpertSummary list) =
    Terminal.table $"{experts.Length} experts over {inputs.Selected.Count} images" 3 [
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

    match experts |> List.filter _.IsDead with
    | [] -> ()
    | dead ->
        let names =
            [ for e in dead -> $"{e.Layer}: {e.Expert}" ]
            |> List.distinct
            |> String.concat ", "

        Terminal.say
            $"{dead.Length} of them are dead experts, active on no image of their distribution ({names}): {Methods.remedy dead.Head}."

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
    let experts = Methods.experts arguments inputs top

    match List.ofSeq experts with
    | [ expert ] -> show inputs expert
    | several -> list inputs several

    ExpertSummary.WriteJson(out.Draft "experts.json", experts)
    ExpertSummary.WriteInfluence(out.Draft "influence.npz", experts)
    out |> Output.commit "experts.json and influence.npz"

let command = {
    Name = "experts"
    Summary = "Finds the unit of a layer with most influence on a quantity, and says when it is active."
    Syntax = $"{Inputs.syntax} [--layer NAME…] [--quantity QUANTITY…] [--distribution DISTRIBUTION…] --out FOLDER"
    Options = Inputs.options @ Methods.expertOptions @ [ "--top"; "--batch-size"; "--out" ]
    Run = run
}
