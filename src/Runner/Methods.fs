namespace Attribution.Runner

open System
open Attribution
open TorchSharp

/// Some of the images, in memory.
type Part = {
    /// The position of the first one among the selected.
    Start: int
    Images: ImageSet
    X: torch.Tensor
    /// The same, with what is known of them.
    Instances: Instances
}

/// An attribution method, set up.
type Method = {
    Name: string
    /// With its settings, for people.
    Description: string
    /// Passes an image, a gradient's counting three: for the progress.
    Passes: float
    Attribute: Part -> IProgress<Progress> -> torch.Tensor
    /// The same, set up for any model and quantity.
    Explain: Part -> Model -> Quantity -> Explainer
    /// The baseline of maps that are multiplied with their distance from one; null for others.
    MultipliedFrom: Part -> Baseline
    /// What there is to say when all is done.
    Note: unit -> string option
    /// The layer that a class activation map looks at.
    MapLayer: string option
}

[<RequireQualifiedAccess>]
module Methods =
    [<Literal>]
    let private InfluenceDirected = "influence-directed"

    [<Literal>]
    let private ExpectedGradients = "expected-gradients"

    let known =
        InfluenceDirected :: [ for method in AttributionMethod.All -> method.Name ]

    let unitOptions = [ "--layer"; "--units"; "--quantity"; "--distribution" ]

    let private questionOptions = unitOptions @ [ "--around"; "--times-activation" ]

    let expertOptions =
        questionOptions @ [ "--baseline"; "--steps"; "--rule"; "--samples"; "--seed" ]

    let options =
        questionOptions
        @ [
            "--baseline"
            "--steps"
            "--tolerance"
            "--rule"
            "--no-multiply"
            "--samples"
            "--noise"
            "--window"
            "--stride"
            "--seed"
            "--map-layer"
            "--max-pool"
            "--batch-size"
        ]

    /// The layers that --layer names, or the one to cut at where it names none.
    let layers arguments (inputs: Inputs) =
        match Arguments.layers arguments with
        | [] ->
            let layer = Cuts.Default inputs.Model
            Terminal.say $"Cut at layer '{layer}'; --layer names another."
            [ layer ]
        | layers -> layers

    let private question (inputs: Inputs) (images: ImageSet) spec distribution =
        let number = Inputs.classOf inputs

        let margin: Nullable<struct (int * int)> =
            match spec with
            | QuantitySpec.Margin([ a ], [ b ]) -> Nullable(struct (number a, number b))
            | _ -> Nullable()

        let named =
            match spec with
            | QuantitySpec.Class k
            | QuantitySpec.OneVsRest k
            | QuantitySpec.Threshold(k, _) -> [ k ]
            | QuantitySpec.Margin(a, b) -> a @ b
            | _ -> []

        let classes =
            match distribution, named with
            | DistributionSpec.All, _ -> null
            | DistributionSpec.Classes classes, _ -> classes |> List.map number |> Array.ofList
            | DistributionSpec.Own, [] ->
                Arguments.wrong
                    "--distribution own needs a quantity that names classes: class:K, margin:A,B, one-vs-rest:K or threshold:K,T."
            | DistributionSpec.Own, named -> named |> List.map number |> Array.ofList

        let hasSides = spec.IsMargin || spec.IsOneVsRest
        ExpertQuestion(Inputs.quantity inputs spec images, classes, margin, hasSides)

    /// The answers to questions about these images.
    let private answers arguments (inputs: Inputs) (images: ImageSet) (layers: string list) questions top =
        let units = Arguments.units arguments
        let around = Arguments.around arguments (float images.Peak)

        let position i =
            if obj.ReferenceEquals(images, inputs.Selected) then
                inputs.Positions[i]
            else
                i

        Terminal.watch $"""Finding the expert of layer {String.concat ", " layers}""" (fun report ->
            Inputs.naming position (fun () ->
                ExpertSummary.FindAll(
                    inputs.Model,
                    Array.ofList layers,
                    Array.ofList questions,
                    images,
                    top,
                    Arguments.batchSize arguments,
                    Terminal.part report 0. 1.,
                    arguments.Stop,
                    units,
                    around,
                    Arguments.timesActivation arguments
                )))

    /// The experts that the arguments ask for among the selected images: for each layer, quantity and distribution.
    let experts arguments (inputs: Inputs) top =
        let images = inputs.Selected

        let classes () =
            images.TrueClasses |> Seq.distinct |> Seq.sort |> Seq.map string |> List.ofSeq

        let quantities =
            Arguments.quantities arguments
            |> List.collect (function
                | QuantitiesSpec.One quantity -> [ quantity ]
                | QuantitiesSpec.EachClass -> classes () |> List.map QuantitySpec.Class
                | QuantitiesSpec.EachMargin ->
                    List.allPairs (classes ()) (classes ())
                    |> List.filter (fun (a, b) -> a <> b)
                    |> List.map (fun (a, b) -> QuantitySpec.Margin([ a ], [ b ])))

        let questions =
            List.allPairs quantities (Arguments.distributions arguments)
            |> List.map (fun (quantity, distribution) -> question inputs images quantity distribution)

        answers arguments inputs images (layers arguments inputs) questions top

    /// The one expert that the arguments ask for, among all images.
    let private expert arguments (inputs: Inputs) =
        let asked =
            question inputs inputs.All (Arguments.quantity arguments) (Arguments.distribution arguments)

        (answers arguments inputs inputs.All [ List.last (layers arguments inputs) ] [ asked ] 10)[0]

    /// "unit 12", "channel 12".
    let unit (expert: ExpertSummary) = $"{expert.Noun} {expert.Expert}"

    /// How influence was taken, where that is not at each image, plainly.
    let neighbourhood (expert: ExpertSummary) =
        String.concat "" [
            if not (isNull expert.AroundSettings) then
                $" · around {expert.Around}, {expert.AroundSettings}"
            if expert.TimesActivation then
                " · times activation"
        ]

    /// Where to cut instead of after an activation.
    let remedy (expert: ExpertSummary) =
        match expert.Remedy with
        | null -> "choose a layer before an activation"
        | layer -> $"cut before the activation, --layer {layer}"

    /// What to say of a dead expert.
    let warning (expert: ExpertSummary) =
        if expert.IsDead then
            Some
                $"{Terminal.capital (unit expert)} of layer '{expert.Layer}' is a dead expert: it has the most influence, but is active on no image of its distribution ({expert.Instances} images); {remedy expert}."
        else
            None

    let private quantityOf arguments inputs =
        let quantity = Inputs.quantity inputs (Arguments.quantity arguments)
        quantity, $"quantity {(quantity inputs.Selected).Name}"

    let private alone multiply =
        if multiply then "" else " · gradient alone"

    let private namedLayer arguments =
        arguments
        |> Arguments.tryPick (function
            | Arg.Map_Layer name -> Some name
            | _ -> None)

    /// The layer that class activation maps look at.
    let private mapLayer arguments (inputs: Inputs) quantity =
        match namedLayer arguments with
        | Some name -> inputs.Model.RequireLayer name
        | None -> Cuts.LastConvolution(inputs.Model, quantity inputs.Selected)

    let private settings arguments (inputs: Inputs) (layer: string) =
        let steps, rule =
            match Arguments.steps arguments with
            | StepsSpec.Fixed(steps, rule) -> steps, rule
            | StepsSpec.Auto _ -> 50, IntegrationRule.GaussLegendre

        let struct (window, stride) = Arguments.window arguments

        MethodSettings(
            Noise = Option.defaultValue (MethodSettings().Noise) (Arguments.noise arguments),
            WindowSize = window,
            Stride = stride,
            Layer = layer,
            // Which images are explained is no reason to compare them with fewer.
            Background = Nullable(Instances.op_Implicit inputs.All),
            MaxPool = Arguments.maxPool arguments,
            Steps = steps,
            Rule = rule,
            MultiplyWithInput = Arguments.multiply arguments,
            Samples = Option.toNullable (Arguments.samples arguments),
            Seed = int64 (Arguments.seed arguments)
        )

    /// The settings that concern a method, for people.
    let private described arguments (method: AttributionMethod) (settings: MethodSettings) =
        let start, _ = Arguments.baseline arguments
        let uses = method.Uses.HasFlag

        String.concat "" [
            if uses MethodSetting.Steps then
                $" · {settings.Steps} steps"
            if uses MethodSetting.Baseline then
                $" from {start}"
            if uses MethodSetting.Samples && settings.Samples.HasValue then
                $" · {settings.Samples.Value} samples"
            if uses MethodSetting.Noise && settings.Noise <> MethodSettings().Noise then
                $" · noise {settings.Noise}"
            if uses MethodSetting.Window && settings.WindowSize.HasValue then
                $" · window {settings.WindowSize.Value}"
            if uses MethodSetting.Window && settings.Stride.HasValue then
                $" · stride {settings.Stride.Value}"
            if uses MethodSetting.Layer && not (isNull settings.Layer) then
                $" · layer {settings.Layer}"
            if method.Name = ExpectedGradients then
                $" · background of {settings.Background.Value.Count} images, without the image itself"
            if uses MethodSetting.MaxPool && settings.MaxPool <> MaxPoolRule.Rescale then
                $" · max pools by {(string settings.MaxPool).ToLowerInvariant()}"
            if uses MethodSetting.Multiply then
                alone settings.MultiplyWithInput
        ]

    /// One number a pixel is the same number for each of its channels.
    let private perChannel (x: torch.Tensor) (maps: torch.Tensor) =
        if maps.ndim = 3L then
            maps.unsqueeze(1L).expand_as x
        else
            maps

    /// The share of a score's change that maps may miss without a word.
    [<Literal>]
    let private MostMissing = 0.01

    let private registered arguments (inputs: Inputs) name =
        let method = AttributionMethod.Find name
        let quantity, asked = quantityOf arguments inputs

        let layer =
            if method.Uses.HasFlag MethodSetting.Layer then
                mapLayer arguments inputs quantity
            else
                null

        let settings = settings arguments inputs layer
        let _, baseline = Arguments.baseline arguments
        let baseline part = baseline (float part.Images.Peak)

        // What the model or the settings do not allow is told before the long work begins.
        method.Create(inputs.Model, settings) |> ignore

        let explain part model quantity =
            method.Create(model, settings.For(quantity, baseline part))

        {
            Name = name
            Description = asked + described arguments method settings
            Passes = method.Work(settings, inputs.Instances).Passes
            Attribute =
                fun part progress ->
                    (explain part inputs.Model (quantity part.Images))
                        .Invoke(part.Instances, Arguments.batchSize arguments, progress, arguments.Stop)
                    |> perChannel part.X
            Explain = explain
            MultipliedFrom =
                fun part ->
                    if not (method.Uses.HasFlag MethodSetting.Multiply && settings.MultiplyWithInput) then
                        null
                    elif method.Uses.HasFlag MethodSetting.Baseline then
                        baseline part
                    else
                        Baseline.Black
            Note = fun () -> None
            MapLayer = Option.ofObj layer
        }

    /// DeepLIFT, saying how much of the score's change its maps miss.
    let private deepLift arguments (inputs: Inputs) =
        let method = registered arguments inputs "deeplift"
        let settings = settings arguments inputs null
        let quantity, _ = quantityOf arguments inputs
        let _, baseline = Arguments.baseline arguments
        let gaps = ResizeArray<float>()

        let account () =
            let far = gaps |> Seq.filter (fun gap -> gap > MostMissing) |> List.ofSeq

            if far.IsEmpty then
                None
            else
                let images = Terminal.count gaps.Count "image"

                Some
                    $"DeepLIFT's maps of {far.Length} of {images} do not sum to the change of the score: up to {100. * List.max far:F1} %% of it is missing."

        {
            method with
                Attribute =
                    fun part progress ->
                        let found =
                            DeepLift(
                                inputs.Model,
                                quantity part.Images,
                                baseline (float part.Images.Peak),
                                settings.MultiplyWithInput,
                                settings.MaxPool
                            )
                                .AttributeWithGaps(
                                    part.Instances,
                                    Arguments.batchSize arguments,
                                    progress,
                                    arguments.Stop
                                )

                        gaps.AddRange found.Gaps
                        found.Attributions
                Note = account
        }

    /// Integrated gradients with as many steps for each image as completeness asks for.
    let private adaptive arguments inputs tolerance =
        let start, baseline = Arguments.baseline arguments
        let multiply = Arguments.multiply arguments
        let quantity, asked = quantityOf arguments inputs
        let steps, gaps = ResizeArray<int>(), ResizeArray<float>()
        let baseline part = baseline (float part.Images.Peak)

        let explain part model (quantity: Quantity) progress (instances: Instances) =
            IntegratedGrad(model, quantity)
                .AttributeAdaptively(
                    instances,
                    baseline part,
                    Arguments.batchSize arguments,
                    tolerance,
                    multiplyWithInput = multiply,
                    progress = progress,
                    cancellation = arguments.Stop
                )

        let account () =
            let sorted = Seq.sort steps |> Array.ofSeq
            let far = gaps |> Seq.filter (fun gap -> gap > tolerance) |> Seq.length

            let unreached =
                if far > 0 then
                    $"; {far} of them keep a larger gap, up to {100. * Seq.max gaps:F1} %%"
                else
                    ""

            $"Integrated gradients took {sorted[0]} to {Array.last sorted} steps an image (median {sorted[sorted.Length / 2]}) for a completeness gap of {100. * tolerance} %%{unreached}."

        {
            Name = "integrated-gradients"
            Description =
                $"{asked} · as many steps from {start} as leave a gap of {100. * tolerance} %%{alone multiply}"
            Passes = 3. * 64.
            Attribute =
                fun part progress ->
                    let found = explain part inputs.Model (quantity part.Images) progress part.Instances

                    steps.AddRange found.Steps
                    gaps.AddRange found.Gaps
                    found.Attributions
            Explain =
                fun part model quantity ->
                    Explainer(fun x _ progress _ -> (explain part model quantity progress x).Attributions)
            MultipliedFrom = fun part -> if multiply then baseline part else null
            // A study that goes on may have nothing left to explain.
            Note = fun () -> if steps.Count = 0 then None else Some(account ())
            MapLayer = None
        }

    let private influenceDirected arguments (inputs: Inputs) (expert: ExpertSummary) =
        let multiply = Arguments.multiply arguments

        let explain model progress (x: Instances) =
            InflDirected(model, expert.Layer, Quantity.Predicted, expert.Units)
                .ExpertAttribution(expert.Expert, x, Arguments.batchSize arguments, multiply, progress, arguments.Stop)

        {
            Name = InfluenceDirected
            Description =
                $"{unit expert} of layer {expert.Layer} · quantity {expert.Quantity} · distribution {expert.Distribution}{neighbourhood expert}{alone multiply}"
            Passes = 3.
            Attribute = fun part progress -> explain inputs.Model progress part.Instances
            Explain = fun _ model _ -> Explainer(fun x _ progress _ -> explain model progress x)
            MultipliedFrom = fun _ -> if multiply then Baseline.Black else null
            Note = fun () -> None
            MapLayer = None
        }

    /// Hands the selected images to f in parts small enough for their attributions to be held in memory.
    let forParts (inputs: Inputs) (f: Part -> unit) =
        let images = inputs.Selected
        let bytes = 4L * int64 images.Channels * int64 images.Height * int64 images.Width
        let size = int (min 256L (max 1L ((64L <<< 20) / bytes)))

        for start in 0..size .. images.Count - 1 do
            use _ = torch.NewDisposeScope()
            let part = images.Take [ start .. min images.Count (start + size) - 1 ]
            let x = part.Images()

            Inputs.naming (fun row -> inputs.Positions[start + row % part.Count]) (fun () ->
                f {
                    Start = start
                    Images = part
                    X = x
                    Instances = Inputs.part inputs start x
                })

    /// A layer that is not there is a mistake in the options, and no fault of one method.
    let private requireLayers arguments (inputs: Inputs) names =
        let require layer =
            inputs.Model.RequireLayer layer |> ignore

        if List.contains InfluenceDirected names then
            Arguments.layers arguments |> List.iter require

        let takesLayer name =
            name <> InfluenceDirected
            && AttributionMethod.Find(name).Uses.HasFlag MethodSetting.Layer

        if List.exists takesLayer names then
            namedLayer arguments |> Option.iter require

    /// What a method is called where it fails.
    let failing name = $"The method {name}"

    /// The methods of these names that the model and the settings allow, and the expert where one is needed. The expert is
    /// found over all images: the selection only says which ones are explained.
    let create arguments (inputs: Inputs) (failures: Failures) names : Method list * ExpertSummary option =
        let attempt name work = failures.Try (failing name) work
        requireLayers arguments inputs names

        let expert =
            if List.contains InfluenceDirected names then
                attempt InfluenceDirected (fun () -> expert arguments inputs)
            else
                None

        let methods =
            names
            |> List.choose (fun name ->
                match name, Arguments.steps arguments with
                | "deeplift", _ -> attempt name (fun () -> deepLift arguments inputs)
                | InfluenceDirected, _ -> expert |> Option.map (influenceDirected arguments inputs)
                | "integrated-gradients", StepsSpec.Auto tolerance ->
                    attempt name (fun () -> adaptive arguments inputs tolerance)
                | _ -> attempt name (fun () -> registered arguments inputs name))

        failures.Require(List.map failing names)
        expert |> Option.bind warning |> Option.iter Terminal.say

        for layer, users in
            methods
            |> List.choose (fun m -> m.MapLayer |> Option.map (fun layer -> layer, m.Name))
            |> List.groupBy fst do
            let names = users |> List.map snd |> String.concat ", "
            Terminal.say $"Class activation maps ({names}) look at layer '{layer}'; --map-layer names another."

        if List.contains ExpectedGradients names then
            let count = Terminal.count inputs.All.Count "image"
            Terminal.say $"Expected gradients compare each image with others, drawn from all {count} of the data."

        methods, expert
