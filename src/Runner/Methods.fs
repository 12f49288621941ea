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
}

/// An attribution method, set up.
type Method = {
    Name: string
    /// With its settings, for people.
    Description: string
    /// Passes an image, a gradient's counting three: for the progress.
    Passes: float
    Attribute: Part -> IProgress<Progress> -> torch.Tensor
}

[<RequireQualifiedAccess>]
module Methods =
    let known = [ "saliency"; "integrated-gradients"; "influence-directed" ]

    let expertOptions = [ "--layer"; "--quantity"; "--distribution" ]

    let options =
        expertOptions
        @ [ "--baseline"; "--steps"; "--rule"; "--no-multiply"; "--batch-size" ]

    /// The layer that --layer names, or the one to cut at where it names none.
    let layer arguments (inputs: Inputs) =
        match Arguments.layer arguments with
        | Some layer -> layer
        | None ->
            let layer = Cuts.Default inputs.Model
            Terminal.say $"Cut at layer '{layer}'; --layer names another."
            layer

    /// The expert that the arguments ask for, among these images.
    let expert arguments (inputs: Inputs) (images: ImageSet) top =
        let distribution =
            match Arguments.distribution arguments with
            | DistributionSpec.All -> None
            | DistributionSpec.Classes classes -> classes |> List.map (Inputs.classOf inputs) |> Array.ofList |> Some

        let spec = Arguments.quantity arguments

        let margin: Nullable<struct (int * int)> =
            match spec with
            | QuantitySpec.Margin(a, b) -> Nullable(struct (Inputs.classOf inputs a, Inputs.classOf inputs b))
            | _ -> Nullable()

        let layer = layer arguments inputs

        let position i =
            if obj.ReferenceEquals(images, inputs.Selected) then
                inputs.Positions[i]
            else
                i

        Terminal.watch $"Finding the expert of layer {layer}" (fun report ->
            Inputs.naming position (fun () ->
                ExpertSummary.Find(
                    inputs.Model,
                    layer,
                    Inputs.quantity inputs spec images,
                    images,
                    Option.toObj distribution,
                    margin,
                    top,
                    Arguments.batchSize arguments,
                    Terminal.part report 0. 1.,
                    arguments.Stop
                )))

    /// Where to cut instead of after an activation.
    let remedy (expert: ExpertSummary) =
        match expert.Remedy with
        | null -> "choose a layer before an activation"
        | layer -> $"cut before the activation, --layer {layer}"

    /// What to say of a dead expert.
    let warning (expert: ExpertSummary) =
        if expert.IsDead then
            Some
                $"Unit {expert.Expert} of layer '{expert.Layer}' is a dead expert: it has the most influence, but is active on no image of its distribution ({expert.Instances} images); {remedy expert}."
        else
            None

    let private quantityOf arguments inputs =
        let quantity = Inputs.quantity inputs (Arguments.quantity arguments)
        quantity, $"quantity {(quantity inputs.Selected).Name}"

    let private alone multiply =
        if multiply then "" else " · gradient alone"

    let private saliency arguments inputs =
        let multiply = Arguments.multiply arguments
        let quantity, asked = quantityOf arguments inputs

        {
            Name = "saliency"
            Description = asked + alone multiply
            Passes = 3.
            Attribute =
                fun part progress ->
                    SaliencyMap(inputs.Model, quantity part.Images)
                        .Attribute(part.X, Arguments.batchSize arguments, multiply, progress, arguments.Stop)
        }

    let private integratedGradients arguments inputs =
        let steps =
            arguments
            |> Arguments.atLeast
                1
                "--steps"
                (function
                | Arg.Steps n -> Some n
                | _ -> None)
                50

        let start, baseline = Arguments.baseline arguments
        let rule = Arguments.rule arguments
        let multiply = Arguments.multiply arguments
        let quantity, asked = quantityOf arguments inputs

        {
            Name = "integrated-gradients"
            Description = $"{asked} · {steps} steps from {start}{alone multiply}"
            Passes = 3. * float steps
            Attribute =
                fun part progress ->
                    IntegratedGrad(inputs.Model, quantity part.Images)
                        .Attribute(
                            part.X,
                            baseline (float part.Images.Peak) part.Start,
                            Arguments.batchSize arguments,
                            steps,
                            multiply,
                            rule,
                            progress,
                            arguments.Stop
                        )
        }

    let private influenceDirected arguments (inputs: Inputs) (expert: ExpertSummary) =
        let multiply = Arguments.multiply arguments
        let explain = InflDirected(inputs.Model, expert.Layer, Quantity.Predicted)

        {
            Name = "influence-directed"
            Description =
                $"unit {expert.Expert} of layer {expert.Layer} · quantity {expert.Quantity} · distribution {expert.Distribution}{alone multiply}"
            Passes = 3.
            Attribute =
                fun part progress ->
                    explain.ExpertAttribution(
                        expert.Expert,
                        part.X,
                        Arguments.batchSize arguments,
                        multiply,
                        progress,
                        arguments.Stop
                    )
        }

    /// Hands the selected images to f in parts small enough for their attributions to be held in memory.
    let forParts (inputs: Inputs) (f: Part -> unit) =
        let images = inputs.Selected
        let bytes = 4L * int64 images.Channels * int64 images.Height * int64 images.Width
        let size = int (min 256L (max 1L ((64L <<< 20) / bytes)))

        for start in 0..size .. images.Count - 1 do
            use _ = torch.NewDisposeScope()
            let part = images.Take [ start .. min images.Count (start + size) - 1 ]

            Inputs.naming (fun row -> inputs.Positions[start + row]) (fun () ->
                f {
                    Start = start
                    Images = part
                    X = part.Images()
                })

    /// The methods of these names, and the expert where one is needed. The expert is found over all images: the selection
    /// only says which ones are explained.
    let create arguments (inputs: Inputs) names : Method list * ExpertSummary option =
        let expert =
            if List.contains "influence-directed" names then
                Some(expert arguments inputs inputs.All 10)
            else
                None

        let methods =
            names
            |> List.map (fun name ->
                match name, expert with
                | "influence-directed", Some expert -> influenceDirected arguments inputs expert
                | "integrated-gradients", _ -> integratedGradients arguments inputs
                | _ -> saliency arguments inputs)

        expert |> Option.bind warning |> Option.iter Terminal.say
        methods, expert
