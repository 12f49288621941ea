namespace Attribution.Runner

open System.IO
open System.Reflection
open Argu
open FSharp.Reflection

[<RequireQualifiedAccess>]
module private Meaning =
    let private all =
        lazy
            (use stream = Assembly.GetExecutingAssembly().GetManifestResourceStream "Options.txt"
             use reader = new StreamReader(stream)

             dict [
                 for line in reader.ReadToEnd().Split '\n' do
                     match line.IndexOf ": " with
                     | -1 -> ()
                     | at -> line[.. at - 1], line[at + 2 ..]
             ])

    /// What an option means, by Options.txt.
    let of' (option: 'T) =
        let case, _ = FSharpValue.GetUnionFields(option, typeof<'T>)
        all.Value["--" + case.Name.ToLowerInvariant().Replace('_', '-')]

// Groups of options that one or several commands take: a name is spelled the same, and means the same, wherever it is taken.

type DemoOption =
    | Demo

    interface IArgParserTemplate with
        member this.Usage = Meaning.of' this

type NetworkOption =
    | Network of name: string

    interface IArgParserTemplate with
        member this.Usage = Meaning.of' this

type ModelOption =
    | Model of file: string
    | Output of name: string
    | Boxes of numbers: string
    | Preprocess of name: string
    | Scale of number: string
    | Mean of numbers: string
    | Std of numbers: string
    | Channel_Order of order: string
    | Precision of precision: string
    | Memory of size: string

    interface IArgParserTemplate with
        member this.Usage = Meaning.of' this

type DeviceOption =
    | Device of device: string

    interface IArgParserTemplate with
        member this.Usage = Meaning.of' this

type DataOption =
    | Dataset of file: string
    | Images of path: string list
    | Indices of numbers: string
    | Ids of numbers: string
    | Labels of file: string

    interface IArgParserTemplate with
        member this.Usage = Meaning.of' this

type ExplainOption =
    | Method of method: string list

    interface IArgParserTemplate with
        member this.Usage = Meaning.of' this

type MethodsOption =
    | Methods of method: string list

    interface IArgParserTemplate with
        member this.Usage = Meaning.of' this

type MetricOption =
    | Metrics of metric: string list

    interface IArgParserTemplate with
        member this.Usage = Meaning.of' this

type AgreementOption =
    | Agreement

    interface IArgParserTemplate with
        member this.Usage = Meaning.of' this

type MaskOption =
    | Masks of path: string

    interface IArgParserTemplate with
        member this.Usage = Meaning.of' this

type StepOption =
    | Pixels_Per_Step of number: int

    interface IArgParserTemplate with
        member this.Usage = Meaning.of' this

type EvaluateOption =
    | Skip_Non_Positive

    interface IArgParserTemplate with
        member this.Usage = Meaning.of' this

type CutOption =
    | Layer of name: string
    | Units of reading: string

    interface IArgParserTemplate with
        member this.Usage = Meaning.of' this

type QuestionOption =
    | Quantity of quantity: string
    | Distribution of distribution: string

    interface IArgParserTemplate with
        member this.Usage = Meaning.of' this

type PointOption =
    | Around of points: string
    | Times_Activation
    | Baseline of baseline: string
    | Steps of number: string
    | Rule of rule: string
    | Samples of number: int

    interface IArgParserTemplate with
        member this.Usage = Meaning.of' this

type MethodOption =
    | Tolerance of share: float
    | No_Multiply
    | Noise of share: float
    | Window of pixels: int
    | Stride of pixels: int
    | Map_Layer of name: string
    | Max_Pool of rule: string
    | Area of share: float
    | Features of features: string
    | Background of path: string list
    | Smooth of copies: int
    | Augment

    interface IArgParserTemplate with
        member this.Usage = Meaning.of' this

type IterationOption =
    | Iterations of number: int

    interface IArgParserTemplate with
        member this.Usage = Meaning.of' this

type TopOption =
    | Top of number: int

    interface IArgParserTemplate with
        member this.Usage = Meaning.of' this

type ExpertsOption =
    | No_Pictures
    | Ideal

    interface IArgParserTemplate with
        member this.Usage = Meaning.of' this

type CompressOption =
    | Keep of numbers: string
    | Silence

    interface IArgParserTemplate with
        member this.Usage = Meaning.of' this

type ReportOption =
    | Classes of pair: string
    | Related of pair: string
    | Figures of ids: string
    | Drop_Class of ``class``: string
    | Full

    interface IArgParserTemplate with
        member this.Usage = Meaning.of' this

type BenchOption =
    | Rounds of number: int
    | Json of file: string

    interface IArgParserTemplate with
        member this.Usage = Meaning.of' this

type PartOption =
    | Part of part: string

    interface IArgParserTemplate with
        member this.Usage = Meaning.of' this

type ClusterOption =
    | Cluster of address: string
    | Creds of file: string
    | Tls_Ca of file: string
    | Tls_Cert of file: string
    | Tls_Key of file: string

    interface IArgParserTemplate with
        member this.Usage = Meaning.of' this

type SubmitOption =
    | Name of name: string

    interface IArgParserTemplate with
        member this.Usage = Meaning.of' this

type MixedOption =
    | Mixed

    interface IArgParserTemplate with
        member this.Usage = Meaning.of' this

type WorkerOption =
    | Root of folder: string

    interface IArgParserTemplate with
        member this.Usage = Meaning.of' this

type ForgetOption =
    | Forget of name: string

    interface IArgParserTemplate with
        member this.Usage = Meaning.of' this

type MergeOption =
    | Parts of folder: string list

    interface IArgParserTemplate with
        member this.Usage = Meaning.of' this

type SmoothOption =
    | Beta of number: float

    interface IArgParserTemplate with
        member this.Usage = Meaning.of' this

type AttackOption =
    | Radius of share: float

    interface IArgParserTemplate with
        member this.Usage = Meaning.of' this

type InteractionOption =
    | Grid of number: int

    interface IArgParserTemplate with
        member this.Usage = Meaning.of' this

type TracInOption =
    | Training of file: string
    | Last of number: int

    interface IArgParserTemplate with
        member this.Usage = Meaning.of' this

[<RequireQualifiedAccess>]
type ConceptOption =
    | Concept of folder: string list
    | Random of folder: string
    | Runs of number: int
    | Craft

    interface IArgParserTemplate with
        member this.Usage = Meaning.of' this

type CountOption =
    | Count of number: int

    interface IArgParserTemplate with
        member this.Usage = Meaning.of' this

type ExamplesOption =
    | Among of path: string list

    interface IArgParserTemplate with
        member this.Usage = Meaning.of' this

type OptimalOption =
    | From of maps: string

    interface IArgParserTemplate with
        member this.Usage = Meaning.of' this

type PriorsOption =
    | Seeds of number: int

    interface IArgParserTemplate with
        member this.Usage = Meaning.of' this

type TrainOption =
    | Prior of name: string

    interface IArgParserTemplate with
        member this.Usage = Meaning.of' this

type ExploreOption =
    | Port of number: int
    | Host of address: string
    | No_Open

    interface IArgParserTemplate with
        member this.Usage = Meaning.of' this

type BatchOption =
    | Batch_Size of number: int

    interface IArgParserTemplate with
        member this.Usage = Meaning.of' this

type SeedOption =
    | Seed of number: int

    interface IArgParserTemplate with
        member this.Usage = Meaning.of' this

type OutOption =
    | Out of folder: string

    interface IArgParserTemplate with
        member this.Usage = Meaning.of' this

type OpenOption =
    | Open

    interface IArgParserTemplate with
        member this.Usage = Meaning.of' this
