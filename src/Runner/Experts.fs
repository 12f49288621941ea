[<RequireQualifiedAccess>]
module Attribution.Runner.Experts

open System.Globalization
open Attribution

let private number (format: string) (value: float) =
    value.ToString(format, CultureInfo.InvariantCulture)

let private percent share = number "0.0" (100. * share) + " %"

let private show (inputs: Inputs) (expert: ExpertSummary) =
    Terminal.table $"Influence of layer {expert.Layer} on {expert.Quantity}" 0 [ "unit"; "influence" ] [
        for unit in expert.Top -> [ string unit.Unit; number "G6" unit.Influence ]
    ]

    Terminal.say
        $"The expert is unit {expert.Expert}, active on {percent expert.ActiveShare} of the {expert.Instances} images of its distribution ({expert.Distribution})."

    if expert.Classes.Count > 0 then
        Terminal.table $"How often unit {expert.Expert} is active" 1 [ "class"; "number"; "images"; "active" ] [
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
    let expert = Methods.expert arguments inputs inputs.Selected top
    show inputs expert
    expert.WriteJson(out.Draft "experts.json")
    expert.WriteInfluence(out.Draft "influence.npz")
    out |> Output.commit "experts.json and influence.npz"

let command = {
    Name = "experts"
    Summary = "Finds the unit of a layer with most influence on a quantity, and says when it is active."
    Syntax = $"{Inputs.syntax} [--layer NAME] [--quantity QUANTITY] --out FOLDER"
    Options = Inputs.options @ Methods.expertOptions @ [ "--top"; "--batch-size"; "--out" ]
    Run = run
}
