[<RequireQualifiedAccess>]
module Attribution.Runner.Experts

open System
open System.Collections.Generic
open Attribution

/// The name of a file for the picture of each expert, in their order.
let private pictureNames (experts: ExpertSummary seq) =
    let plain = String.map (fun c -> if Char.IsAsciiLetterOrDigit c then c else '-')

    match List.ofSeq experts with
    | [ _ ] -> [ "expert.png" ]
    | several ->
        let digits = (string (several.Length - 1)).Length

        several
        |> List.mapi (fun i e -> $"expert-{i.ToString().PadLeft(digits, '0')}-{plain e.Layer}-{plain e.Quantity}.png")

/// The steps in which images are looked for that experts want to see; 0 where nobody asks for them.
let private idealSteps (given: Given) =
    match given.Has Ideal, Methods.iterations given with
    | true, _ when given.Has No_Pictures -> Arguments.wrong "--ideal asks for pictures: leave --no-pictures out."
    | true, steps -> defaultArg steps 64
    | false, Some _ -> Arguments.wrong "--iterations is for --ideal: give both."
    | false, None -> 0

let private draw (given: Given) (output: Output) (inputs: Inputs) steps (experts: IReadOnlyList<ExpertSummary>) =
    let painter =
        ExpertPicture(
            inputs.Model,
            inputs.Selected,
            inputs.Names,
            (fun i -> inputs.Selected.Title i),
            steps,
            int64 (Arguments.seed given)
        )

    Terminal.watch "Drawing what experts see" (fun progress ->
        for i, (expert, name) in Seq.indexed (Seq.zip experts (pictureNames experts)) do
            given.Stop.ThrowIfCancellationRequested()
            progress.Report(Progress(i, experts.Count))
            painter.Write(output.Draft name, expert, Arguments.batchSize given, given.Stop))

/// The layers, and what is asked at each: every quantity over every distribution.
let private asked (given: Given) (inputs: Inputs) =
    Array.ofList (Methods.layers given inputs),
    [|
        for quantity, distribution in
            List.allPairs (Methods.everyQuantity given inputs.Selected) (Methods.distributions given) do
            Methods.ask inputs inputs.Selected quantity distribution
    |]

let private subject given inputs =
    Clusters.subject [ "--top"; "--no-pictures"; "--ideal"; "--iterations" ] (Inputs.files given inputs) given

/// The work of a worker.
let plan (given: Given) (inputs: Inputs) (prepared: string option) =
    let layers, questions = asked given inputs

    ExpertSummary.Plan(
        Option.toObj prepared,
        inputs.Model,
        layers,
        questions,
        inputs.Selected,
        Arguments.batchSize given,
        Arguments.units given,
        Methods.around given,
        given.Has Times_Activation,
        subject given inputs
    )

/// The experts of every layer, quantity and distribution that are asked for.
let private find (given: Given) (inputs: Inputs) top =
    let images = inputs.Selected
    let layers, questions = asked given inputs

    Clusters.at given (fun place ->
        Terminal.watch $"""Finding the expert of layer {String.concat ", " layers}""" (fun progress ->
            images.Naming(fun () ->
                ExpertSummary.FindAll(
                    inputs.Model,
                    layers,
                    questions,
                    images,
                    top,
                    Arguments.batchSize given,
                    progress,
                    given.Stop,
                    Arguments.units given,
                    Methods.around given,
                    given.Has Times_Activation,
                    place,
                    subject given inputs
                ))))

let private run (given: Given) =
    let top = Arguments.atLeast 1 "--top" (given.Get Top)
    let ideal = idealSteps given
    use output = Output.Of given
    use inputs = Inputs.load given
    Inputs.sayDoubt given inputs
    let experts = find given inputs (defaultArg top 10)

    experts.Tables(inputs.Names, inputs.Selected.Count) |> Seq.iter Terminal.table
    ExpertSummary.WriteJson(output.Draft "experts.json", experts)
    ExpertSummary.WriteInfluence(output.Draft "influence.npz", experts)

    if given.Has No_Pictures then
        output.Commit "experts.json and influence.npz"
    else
        draw given output inputs ideal experts
        output.Commit $"""{Words.Count(experts.Count, "picture")}, experts.json and influence.npz"""

let command = {
    Name = "experts"
    Summary =
        "Finds the unit of a layer with most influence on a quantity, says when it is active, and shows what it sees."
    Syntax = $"{Inputs.syntax} [--layer NAME…] [--quantity QUANTITY…] [--distribution DISTRIBUTION…] --out FOLDER"
    Options =
        Inputs.options
        @ Methods.expertOptions
        @ Clusters.submitting
        @ [
            Group.of'<TopOption>
            Group.of'<ExpertsOption>
            Group.of'<IterationOption>
            Group.of'<BatchOption>
            Group.of'<OutOption>
        ]
    Run = run
}
