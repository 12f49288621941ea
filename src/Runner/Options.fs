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

type ModelOption =
    | Model of file: string
    | Output of name: string
    | Preprocess of name: string
    | Scale of number: string
    | Mean of numbers: string
    | Std of numbers: string
    | Channel_Order of order: string
    | Device of device: string
    | Precision of precision: string
    | Memory of size: string

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

type GridOption =
    | Methods of method: string list
    | Metrics of metric: string list

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

    interface IArgParserTemplate with
        member this.Usage = Meaning.of' this

type ExpertsOption =
    | Top of number: int
    | No_Pictures

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
    | Part of part: string

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
