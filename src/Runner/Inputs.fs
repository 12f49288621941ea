namespace Attribution.Runner

open System
open System.Globalization
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

    // Of each of the fourteen classes.
    [<Literal>]
    let private DemoScenes = 10

    let options = [
        Group.of'<DemoOption>
        Group.of'<NetworkOption>
        Group.of'<ModelOption>
        Group.of'<DeviceOption>
        Group.of'<DataOption>
    ]

    let syntax =
        "(--demo [--network vgg|vit|swin|segmentation] | --model FILE (--dataset FILE | --images PATH…))"

    /// The bytes that --memory names.
    let memory (given: Given) = given.Get ModelOption.Memory |> Option.map Spelled.Bytes

    /// The device that --device names.
    let device (given: Given) =
        let place = defaultArg (given.Get Device) "cpu"

        if not (Regex.IsMatch(place, @"^(cpu|cuda(:\d)?)$")) then
            Arguments.wrong $"--device takes cpu, cuda or cuda:I, and not '{place}'."

        place

    /// Moves a model to where --device and --precision say, and bounds what it takes by --memory.
    let private placement (given: Given) : Model -> Model =
        let place = device given
        let numbers = given.Get ModelOption.Precision |> Option.map Spelled.Precision
        let memory = memory given

        fun loaded ->
            let model =
                if (given.Get Device).IsNone && numbers.IsNone then
                    loaded
                else
                    use loaded = loaded
                    loaded.To(place, defaultArg numbers loaded.Precision)

            memory |> Option.fold (fun (model: Model) bytes -> model.Within bytes) model

    /// Loads a model, puts it where the arguments say, and prints what loading it has to say.
    let placed (given: Given) title load =
        let place = placement given
        let model: Model = Terminal.watch title (fun _ -> place (load ()))
        Seq.iter Terminal.say model.Notes
        model

    /// What the last number given to --scale divides pixels by.
    let private scale (given: Given) =
        given.All ModelOption.Scale
        |> List.filter (fun text -> text <> "own" && text <> "shared" || given.Command <> "explain")
        |> List.map (fun text ->
            match text, Double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture) with
            | ("own" | "shared"), _ -> Arguments.wrong "--scale own and shared are for explain's pictures."
            | _, (true, number) -> number
            | _ ->
                Arguments.wrong $"--scale takes a number that pixels are divided by, own or shared, and not '{text}'.")
        |> List.tryLast

    /// Whether the pictures of a method's maps are drawn by one scale; None where nobody says.
    let sharesScale (given: Given) =
        given.All ModelOption.Scale
        |> List.filter (fun text -> text = "own" || text = "shared")
        |> List.tryLast
        |> Option.map ((=) "shared")

    /// What the options say is done to images; null where there are none.
    let private preprocessing (given: Given) =
        let numbers name text : float[] = text |> Option.map (Arguments.floats name >> Array.ofList) |> Option.toObj

        let order = given.Get Channel_Order |> Option.map Spelled.ChannelOrder

        let explicit =
            Preprocessing(
                Option.toNullable (scale given),
                numbers "--mean" (given.Get Mean),
                numbers "--std" (given.Get Std),
                Option.toNullable order
            )

        match given.Get Preprocess with
        | None when explicit = Preprocessing() -> null
        | None -> explicit
        | Some preset -> explicit.Or(Spelled.Preprocessing preset)

    let private demoNetwork (given: Given) =
        let others = [
            yield! given.All ModelOption.Model
            yield! given.All ModelOption.Output
            yield! given.All Dataset
            yield! List.concat (given.All DataOption.Images)
            yield! given.All Preprocess
            yield! given.All Mean
            yield! given.All Std
            yield! given.All Channel_Order
        ]

        if not others.IsEmpty || (scale given).IsSome then
            Arguments.wrong "--demo stands for a model and images: give either."

        let file =
            match Arguments.network given with
            | Some network -> DemoNetworks.ModelPath network
            | None -> DemoNetwork.WeightsPath

        let load () =
            let network = Model.Load file

            // Statistics of many scenes do not need the numbers that a comparison of single maps does.
            if (given.Get ModelOption.Precision).IsSome then
                network
            else
                use network = network
                network.To(torch.CPU, Precision.Float32)

        file, placed given "Reading the demo's network" load

    /// The model that --model names.
    let private named (given: Given) =
        if (given.Get Network).IsSome then
            Arguments.wrong "--network is one of the demo's: give it with --demo."

        let file = Arguments.require "--model" (given.Get ModelOption.Model)
        let steps = preprocessing given
        let output = Option.toObj (given.Get ModelOption.Output)

        let load () =
            let model = Model.Load(file, steps, output)

            match given.Get ModelOption.Boxes with
            | None -> model
            | Some "corners" -> model.WithBoxes BoxNumbers.Corners
            | Some "centre" -> model.WithBoxes BoxNumbers.CentreAndSize
            | Some "corner" -> model.WithBoxes BoxNumbers.CornerAndSize
            | Some other -> Arguments.wrong $"--boxes takes corners, centre or corner, and not '{other}'."

        file, placed given $"Reading {Path.GetFileName file}" load

    /// That, or the demo's.
    let model (given: Given) = if given.Has Demo then demoNetwork given else named given

    let private images (given: Given) (model: Model) =
        match given.Get Dataset, List.concat (given.All DataOption.Images) with
        | None, [] -> Arguments.wrong "Images are missing: give --dataset or --images."
        | Some _, _ :: _ -> Arguments.wrong "Give --dataset or --images, not both."
        | Some file, [] ->
            let isTable = List.contains (Path.GetExtension(file).ToLowerInvariant()) [ ".csv"; ".tsv"; ".txt" ]
            let instance = model.InputShape |> Option.ofObj |> Option.map Array.ofSeq |> Option.defaultValue [||]

            let load () =
                match instance with
                | [| _; _; _ |] when isTable -> ImageSet.LoadTable(file, instance)
                | [| features |] when isTable -> ImageSet.LoadTable(file, [| 1L; 1L; features |])
                | _ when isTable -> ImageSet.LoadTable file
                | [| _; _; _ |]
                | [||] -> ImageSet.LoadNpz file
                | _ -> ImageSet.LoadInstances(file, instance)

            Terminal.watch $"Reading {Path.GetFileName file}" (fun _ -> load ()), file
        | None, paths -> ImageSet.LoadImages(paths, model), String.Join(", ", paths)

    /// The images that --background names, in the numbers of those that are explained. They live as long as the process.
    let background (given: Given) (inputs: Inputs) : ImageSet option =
        match List.concat (given.All Background) with
        | [] -> None
        | paths ->
            let isData (path: string) = List.contains (Path.GetExtension(path).ToLowerInvariant()) [ ".npz"; ".npy" ]

            let load () =
                match paths with
                | [ file ] when isData file && inputs.Model.InputShape.Count = 3 -> ImageSet.LoadNpz file
                | [ file ] when isData file -> ImageSet.LoadInstances(file, inputs.Model.InputShape)
                | _ -> ImageSet.LoadImages(paths, inputs.Model)

            Some(RangeCheck.Fit(inputs.Model, load ()))

    /// What is made of a thing that is freed if that fails.
    let private keeping (thing: #IDisposable) work =
        try
            work thing
        with _ ->
            thing.Dispose()
            reraise ()

    let private read isDemo (given: Given) : ConceptScenes * string * Model * ImageSet * string =
        let file, model = if isDemo then demoNetwork given else named given

        keeping model (fun model ->
            if isDemo then
                let seed = Arguments.seed given

                let scenes =
                    Terminal.watch "Drawing scenes" (fun _ ->
                        ConceptScenes.Draw(DemoScenes * ConceptScenes.ClassNames.Count, seed))

                scenes, file, model, scenes.Images, $"ConceptScenes, seed {seed}"
            else
                let images, source = images given model

                keeping images (fun images ->
                    let images = RangeCheck.Fit(model, images)
                    let known = model.AsImages().For(images, source)
                    known.Notes |> Seq.except model.Notes |> Seq.iter Terminal.say
                    null, file, known, images, source))

    /// The numbers of the images, of which the arguments choose some.
    let private chosen (given: Given) (images: ImageSet) =
        let numbers name = List.collect (Arguments.integers name) >> Array.ofList

        images.Choose(numbers "--indices" (given.All Indices), numbers "--ids" (given.All Ids))

    let private loadOf isDemo (given: Given) : Inputs =
        let named = given.Get Labels |> Option.map (fun file -> file, ClassNames.Load file)
        let scenes, file, model, all, source = read isDemo given

        keeping model (fun model ->
            keeping all (fun all ->
                let positions = chosen given all
                let first = all.Take [ positions[0] ]

                use scores =
                    first.Naming(fun () -> model.ClassScores(Instances.op_Implicit first, cancellation = given.Stop))

                let classes = int scores.shape[1]
                let names, file' = Option.map snd named, Option.map fst named
                let all = all.Named(Option.toObj names, Option.toObj file', classes)
                Seq.iter Terminal.say all.Notes

                let unnamed =
                    if isDemo then
                        // The last class of the segmentation.
                        ClassNames.Of [|
                            yield! ConceptScenes.ClassNames
                            if not (isNull model.Regions) then
                                "background"
                        |]
                    elif classes = CoursesClasses then
                        ClassNames.Course
                    else
                        ClassNames.None

                {
                    Model = model
                    ModelFile = file
                    Source = source
                    All = all
                    Selected = all.Take positions
                    Names = Option.defaultValue unnamed names
                    Classes = classes
                    Scenes = scenes
                }))

    let load (given: Given) = loadOf (given.Has Demo) given

    /// The demo's network and scenes.
    let demo (given: Given) = loadOf true given

    /// The selected images, of the demo's scenes the first few unless some are asked for.
    let few (given: Given) count (inputs: Inputs) : ImageSet =
        if isNull inputs.Scenes || not ((given.All Indices).IsEmpty && (given.All Ids).IsEmpty) then
            inputs.Selected
        else
            inputs.Selected.Take [ 0 .. count - 1 ]

    /// How near a smoothed model is to the one that it was made of.
    let smoothed (given: Given) (model: Model) (smooth: Model) (beta: float) (images: ImageSet) =
        let classes (model: Model) =
            use scores = model.ClassScores(Instances.op_Implicit images, cancellation = given.Stop)
            use found = scores.argmax 1L
            found.data<int64>().ToArray()

        let same = Seq.zip (classes model) (classes smooth) |> Seq.filter (fun (a, b) -> a = b) |> Seq.length
        $"""The network with softplus of β = {beta} in place of ReLUs gives {same} of {Words.Count(images.Count, "image")} the same class."""

    /// What an image is called: its number, and its true class where that is known.
    let caption (inputs: Inputs) (images: ImageSet) i =
        let number = if images.HasIds then images.Ids[i] else int64 i

        if images.HasTrueClasses then
            $"{number}: {inputs.Names[int images.TrueClasses[i]]}"
        else
            $"image {number}"

    /// Says where the model's predictions of some of the images look wrong.
    let sayDoubt (given: Given) (inputs: Inputs) =
        // The mean score of all positions, or the surest box, is no prediction of an image's one class.
        if isNull inputs.Model.Regions && isNull inputs.Model.Detections then
            Terminal.watch "Looking at the model's predictions" (fun progress ->
                inputs.Model.Doubt(
                    inputs.Selected,
                    inputs.Names,
                    Arguments.batchSize given,
                    progress = progress,
                    cancellation = given.Stop
                ))
            |> Option.ofObj
            |> Option.iter Terminal.say

    /// The number of a class that was given by its number or its name.
    let classOf (inputs: Inputs) (text: string) = Spelled.Class(text, inputs.Names, inputs.Classes)

    /// The files that results depend on.
    let files (given: Given) (inputs: Inputs) = [
        let folder = Path.GetDirectoryName(Path.GetFullPath inputs.ModelFile)
        yield! Model.Files inputs.ModelFile |> Seq.map (fun name -> Path.Combine(folder, name))
        yield! given.All Dataset
        yield! given.All Labels
        yield! List.concat (given.All DataOption.Images)
        yield! List.concat (given.All Background)
        yield! given.All MethodOption.Features |> List.filter File.Exists
    ]
