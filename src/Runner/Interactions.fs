[<RequireQualifiedAccess>]
module Attribution.Runner.Interactions

open Attribution
open TorchSharp

[<Literal>]
let private Lines = 8

let private run (given: Given) =
    let grid = Arguments.atLeast 1 "--grid" (given.Get Grid) |> Option.defaultValue 4
    let beta = defaultArg (given.Get Beta) 3.

    if not (beta > 0. && System.Double.IsFinite beta) then
        Arguments.wrong $"--beta is a number above 0, and not {beta}."

    use output = Output.Of given
    use inputs = Inputs.load given
    let images = Inputs.few given 6 inputs
    let settings = Methods.settings given inputs
    use _ = torch.NewDisposeScope()
    use model = inputs.Model.Smooth beta
    Terminal.say (Inputs.smoothed given inputs.Model model beta images)
    let pairs = IntegratedHessians(model, settings.Quantity, grid, settings.Baseline, settings.Steps)

    let found =
        Terminal.watch "Looking at pairs of regions" (fun progress ->
            pairs.Attribute(Instances.op_Implicit images, Arguments.batchSize given, progress, given.Stop))

    let gaps = pairs.Gaps(found, Instances.op_Implicit images)
    let numbers = found.``to`` (torch.float64)
    let rows = Records("image", "first_row", "first_column", "second_row", "second_column", "interaction")
    let cells = grid * grid

    for i in 0 .. images.Count - 1 do
        for r in 0 .. cells - 1 do
            for s in r .. cells - 1 do
                rows.Add(i, r / grid, r % grid, s / grid, s % grid, numbers[int64 i, int64 r, int64 s].ToDouble())

    rows.WriteCsv(output.Draft "interactions.csv")

    rows.WriteJson(
        output.Draft "interactions.json",
        dict [
            "quantity", box settings.Quantity.Name
            "baseline", box (defaultArg (given.Get PointOption.Baseline) "black")
            "beta", box beta
            "steps", box settings.Steps
            "completeness_gaps", box gaps
        ]
        :?> System.Collections.Generic.IReadOnlyDictionary<string, obj>
    )

    InteractionPictures.Write(
        output.Draft "interactions.png",
        "Which regions act together",
        $"The {Lines} strongest pairs: red together for the score, blue against it · beside, all pairs, cells row by row · {settings.Quantity.Name}, β = {beta}",
        Lines,
        images.Images(),
        [ for i in 0 .. images.Count - 1 -> Inputs.caption inputs images i ],
        found,
        float images.Peak
    )

    let gaps = Seq.sort gaps |> Array.ofSeq

    Terminal.say
        $"The interactions sum to what the score gains from the baseline to %.2g{100. * gaps[gaps.Length / 2]} %% in the median, %.2g{100. * Array.last gaps} %% at the most: what is left lies at kinks, as of max pools, or between too few steps."

    output.Commit "interactions.csv, interactions.json and interactions.png"

let command = {
    Name = "interactions"
    Summary = "Shows which pairs of regions act together on a score: integrated Hessians, of the smoothed network."
    Syntax = $"{Inputs.syntax} [--grid N] [--beta B] [--quantity QUANTITY] [--steps N] --out FOLDER"
    Options =
        Inputs.options
        @ [ Group.of'<InteractionOption>; Group.of'<SmoothOption> ]
        @ Methods.options
        @ [ Group.of'<OutOption> ]
    Run = run
}
