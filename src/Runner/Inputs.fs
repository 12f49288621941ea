namespace Attribution.Runner

open System
open System.IO
open System.Text.RegularExpressions
open Attribution
open TorchSharp

/// The model and the images that the arguments name.
type Inputs = {
    Model: Model
    ModelFile: string
    /// What the images came from, for people.
    Source: string
    /// All images, and those that --indices and --ids select.
    All: ImageSet
    Selected: ImageSet
    /// The selected ones, with what is known of them, if they are not too many to keep it.
    Instances: Instances
    /// The position among all of each selected image.
    Positions: int[]
    Names: ClassNames
    /// The number of the model's classes.
    Classes: int
    /// The scenes that the images are; null for others.
    Scenes: ConceptScenes
} with

    interface IDisposable with
        member this.Dispose() =
            this.All.Dispose()
            this.Model.Dispose()

            if not (isNull this.Scenes) then
                this.Scenes.Dispose()

[<RequireQualifiedAccess>]
module Inputs =
    // ImageNet's classes, of which the course names some.
    [<Literal>]
    let private CoursesClasses = 1000

    let private instance = Regex(@"\binstance (\d+)")

    /// Does work on images, the i-th of which is at `position i` of the data: what goes wrong with an instance is told of
    /// the image at that position.
    let naming (position: int -> int) (work: unit -> 'a) =
        try
            work ()
        with :? AttributionException as e when instance.IsMatch e.Message ->
            let name (found: Match) =
                $"image {position (int found.Groups[1].Value)}"

            raise (AttributionException(instance.Replace(e.Message, name), e))

    let private fail message = raise (AttributionException message)

    let private preprocessingOptions = [ "--preprocess"; "--scale"; "--mean"; "--std"; "--channel-order" ]

    let modelOptions =
        [ "--model"; "--output" ]
        @ preprocessingOptions
        @ [ "--device"; "--precision"; "--memory" ]

    let options =
        [ "--demo" ]
        @ modelOptions
        @ [ "--dataset"; "--images"; "--indices"; "--ids"; "--labels" ]

    let syntax = "(--demo | --model FILE (--dataset FILE | --images PATH…))"

    // Of each of the fourteen classes.
    [<Literal>]
    let private DemoScenes = 10

    /// The model moved to where --device and --precision say.
    let private placement arguments : Model -> Model =
        let device =
            arguments
            |> Arguments.tryPick (function
                | Arg.Device name -> Some name
                | _ -> None)

        let precision =
            arguments
            |> Arguments.tryPick (function
                | Arg.Precision name -> Some name
                | _ -> None)

        let place = defaultArg device "cpu"

        if not (Regex.IsMatch(place, @"^(cpu|cuda(:\d)?)$")) then
            Arguments.wrong $"--device takes cpu, cuda or cuda:I, and not '{place}'."

        let numbers =
            match precision with
            | None -> None
            | Some "float32" -> Some Precision.Float32
            | Some "float64" -> Some Precision.Float64
            | Some "bfloat16" -> Some Precision.BFloat16
            | Some name -> Arguments.wrong $"--precision takes float32, float64 or bfloat16, and not '{name}'."

        let memory = Arguments.memory arguments

        fun model ->
            let model =
                if device.IsNone && numbers.IsNone then
                    model
                else
                    use loaded = model
                    loaded.To(place, defaultArg numbers model.Precision)

            memory |> Option.fold (fun (model: Model) bytes -> model.Within bytes) model

    /// What the options say is done to images; None where there are none.
    let private preprocessing arguments =
        let given pick = Arguments.tryPick pick arguments

        let scale = Arguments.scale arguments

        let numbers name pick : float[] =
            given pick |> Option.map (Arguments.floats name >> Array.ofList) |> Option.toObj

        let mean =
            numbers "--mean" (function
                | Arg.Mean m -> Some m
                | _ -> None)

        let std =
            numbers "--std" (function
                | Arg.Std s -> Some s
                | _ -> None)

        let order =
            given (function
                | Arg.Channel_Order "rgb" -> Some ChannelOrder.Rgb
                | Arg.Channel_Order "bgr" -> Some ChannelOrder.Bgr
                | Arg.Channel_Order other -> Arguments.wrong $"--channel-order takes rgb or bgr, and not '{other}'."
                | _ -> None)

        let preset =
            given (function
                | Arg.Preprocess "imagenet" -> Some Preprocessing.ImageNet
                | Arg.Preprocess "caffe" -> Some Preprocessing.Caffe
                | Arg.Preprocess "unit" -> Some Preprocessing.Unit
                | Arg.Preprocess "cifar10" -> Some Preprocessing.Cifar10
                | Arg.Preprocess "none" -> Some Preprocessing.None
                | Arg.Preprocess other ->
                    Arguments.wrong $"--preprocess takes imagenet, caffe, unit, cifar10 or none, and not '{other}'."
                | _ -> None)

        let explicit =
            Preprocessing(Option.toNullable scale, mean, std, Option.toNullable order)

        match preset with
        | Some preset -> Some(explicit.Or preset)
        | None when explicit = Preprocessing() -> None
        | None -> Some explicit

    /// Loads a model, puts it where the arguments say, and prints what loading it has to say.
    let placed arguments title load =
        let place = placement arguments
        let model: Model = Terminal.watch title (fun _ -> place (load ()))
        Seq.iter Terminal.say model.Notes
        model

    /// The model that --model names.
    let private named arguments =
        let file =
            arguments
            |> Arguments.require "--model" (function
                | Arg.Model file -> Some file
                | _ -> None)

        let output =
            arguments
            |> Arguments.tryPick (function
                | Arg.Output name -> Some name
                | _ -> None)

        let load =
            match Path.GetExtension(file).ToLowerInvariant(), preprocessing arguments with
            | ".onnx", steps -> fun () -> Model.LoadOnnx(file, Option.toObj steps, Option.toObj output)
            | _ when output.IsSome -> Arguments.wrong "--output is for .onnx models: others have one."
            | (".pt" | ".pth" | ".ts" | ".torchscript"), steps ->
                fun () -> Model.LoadTorchScript(file, Option.toObj steps)
            | ".npz", None -> fun () -> Model.LoadVgg16 file
            | ".npz", Some _ ->
                let names = String.concat ", " preprocessingOptions
                Arguments.wrong $"{names} are for .onnx and .pt models: VGG16 has its own."
            | _ ->
                fail
                    $"'{file}' is no model: give an .onnx file, a TorchScript file (.pt), or the .npz file of VGG16's weights."

        file, placed arguments $"Reading {Path.GetFileName file}" load

    /// The model with what its values tell of its scores, where its file does not.
    let private recognised (model: Model) (images: ImageSet) =
        if isNull model.InputShape then
            try
                let known =
                    model.Recognised(int64 images.Channels, int64 images.Height, int64 images.Width)

                known.Notes |> Seq.except model.Notes |> Seq.iter Terminal.say
                known
            // The images themselves will tell.
            with :? AttributionException ->
                model
        else
            model

    let private demoNetwork arguments =
        let isOurs arg =
            match arg with
            | Arg.Model _
            | Arg.Output _
            | Arg.Dataset _
            | Arg.Images _
            | Arg.Preprocess _
            | Arg.Mean _
            | Arg.Std _
            | Arg.Channel_Order _ -> true
            | _ -> false

        if List.exists isOurs arguments.Given || (Arguments.scale arguments).IsSome then
            Arguments.wrong "--demo stands for a model and images: give either."

        let load () =
            let network = Model.LoadVgg16 DemoNetwork.WeightsPath

            // Statistics of many scenes do not need the numbers that a comparison of single maps does.
            if arguments.Given |> List.exists _.IsPrecision then
                network
            else
                use network = network
                network.To(torch.CPU, Precision.Float32)

        DemoNetwork.WeightsPath, placed arguments "Reading the demo's network" load

    let private isDemo arguments = List.contains Arg.Demo arguments.Given

    /// The model that --model names, or the demo's.
    let model arguments =
        if isDemo arguments then
            demoNetwork arguments
        else
            named arguments

    let private requireFit (model: Model) (images: ImageSet) source =
        match Option.ofObj model.InputShape |> Option.map List.ofSeq with
        | Some shape when shape <> [ int64 images.Channels; images.Height; images.Width ] ->
            let text (sizes: seq<int64>) = String.Join("×", sizes)

            let remedy =
                match shape, images.Channels with
                | [ 3L; h; w ], 1 when h = images.Height && w = images.Width ->
                    "give each pixel three channels, as numpy.repeat(X, 3, axis=3) does for n×height×width×1"
                | [ 1L; h; w ], 3 when h = images.Height && w = images.Width ->
                    "make them grey, as X.mean(axis=3, keepdims=True) does"
                | _ -> "give a data set of that size, or image files with --images, which are resized"

            fail
                $"The model takes images of {text shape} (channels × height × width), but those in '{source}' are {images.Channels}×{images.Height}×{images.Width}: {remedy}."
        | _ -> ()

    let private images arguments (model: Model) =
        let dataset =
            arguments
            |> Arguments.tryPick (function
                | Arg.Dataset file -> Some file
                | _ -> None)

        let paths =
            arguments.Given
            |> List.collect (function
                | Arg.Images paths -> paths
                | _ -> [])

        match dataset, paths with
        | None, [] -> Arguments.wrong "Images are missing: give --dataset or --images."
        | Some _, _ :: _ -> Arguments.wrong "Give --dataset or --images, not both."
        | Some file, [] ->
            let images =
                Terminal.watch $"Reading {Path.GetFileName file}" (fun _ -> ImageSet.LoadNpz file)

            try
                requireFit model images file
                images, file
            with _ ->
                images.Dispose()
                reraise ()
        | None, paths ->
            match Option.ofObj model.InputShape |> Option.map List.ofSeq with
            | Some [ channels; _; _ ] when channels <> 1L && channels <> 3L ->
                fail
                    $"The model takes images of {channels} channels, and image files have 3, or 1 where they are made grey: give --dataset, with X (n×height×width×{channels})."
            | Some [ channels; height; width ] ->
                ImageSet.LoadImages(paths, int height, int width, int channels), String.Join(", ", paths)
            | Some shape ->
                fail
                    $"""The model takes no images, but values of the shape {String.Join("×", shape)}: give --dataset."""
            | None ->
                fail
                    "The model does not say what size of images it takes: give --dataset, with images of the right size."

    /// The positions that --indices and --ids select, each once, in the order given; all where neither is given.
    let private positions arguments (images: ImageSet) =
        let numbers name pick =
            arguments.Given |> List.choose pick |> List.collect (Arguments.integers name)

        let indices =
            numbers "--indices" (function
                | Arg.Indices text -> Some text
                | _ -> None)

        let ids =
            numbers "--ids" (function
                | Arg.Ids text -> Some text
                | _ -> None)

        for index in indices do
            if index < 0L || index >= int64 images.Count then
                fail $"There is no image {index}: the indices are 0 to {images.Count - 1}."

        // Refuses an id that no image has.
        if ids <> [] then
            images.TakeIds ids |> ignore

        let withId id = [
            for i in 0 .. images.Count - 1 do
                if images.Ids[i] = id then
                    i
        ]

        match List.map int indices @ List.collect withId ids with
        | [] -> [| 0 .. images.Count - 1 |]
        | some -> some |> List.distinct |> Array.ofList

    // A thousand logits of so many images are 80 MB.
    [<Literal>]
    let private MostRemembered = 10_000

    let private remembered count (instances: Instances) =
        if count <= MostRemembered then
            instances.Remembered()
        else
            instances

    /// Some of the selected images, in memory, with what is known of them; a large set forgets them afterwards.
    let part inputs start (x: TorchSharp.torch.Tensor) : Instances =
        let part = inputs.Instances.Part(start, x)

        if inputs.Selected.Count > MostRemembered then
            part.Remembered()
        else
            part

    /// The network and the scenes of the demo.
    let private demo arguments =
        let file, network = model arguments
        let seed = Arguments.seed arguments

        try
            let scenes = ConceptScenes.Draw(DemoScenes * ConceptScenes.ClassNames.Count, seed)

            scenes, file, network, scenes.Images, $"ConceptScenes, seed {seed}"
        with _ ->
            network.Dispose()
            reraise ()

    let private given arguments =
        let file, model = model arguments

        try
            let images, source = images arguments model
            let images = RangeCheck.Fit(model, images)
            null, file, recognised model images, images, source
        with _ ->
            model.Dispose()
            reraise ()

    /// The images with the true classes that their folders stand for, if any, and notes of that.
    let private labelled (names: ClassNames option) classes (images: ImageSet) : ImageSet =
        match Option.ofObj images.Folders with
        | None -> images
        | Some folders ->
            let distinct =
                Seq.distinct folders
                |> Seq.sortWith (fun a b -> String.CompareOrdinal(a, b))
                |> List.ofSeq

            let byName = names |> Option.map (fun names -> distinct |> List.map names.NumberOf)

            let text (numbers: int seq) =
                let all = Seq.map2 (fun folder k -> $"{folder} {k}") distinct numbers |> List.ofSeq

                if all.Length > 12 then
                    String.Join(", ", List.truncate 12 all) + ", …"
                else
                    String.Join(", ", all)

            let withClasses (numbers: int list) (note: string) =
                let table = dict (List.zip distinct numbers)

                let labelled =
                    images.WithTrueClasses [| for folder in folders -> int64 table[folder] |]

                labelled.Noting note

            match byName with
            | Some numbers when numbers |> List.forall _.HasValue ->
                let numbers = numbers |> List.map _.Value
                withClasses numbers $"The folders' names are the true classes: {text numbers}."
            | _ when distinct.Length = classes ->
                let numbers = [ 0 .. classes - 1 ]

                withClasses
                    numbers
                    $"The folders are taken for the classes, in alphabetical order as torchvision's ImageFolder has them: {text numbers}."
            | _ ->
                let some = String.Join(", ", List.truncate 12 distinct)

                images.Noting
                    $"""The true classes are not known: the images lie in {Terminal.count distinct.Length "folder"} ({some}), and the model has {classes} classes; name the classes as the folders are with --labels."""

    let private classNames arguments =
        arguments
        |> Arguments.tryPick (function
            | Arg.Labels file -> Some file
            | _ -> None)
        |> Option.map (fun file -> file, ClassNames.Load file)

    let load arguments : Inputs =
        let named = classNames arguments
        let names = Option.map snd named

        let isDemo = isDemo arguments

        let scenes, file, model, all, source =
            if isDemo then demo arguments else given arguments

        try
            let positions = positions arguments all

            use logits =
                naming (fun _ -> positions[0]) (fun () ->
                    model.ClassScores(all.Take [ positions[0] ], cancellation = arguments.Stop))

            let classes = int logits.shape[1]
            let all = labelled names classes all

            let all =
                match named with
                | None -> all
                | Some(file, names) ->
                    let decided =
                        Option.ofObj names.Note |> Option.map (fun note -> $"'{file}': {note}.")

                    let warning = names.Warning(classes, $"'{file}'") |> Option.ofObj
                    List.choose id [ decided; warning ] |> List.fold _.Noting all

            Seq.iter Terminal.say all.Notes

            let unnamed =
                if isDemo then ClassNames.Of ConceptScenes.ClassNames
                elif classes = CoursesClasses then ClassNames.Course
                else ClassNames.None

            let selected = all.Take positions

            {
                Model = model
                ModelFile = file
                Source = source
                All = all
                Selected = selected
                Instances = remembered selected.Count (Instances.op_Implicit selected)
                Positions = positions
                Names = Option.defaultValue unnamed names
                Classes = classes
                Scenes = scenes
            }
        with _ ->
            all.Dispose()
            model.Dispose()

            if not (isNull scenes) then
                scenes.Dispose()

            reraise ()

    // Enough to see that a model is not what the images are for, and few against the work that follows.
    [<Literal>]
    let private MostDoubted = 100

    /// Says where the model's predictions look wrong, by its logits of all selected images.
    let sayDoubt (inputs: Inputs) (logits: torch.Tensor) =
        let check = PredictionCheck()
        check.Add logits

        check.Doubt(inputs.Selected, inputs.Names)
        |> Option.ofObj
        |> Option.iter Terminal.say

    /// The same by some of the images, evenly chosen, for work that needs no logits by itself.
    let sayDoubtOfSome arguments (inputs: Inputs) =
        use _ = torch.NewDisposeScope()
        let count = inputs.Selected.Count
        let some = min count MostDoubted
        let rows = [| for i in 0 .. some - 1 -> i * count / some |]
        let sample = inputs.Selected.Take rows

        let logits =
            naming (fun i -> inputs.Positions[rows[i]]) (fun () ->
                inputs.Model.Logits(sample, Arguments.batchSize arguments, cancellation = arguments.Stop))

        let check = PredictionCheck()
        check.Add logits
        check.Doubt(sample, inputs.Names) |> Option.ofObj |> Option.iter Terminal.say

    /// The number of a class that was given by its number or its name.
    let classOf (inputs: Inputs) (spec: ClassSpec) =
        if inputs.Names.Count = 0 && not (Seq.forall Char.IsAsciiDigit spec) then
            fail $"The class '{spec}' has no number: name the classes with --labels FILE, or give its number."

        match inputs.Names.Find spec with
        | k when k < inputs.Classes -> k
        | k -> fail $"There is no class {k}: the model has {inputs.Classes} classes, 0 to {inputs.Classes - 1}."

    /// "image 3 · id 11436", or the file's name, of a selected image.
    let title (inputs: Inputs) i =
        match $"image {inputs.Positions[i]}", inputs.Selected.Label i with
        | position, id when inputs.Selected.HasIds -> $"{position} · id {id}"
        | position, label when label = string inputs.Positions[i] -> position
        | position, file -> $"{position} · {file}"

    /// The quantity of interest for a set of images, since it may take their labels.
    let quantity (inputs: Inputs) spec : ImageSet -> Quantity =
        match spec with
        | QuantitySpec.Predicted -> fun _ -> Quantity.Predicted
        | QuantitySpec.True -> fun images -> Quantity.TrueClass images.TrueClasses
        | QuantitySpec.Class k ->
            let quantity = Quantity.Class(classOf inputs k)
            fun _ -> quantity
        | QuantitySpec.Margin(a, b) ->
            let quantity =
                Quantity.Margin(List.map (classOf inputs) a, List.map (classOf inputs) b)

            fun _ -> quantity
        | QuantitySpec.OneVsRest k ->
            let quantity = Quantity.OneVsRest(classOf inputs k)
            fun _ -> quantity
        | QuantitySpec.Threshold(k, t) ->
            let quantity = Quantity.Threshold(classOf inputs k, t)
            fun _ -> quantity
        | QuantitySpec.Unit(layer, unit, units) ->
            let quantity = Quantity.Unit(inputs.Model.RequireLayer layer, unit, units)
            fun _ -> quantity
