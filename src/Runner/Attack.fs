[<RequireQualifiedAccess>]
module Attribution.Runner.Attack

open System.Collections.Generic
open Attribution
open TorchSharp

[<Literal>]
let private Drawn = 6

let private change, correlation, overlap, move =
    "relative change of the map",
    "rank correlation",
    "overlap of the top tenth",
    "largest change of a logit, of their spread"

/// Before and after, a group an image; the difference so many times.
let private pictures (inputs: Inputs) (images: ImageSet) (found: AttackResult) times = [
    use x = images.Images()
    let difference = (found.Images - x) * (times: float).ToScalar() + (0.5 * float images.Peak).ToScalar()
    let before, after = PictureTable.Clouds found.Before, PictureTable.Clouds found.After
    let peak = float images.Peak
    let pixels, attacked = PictureTable.Images(x, peak), PictureTable.Images(found.Images, peak)
    let moved = PictureTable.Images(difference, peak)

    for i in 0 .. min Drawn images.Count - 1 ->
        let tile (pictures: torch.Tensor) (line: string) = PictureTile(pictures[int64 i], line)

        KeyValuePair(
            Inputs.caption inputs images i,
            [
                tile pixels "image"
                tile before "its map"
                tile attacked "attacked"
                tile after $"its map: %.2f{found.Changes[i]}"
                tile moved $"difference × %.0f{times}"
            ]
            :> IReadOnlyList<_>
        )
]

let private run (given: Given) =
    let known = [ for m in AttributionMethod.All -> m.Name ]

    let names, _ =
        Arguments.namesOr
            ([ "saliency"; "integrated-gradients" ], false)
            "--method"
            known
            (given.All ExplainOption.Method)

    let beta = defaultArg (given.Get Beta) 3.
    let radius = defaultArg (given.Get Radius) 0.02
    let steps = defaultArg (Methods.iterations given) 10

    for name, value in [ "--beta", beta; "--radius", radius ] do
        if not (value > 0. && System.Double.IsFinite value) then
            Arguments.wrong $"{name} is a number above 0, and not {value}."

    use output = Output.Of given
    use inputs = Inputs.load given
    let images = Inputs.few given 14 inputs
    let settings = Methods.settings given inputs
    use smooth = inputs.Model.Smooth beta
    Terminal.say (Inputs.smoothed given inputs.Model smooth beta images)

    let variants = [
        for name in names do
            yield name, "", inputs.Model
            yield name, $", β = {beta}", smooth
    ]

    let trials =
        Trials(
            [ for name, how, _ in variants -> name + how ],
            [ change; correlation; overlap; move ],
            [ 0 .. images.Count - 1 ],
            "image",
            false
        )

    for name, how, model in variants do
        use _ = torch.NewDisposeScope()

        let attack =
            ExplanationAttack(
                model,
                Methods.explaining settings name,
                radius = radius,
                steps = steps,
                seed = int64 (Arguments.seed given)
            )

        let found =
            Terminal.watch $"Attacking {name}{how}" (fun progress ->
                attack.Run(Instances.op_Implicit images, progress, given.Stop))

        for measure, values in
            [
                change, found.Changes
                correlation, found.Correlations
                overlap, found.Overlaps
                move, found.Moves
            ] do
            trials.Add(name + how, measure, values)

        if how = "" then
            PictureTable.Write(
                output.Draft $"attack-{name}.png",
                $"An image that looks the same, and another explanation: {name}",
                $"|x' - x| ≤ %.3g{100. * radius} %% of the range, the same class, no logit further than 10 %% of their spread · ‖A(x') - A(x)‖ / ‖A(x)‖",
                1,
                150.,
                pictures inputs images found (round (0.25 / radius))
            )

    Terminal.table (trials.Table("Explanations under attack", "method"))
    trials.WriteCsv(output.Draft "attack.csv")
    trials.WriteJson(output.Draft "attack.json")
    let drawn = names |> List.map (fun name -> $"attack-{name}.png") |> String.concat ", "
    output.Commit $"attack.csv, attack.json and {drawn}"

let command = {
    Name = "attack"
    Summary = "Changes images so that their maps move and their classes do not; and the same of smoothed explanations."
    Syntax = $"{Inputs.syntax} [--method METHOD…] [--radius SHARE] [--iterations N] [--beta B] --out FOLDER"
    Options =
        Inputs.options
        @ [ Group.of'<ExplainOption>; Group.of'<AttackOption>; Group.of'<SmoothOption> ]
        @ Methods.options
        @ [ Group.of'<OutOption> ]
    Run = run
}
