module Support

open System
open System.Diagnostics
open System.IO
open System.Text.Json
open System.Text.RegularExpressions
open Expecto
open TorchSharp
open Attribution
open Attribution.Runner

/// What a run of the program left.
type Outcome = { Code: int; Out: string; Error: string }

/// Runs the command line in this process; its words are separated by blanks.
let attributionWith (words: string list) =
    let out, error = Console.Out, Console.Error
    use newOut = new StringWriter()
    use newError = new StringWriter()
    Console.SetOut newOut
    Console.SetError newError

    try
        let code = Program.main (Array.ofList words)

        { Code = code; Out = newOut.ToString(); Error = newError.ToString() }
    finally
        Console.SetOut out
        Console.SetError error

let attribution (line: string) =
    line.Split(' ', StringSplitOptions.RemoveEmptyEntries) |> List.ofArray |> attributionWith

/// Starts the command line as a process of its own, with its output in pipes.
let start (line: string) =
    let info = ProcessStartInfo("dotnet", $"exec \"{typeof<Command>.Assembly.Location}\" {line}")

    info.RedirectStandardOutput <- true
    info.RedirectStandardError <- true
    Process.Start info

let finish (running: Process) =
    let error = running.StandardError.ReadToEndAsync()
    let out = running.StandardOutput.ReadToEnd()
    running.WaitForExit()

    { Code = running.ExitCode; Out = out; Error = error.Result }

/// A folder of the test's own, which goes with it.
let inFolder (test: string -> unit) =
    let folder = Directory.CreateTempSubdirectory "attribution-test-"

    try
        test folder.FullName
    finally
        folder.Delete true

let example name (test: string -> unit) =
    testCase name (fun () ->
        use _ = torch.NewDisposeScope()
        inFolder test)

/// The checkout that the tests were built in, where there is one.
let checkout =
    let rec up (folder: DirectoryInfo) =
        if isNull folder then None
        elif File.Exists(Path.Combine(folder.FullName, "Attribution.sln")) then Some folder
        else up folder.Parent

    up (DirectoryInfo AppContext.BaseDirectory) |> Option.map _.FullName

/// The folder of shared files beside it, where there is one.
let shared =
    checkout
    |> Option.map (fun root -> Path.Combine(root, "..", "shared"))
    |> Option.filter Directory.Exists

/// A test on the shared files, skipped where they are absent.
let sharedExample name (test: string -> string -> unit) =
    match shared with
    | Some shared -> example name (test shared)
    | None -> ptestCase $"{name} (skipped: there is no ../shared)" ignore

let files folder =
    if Directory.Exists folder then
        Directory.GetFileSystemEntries(
            folder,
            "*",
            EnumerationOptions(AttributesToSkip = FileAttributes.None, RecurseSubdirectories = true)
        )
        |> Array.map (fun path -> Path.GetRelativePath(folder, path))
        |> Array.sort
        |> List.ofArray
    else
        []

let (</>) (folder: string) (name: string) = Path.Combine(folder, name)

/// An array of an npz file as float64 numbers, and its shape.
let read file (name: string) =
    use npz = NpzFile.Open file
    use values = npz.Read name
    values.shape |> Array.map int |> List.ofArray, values.``to``(torch.float64).data<float>().ToArray()

let json file = (JsonDocument.Parse(File.ReadAllText file)).RootElement

let numbers (element: JsonElement) = [
    for item in element.EnumerateArray() -> if item.ValueKind = JsonValueKind.Null then nan else item.GetDouble()
]

let close tolerance (expected: float seq) (actual: float seq) message =
    let expected, actual = Array.ofSeq expected, Array.ofSeq actual
    Expect.equal actual.Length expected.Length $"{message}: how many"
    let scale = expected |> Seq.map abs |> Seq.fold max 1e-12

    Array.iteri2
        (fun i (e: float) (a: float) ->
            if not (abs (e - a) <= tolerance * scale) then
                failtest $"{message}: at {i} expected {e}, but was {a}.")
        expected
        actual

/// What long work says of how far it is.
let private progress = Regex(@"^[^\n]+ …( \d+ %, ([\d:]+ left)?)?\n", RegexOptions.Multiline)

/// Standard error, but for that.
let said (outcome: Outcome) = progress.Replace(outcome.Error, "")

let ok (outcome: Outcome) =
    Expect.equal outcome.Code 0 $"exit code; standard error: {outcome.Error}"
    Expect.equal (said outcome) "" "standard error"
    outcome.Out

/// A failure, of the given exit code, told without a stack trace.
let private failure code (outcome: Outcome) =
    Expect.equal outcome.Code code $"exit code; standard error: {outcome.Error}"
    Expect.isFalse (outcome.Error.Contains "   at ") "no stack trace"
    said outcome

/// A failed run, told in one sentence.
let fails (outcome: Outcome) =
    let error = failure 1 outcome
    Expect.hasLength (error.TrimEnd('\n').Split '\n') 1 $"one line: {error}"
    Expect.isTrue (error.EndsWith ".\n" || error.EndsWith "?\n") $"a sentence: {error}"
    error

/// Wrong usage, answered by what is wrong and the usage of the command.
let misused command (outcome: Outcome) =
    let error = failure 2 outcome
    Expect.stringContains error $"USAGE: attribution {command}" "usage"
    error.Split('\n')[0]

/// Small networks and images, written as a user's files.
[<RequireQualifiedAccess>]
module Tiny =
    let size, classes = 32, 4

    let private blocks = [ 2; 2; 3; 3; 3 ]

    /// Random numbers of a standard deviation, always the same.
    let private normal (rng: Random) (deviation: float) (shape: int64 list) =
        let draw _ = deviation * sqrt (-2. * log (1. - rng.NextDouble())) * cos (2. * Math.PI * rng.NextDouble())

        let count = int (List.fold (*) 1L shape)
        torch.tensor(Array.init count (draw >> float32)).reshape(Array.ofList shape)

    /// A VGG16 of very few channels; `lift` is added to each logit.
    let vgg16With (lift: float32[]) file =
        let rng = Random 5
        use writer = new NpzWriter(file)

        let layer name (kernel: int64 list) (inputs: int) (outputs: int) (bias: torch.Tensor) =
            let fan = List.fold (*) (int64 inputs) kernel
            writer.Add($"{name}_W", normal rng (sqrt (2. / float fan)) (kernel @ [ inputs; outputs ]))
            writer.Add($"{name}_b", bias)
            outputs

        let zeros (n: int) = torch.zeros ([| int64 n |], torch.float32)

        let channels =
            blocks
            |> List.mapi (fun block width -> [
                for i in 1 .. (if block < 2 then 2 else 3) -> $"conv{block + 1}_{i}", width
            ])
            |> List.concat
            |> List.fold (fun inputs (name, width) -> layer name [ 3; 3 ] inputs width (zeros width)) 3

        let fc6 = layer "fc6" [] channels 6 (zeros 6)
        let fc7 = layer "fc7" [] fc6 5 (zeros 5)
        layer "fc8" [] fc7 classes (torch.tensor lift) |> ignore
        writer.Commit()
        file

    /// Its scores are positive.
    let vgg16 folder = vgg16With (Array.create classes 500f) (folder </> "vgg16.npz")

    let private images count size =
        let bytes = Array.zeroCreate<byte>(count * size * size * 3)
        Random(7).NextBytes bytes
        torch.tensor(bytes).reshape(int64 count, int64 size, int64 size, 3L)

    let write file (arrays: (string * torch.Tensor) list) =
        use writer = new NpzWriter(file)

        for name, values in arrays do
            writer.Add(name, values)

        writer.Commit()
        file

    let count = 10
    let truth = [| for i in 0 .. count - 1 -> int64 (i % 3) |]
    let ids = [| for i in 0 .. count - 1 -> 100L + int64 (i / 2) |]

    /// Ten images of the classes 0 to 2, whose ids are not unique.
    let dataset folder =
        write (folder </> "data.npz") [
            "X", images count size
            "Y", torch.tensor truth
            "Pred", torch.tensor (Array.create count 3L)
            "Idx", torch.tensor ids
        ]

    /// The same images, and nothing known of them.
    let unlabelled folder = write (folder </> "unlabelled.npz") [ "X", images count size ]

    let small folder = write (folder </> "small.npz") [ "X", images 2 16 ]

    /// A network that a dead expert is certain of: unit 1 of fc1 has the largest outgoing weights, and never fires.
    let withDeadUnit folder =
        use source = NpzFile.Open(vgg16 folder)

        write (folder </> "dead.npz") [
            for name in source.Names do
                let values = source.Read name

                match name with
                | "fc6_b" -> values[1L] <- torch.tensor -1e6f
                | "fc7_W" -> values[1L] <- torch.tensor (Array.create 5 1e3f)
                | "fc7_b" -> values.fill_ (1e5f.ToScalar()) |> ignore
                | "fc8_W" -> values.copy_ (values.abs ()) |> ignore
                | _ -> ()

                name, values
        ]

    // An ONNX file of nodes (name, op, inputs, output), weights and outputs (name, type, sizes).
    let private onnxOf nodes (weights: (string * int list * float32[]) list) outputs metadata file =
        let rec varint (n: int) = if n < 128 then [ byte n ] else byte (n % 128 + 128) :: varint (n / 128)

        let number field n = varint (8 * field) @ varint n

        let message field parts =
            let body = List.concat parts
            varint (8 * field + 2) @ varint body.Length @ body

        let text field (s: string) = message field [ List.ofArray (Text.Encoding.UTF8.GetBytes s) ]

        let node (name, op, inputs: string list, output) =
            message 1 [ yield! List.map (text 1) inputs; text 2 output; text 3 name; text 4 op ]

        let weight (name, sizes, numbers: float32[]) =
            let raw = numbers |> Array.collect BitConverter.GetBytes |> List.ofArray
            message 5 [ yield! List.map (number 1) sizes; number 2 1; text 8 name; message 9 [ raw ] ]

        let value field (name, kind, sizes: int list) =
            let shape = sizes |> List.map (fun size -> message 1 [ number 1 size ])
            message field [ text 1 name; message 2 [ message 1 [ number 1 kind; message 2 shape ] ] ]

        let model = [
            number 1 7
            message 7 [
                yield! List.map node nodes
                text 2 "means"
                yield! List.map weight weights
                value 11 ("x", 1, [ 1; 3; size; size ])
                yield! List.map (value 12) outputs
            ]
            message 8 [ number 2 13 ]
            for key, entry in metadata do
                message 14 [ text 1 key; text 2 entry ]
        ]

        File.WriteAllBytes(file, Array.ofList (List.concat model))
        file

    let private meansOf = [
        "/head/pool/Pool", "GlobalAveragePool", [ "x" ], "mean"
        "/head/Flatten", "Flatten", [ "mean" ], "y"
    ]

    /// An ONNX file whose three logits are the means of the channels, with metadata.
    let onnx (metadata: (string * string) list) folder =
        onnxOf meansOf [] [ "y", 1, [ 1; 3 ] ] metadata (folder </> "m.onnx")

    /// An ONNX file with three outputs: the class of the largest of those means, their probabilities, and how much redder
    /// than green an image is, as one logit.
    let heads folder =
        let nodes =
            meansOf
            @ [
                "/soft", "Softmax", [ "y" ], "prob"
                "/best", "ArgMax", [ "mean" ], "label"
                "/redder", "MatMul", [ "y"; "redder" ], "redness"
            ]

        onnxOf
            nodes
            [ "redder", [ 3; 1 ], [| 1f; -1f; 0f |] ]
            [ "label", 7, [ 1 ]; "prob", 1, [ 1; 3 ]; "redness", 1, [ 1; 1 ] ]
            []
            (folder </> "heads.onnx")

    let private four () = images 4 size

    /// Options for a network whose logits are the channels' means, which has no weights and no ReLU, and four images.
    let means folder =
        let data = write (folder </> "four.npz") [ "X", four () ]
        $"--model {onnx [] folder} --preprocess none --dataset {data}"

    /// Options for a network of the pixels' roots, whose gradient is infinite at 0, and four images, of which two have black
    /// pixels.
    let roots folder =
        use pixels = four().clamp_min(1uy.ToScalar())
        pixels[0L, 3L, 4L] <- torch.zeros (3L, torch.uint8)
        pixels[2L, 5L, 6L] <- torch.zeros (3L, torch.uint8)
        let data = write (folder </> "dark.npz") [ "X", pixels ]

        let nodes =
            ("/first", "Sqrt", [ "x" ], "first")
            :: [
                "/head/pool/Pool", "GlobalAveragePool", [ "first" ], "mean"
                "/head/Flatten", "Flatten", [ "mean" ], "y"
            ]

        let model = onnxOf nodes [] [ "y", 1, [ 1; 3 ] ] [] (folder </> "roots.onnx")
        $"--model {model} --preprocess none --dataset {data}"

/// Options that name a tiny model and a tiny data set.
let tiny folder = $"--model {Tiny.vgg16 folder} --dataset {Tiny.dataset folder}"
