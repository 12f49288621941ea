[<RequireQualifiedAccess>]
module Attribution.Runner.Concepts

open System
open System.Collections.Generic
open System.IO
open Attribution
open TorchSharp

/// The images of a folder or an .npz file, as the model takes them.
let private load (model: Model) (path: string) : ImageSet =
    let images =
        if Path.GetExtension(path).ToLowerInvariant() = ".npz" then
            ImageSet.LoadNpz path
        else
            ImageSet.LoadImages([ path ], model)

    RangeCheck.Fit(model, images)

let private named (word: string) =
    match word.IndexOf '=' with
    | at when at > 0 && at < word.Length - 1 -> word[.. at - 1], word[at + 1 ..]
    | _ -> Arguments.wrong $"--concept takes NAME=FOLDER, and not '{word}'."

/// The class that the quantity names, if it does.
let private classOf (inputs: Inputs) (quantity: SpelledQuantity) =
    quantity.Class |> Option.ofObj |> Option.map (Inputs.classOf inputs)

/// The images of one class, where a quantity names it and the classes are known, and those of all others.
let private divided (inputs: Inputs) quantity : ImageSet * ImageSet option =
    match classOf inputs quantity with
    | Some k when inputs.Selected.HasTrueClasses ->
        let own, others =
            [ 0 .. inputs.Selected.Count - 1 ]
            |> List.partition (fun i -> inputs.Selected.TrueClasses[i] = int64 k)

        if own.IsEmpty then
            raise (
                AttributionException $"No image is of class {inputs.Names[k]}, whose score is asked about: give some."
            )

        inputs.Selected.Take own, (if others.IsEmpty then None else Some(inputs.Selected.Take others))
    | _ -> inputs.Selected, None

/// What is tested: the quantity, its name, the concepts, what random sets are drawn from, and the explained images.
let private questions (given: Given) (inputs: Inputs) =
    let quantity = Methods.quantity given
    let given' = List.concat (given.All ConceptOption.Concept)
    let x, rest = divided inputs quantity

    let concepts = [
        for word in given' ->
            let name, path = named word
            Concept(name, Instances.op_Implicit (load inputs.Model path))
    ]

    let others =
        match given.Get ConceptOption.Random, rest with
        | Some path, _ -> load inputs.Model path
        | None, Some rest -> rest
        | None, None ->
            Arguments.wrong
                "Random images are missing: give --random, or --quantity class:K and images whose classes are known."

    Methods.quantityOf inputs quantity, concepts, others, x

let private columns = [|
    "layer"
    "concept"
    "images"
    "score"
    "spread"
    "low"
    "high"
    "random_score"
    "random_spread"
    "random_low"
    "random_high"
    "p"
    "corrected_p"
    "runs_p"
    "accuracy"
    "is_separable"
    "is_significant"
|]

let private records (tests: ConceptTest seq) =
    let rows = Records columns

    for test in tests do
        let struct (low, high) = test.Interval
        let struct (randomLow, randomHigh) = test.RandomInterval

        rows.Add(
            test.Layer,
            test.Concept,
            test.Images,
            test.Score,
            test.Spread,
            low,
            high,
            test.RandomScore,
            test.RandomSpread,
            randomLow,
            randomHigh,
            test.P,
            test.CorrectedP,
            test.RunsP,
            test.Accuracy,
            test.IsSeparable,
            test.IsSignificant
        )

    rows

// Random sets whose scores lie further apart leave no room for any other to stand out.
[<Literal>]
let private Wide = 0.3

let private notes (tests: ConceptTest list) = [
    for test in tests do
        if not test.IsSeparable then
            $"Layer '{test.Layer}' does not tell '{test.Concept}' from random images, of which it puts %.0f{100. * test.Accuracy} %% on their side: it has no direction for it, and the score says nothing."

    for layer, tests in List.groupBy (fun (test: ConceptTest) -> test.Layer) tests do
        let spread = tests |> List.map _.RandomSpread |> List.max

        if spread > Wide then
            $"At layer '{layer}' random sets have scores as far apart as ±%.2f{spread}, since the gradient is nearly the same for all images: cut earlier."
]

let private table (tests: ConceptTest list) =
    let p (value: float) = if value < 0.001 then "< 0.001" else $"%.3f{value}"

    TextTable.Of(
        "TCAV: does the score grow along the concept?",
        2,
        [|
            "layer"
            "concept"
            "score"
            "random sets"
            "p, corrected"
            "p of runs"
            "told apart"
            "significant"
        |],
        [|
            for test in tests ->
                [|
                    test.Layer
                    test.Concept
                    $"%.2f{test.Score} ± %.2f{test.Spread}"
                    $"%.2f{test.RandomScore} ± %.2f{test.RandomSpread}"
                    p test.CorrectedP
                    p test.RunsP
                    $"%.0f{100. * test.Accuracy} %%"
                    if test.IsSignificant then "yes" else "no"
                |]
                :> IReadOnlyList<_>
        |],
        Array.ofList (notes tests)
    )

let private run (given: Given) =
    let runs = Arguments.atLeast 2 "--runs" (given.Get ConceptOption.Runs) |> Option.defaultValue 20
    let asked = List.concat (given.All ConceptOption.Concept)
    asked |> List.iter (named >> ignore)

    if asked.IsEmpty && not (given.Has Demo) then
        Arguments.wrong "--concept is missing."

    use output = Output.Of given
    use inputs = Inputs.load given
    use _ = torch.NewDisposeScope()
    let quantity, concepts, others, x = questions given inputs

    let layers =
        match Arguments.layers given with
        | [] ->
            let layer = Cuts.LastConvolution inputs.Model
            Terminal.say $"Cut at layer '{layer}'; --layer names another."
            [ layer ]
        | layers -> layers

    let tcav = Tcav(inputs.Model, layers, quantity, runs = runs, seed = Arguments.seed given)

    let tests =
        Terminal.watch "Looking for concepts" (fun progress ->
            tcav.Test(
                Array.ofList concepts,
                Instances.op_Implicit others,
                Instances.op_Implicit x,
                Arguments.batchSize given,
                progress,
                given.Stop
            ))

    let rows = records tests
    rows.WriteCsv(output.Draft "concepts.csv")

    rows.WriteJson(
        output.Draft "concepts.json",
        Dictionary(
            dict [
                "quantity", box quantity.Name
                "explained_images", box x.Count
                "other_images", box others.Count
                "runs", box runs
                "tests", box tests.Count
                "level", box ConceptTest.Level
            ]
        )
    )

    tests.WritePicture(output.Draft "concepts.png", $"Does the score of {quantity.Name} grow along a concept?")
    Terminal.table (table (List.ofSeq tests))
    output.Commit "concepts.csv, concepts.json and concepts.png"

let command = {
    Name = "concepts"
    Summary = "Tests whether a score grows along a concept that images show: TCAV, with its significance."
    Syntax =
        $"{Inputs.syntax} --concept NAME=FOLDER… [--random FOLDER] [--layer L…] [--quantity class:K] [--runs N] --out FOLDER"
    Options =
        Inputs.options
        @ [
            Group.of'<ConceptOption>
            Group.of'<CutOption>
            Group.of'<QuestionOption>
            Group.of'<BatchOption>
            Group.of'<SeedOption>
            Group.of'<OutOption>
        ]
    Run = run
}
