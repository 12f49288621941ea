namespace Attribution.Runner

open System
open Argu
open FSharp.Reflection

/// What an option means, for people.
[<AttributeUsage(AttributeTargets.Property)>]
type MeansAttribute(text: string) =
    inherit Attribute()
    member _.Text = text

[<RequireQualifiedAccess>]
module private Meaning =
    /// What the case of a value says of itself.
    let of' (value: 'T) =
        let case, _ = FSharpValue.GetUnionFields(value, typeof<'T>)
        (case.GetCustomAttributes typeof<MeansAttribute> |> Seq.head :?> MeansAttribute).Text

// Groups of options that one or several commands take: a name is spelled the same, and means the same, wherever it is taken.

type DemoOption =
    | [<Means("in place of a model and images: the network that comes with the program, and 140 scenes.")>] Demo

    interface IArgParserTemplate with
        member this.Usage = Meaning.of' this

type ModelOption =
    | [<Means("the classifier: an .onnx file, a TorchScript file (.pt), or the .npz file of VGG16's weights.")>] Model of
        file: string
    | [<Means("for .onnx: the output that holds the scores, or another tensor of the file that does; without it the one of several scores an image whose name speaks most for scores, then the last.")>] Output of
        name: string
    | [<Means("for .onnx and .pt: what training did to pixels (0-255): imagenet, caffe, unit (divided by 255), cifar10 or none; without it and the next four, what an .onnx file's metadata say, or none.")>] Preprocess of
        name: string
    | [<Means("for .onnx and .pt: what pixels are divided by, such as 255; or, in explain, own (the default) or shared: whether each map is drawn by its own maximum, or all of a method's by one. It may be given twice.")>] Scale of
        number: string
    | [<Means("for .onnx and .pt: what is subtracted after that, one number or one a channel, in the network's order.")>] Mean of
        numbers: string
    | [<Means("for .onnx and .pt: what divides the rest, one number or one a channel, in the network's order.")>] Std of
        numbers: string
    | [<Means("for .onnx and .pt: the network's order of channels: rgb or bgr.")>] Channel_Order of order: string
    | [<Means("where the model runs: cpu (the default), cuda or cuda:I.")>] Device of device: string
    | [<Means("float32, float64 or bfloat16; without it float64 for small networks, and float32 for others.")>] Precision of
        precision: string
    | [<Means("what a pass may take of memory, such as 2GB or 500MB; without it half of what is free, and at most 4GB.")>] Memory of
        size: string

    interface IArgParserTemplate with
        member this.Usage = Meaning.of' this

type DataOption =
    | [<Means("images as an .npz file: X (n×H×W×C) and, where known, Y, Pred and Idx; or X alone as an .npy file.")>] Dataset of
        file: string
    | [<Means("image files and folders of them, or a folder of a folder for each class, in place of --dataset.")>] Images of
        path: string list
    | [<Means("only the images at these positions: 0,3,…")>] Indices of numbers: string
    | [<Means("only the images with these values of Idx: 11436,…")>] Ids of numbers: string
    | [<Means("names of the classes: one a line, with or without its number, a JSON or Python list or table, or the names of a YAML file; names may then stand for numbers.")>] Labels of
        file: string

    interface IArgParserTemplate with
        member this.Usage = Meaning.of' this

type ExplainOption =
    | [<Means("one or several of those that 'attribution methods' lists, or all. One that fails is named, and the others' results are written; the exit code is 1 where it was asked for by name.")>] Method of
        method: string list

    interface IArgParserTemplate with
        member this.Usage = Meaning.of' this

type GridOption =
    | [<Means("one or several of those that 'attribution methods' lists, or all. One that fails is named, and the others' results are written; the exit code is 1 where it was asked for by name.")>] Methods of
        method: string list
    | [<Means("one or several of those that 'attribution methods' lists, or all. One that fails is named, and the others' results are written; the exit code is 1 where it was asked for by name.")>] Metrics of
        metric: string list

    interface IArgParserTemplate with
        member this.Usage = Meaning.of' this

type StepOption =
    | [<Means("how many pixels the metrics that remove pixels or put them back change at a time; without it 1000 for images of 224×224 or larger, and as large a share of smaller ones, in 25 steps at the least.")>] Pixels_Per_Step of
        number: int

    interface IArgParserTemplate with
        member this.Usage = Meaning.of' this

type EvaluateOption =
    | [<Means("leave images whose score is not positive out of average drop, instead of stopping.")>] Skip_Non_Positive

    interface IArgParserTemplate with
        member this.Usage = Meaning.of' this

type CutOption =
    | [<Means("where the model is cut (see 'attribution layers'); without it, before the last hidden activation.")>] Layer of
        name: string
    | [<Means("what a unit of the layer is: each (one number), channel-sum or channel-max (over a channel's positions), or auto (the default): channel-sum for convolutional layers, each for others.")>] Units of
        reading: string

    interface IArgParserTemplate with
        member this.Usage = Meaning.of' this

type QuestionOption =
    | [<Means("what is explained: predicted (the default), true, class:K, margin:A,B (with several classes on a side margin:A+B,C+D), one-vs-rest:K, threshold:K,T (how far the score of K is from T) or unit:LAYER,U. For experts also classes and margins: every class that has images, and every pair of them, both ways. For compress class:K or classes (its default).")>] Quantity of
        quantity: string
    | [<Means("the images over which units are ranked: all (the default), those of true classes, class:K,…, or own: those of the quantity's classes (compress's default).")>] Distribution of
        distribution: string

    interface IArgParserTemplate with
        member this.Usage = Meaning.of' this

type PointOption =
    | [<Means("where around each image influence is taken: itself (the default), line (of images, from --baseline), layer-line (of the layer's values) or gaussian:SIGMA (noise, in pixel values).")>] Around of
        points: string
    | [<Means("influence times the layer's values at the image, or on layer-line times their difference from the baseline's.")>] Times_Activation
    | [<Means("where integrated gradients and lines begin: black (the default), white, random or random:SEED.")>] Baseline of
        baseline: string
    | [<Means("the points of integrated gradients and of lines, 50 by default; or auto: for each image as few as completeness asks for.")>] Steps of
        number: string
    | [<Means("their rule: right (the default), midpoint, trapezoid, gauss-legendre.")>] Rule of rule: string
    | [<Means("how many random samples a method draws; without it, what its paper takes.")>] Samples of number: int

    interface IArgParserTemplate with
        member this.Usage = Meaning.of' this

type MethodOption =
    | [<Means("for --steps auto: the completeness gap that may be left, as a share of the change of the score; 0.01 by default.")>] Tolerance of
        share: float
    | [<Means("gradients alone, not multiplied with the input.")>] No_Multiply
    | [<Means("the standard deviation of the noise that smoothgrad and its kin add, as a share of an image's range; 0.15 by default.")>] Noise of
        share: float
    | [<Means("the side of the square that occlusion hides; an eighth of the image's by default.")>] Window of
        pixels: int
    | [<Means("the pixels from one such square to the next, its side at most; half of it by default.")>] Stride of
        pixels: int
    | [<Means("the layer that grad-cam and its kin look at; without it, the last one with channels and positions on which all of the score depends.")>] Map_Layer of
        name: string
    | [<Means("what a max pool hands on in deeplift: rescale (the default, complete), last-window (as Captum, where windows overlap) or gradient (as the authors' own program).")>] Max_Pool of
        rule: string

    interface IArgParserTemplate with
        member this.Usage = Meaning.of' this

type ExpertsOption =
    | [<Means("how many units to list; 10 by default.")>] Top of number: int
    | [<Means("the numbers alone.")>] No_Pictures

    interface IArgParserTemplate with
        member this.Usage = Meaning.of' this

type CompressOption =
    | [<Means("how many of the first units are kept, all others being 0: 1,2,5,…; without it 1, 2, 5, 10, 20, … and all.")>] Keep of
        numbers: string
    | [<Means("set the first units to 0 instead, as many as --keep says, and keep all others.")>] Silence

    interface IArgParserTemplate with
        member this.Usage = Meaning.of' this

type ReportOption =
    | [<Means("two classes whose experts are compared: A,B.")>] Classes of pair: string
    | [<Means("two related classes: C,D.")>] Related of pair: string
    | [<Means("ids (or positions, where the images have none) of the images shown side by side: 11436,…")>] Figures of
        ids: string
    | [<Means("the class over whose images the average drop is taken.")>] Drop_Class of ``class``: string
    | [<Means("every method of the registry as well, by the criteria of a study, and the essence of classes: minutes for a small network, hours for a large one.")>] Full

    interface IArgParserTemplate with
        member this.Usage = Meaning.of' this

type BenchOption =
    | [<Means("how often everything is timed; 3 by default. The fastest is told.")>] Rounds of number: int
    | [<Means("a file for the measurements.")>] Json of file: string
    | [<Means("one part alone, in this process: methods, stock (bare loops) or memory; without it, all of them.")>] Part of
        part: string

    interface IArgParserTemplate with
        member this.Usage = Meaning.of' this

type BatchOption =
    | [<Means("images a pass; without it as many as memory allows. No result depends on it.")>] Batch_Size of
        number: int

    interface IArgParserTemplate with
        member this.Usage = Meaning.of' this

type SeedOption =
    | [<Means("decides on everything random; 1 by default.")>] Seed of number: int

    interface IArgParserTemplate with
        member this.Usage = Meaning.of' this

type OutOption =
    | [<Means("the folder for the results; made if missing, and other files in it are left alone.")>] Out of
        folder: string

    interface IArgParserTemplate with
        member this.Usage = Meaning.of' this

type OpenOption =
    | [<Means("show the page in a browser when it is done.")>] Open

    interface IArgParserTemplate with
        member this.Usage = Meaning.of' this
