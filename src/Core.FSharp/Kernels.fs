namespace Attribution.Core

open System
open System.Collections.Concurrent
open System.Collections.Generic
open System.Diagnostics
open System.Globalization
open System.IO
open System.Reflection
open System.Runtime.InteropServices
open System.Text
open System.Threading
open TorchSharp

/// A convolution as a kernel meets it: what decides which code runs. Its text is how it is kept, and asked of a probe.
[<NoComparison; CustomEquality>]
type internal ConvolutionCase = {
    Type: torch.ScalarType
    /// Channels are innermost in memory.
    IsLast: bool
    IsTransposed: bool
    X: int64[]
    Weight: int64[]
    Stride: int64[]
    Padding: int64[]
    Dilation: int64[]
    Groups: int64
} with

    /// "Float32 last conv 2x256x14x14 512x256x1x1 2x2 0x0 1x1 1".
    override case.ToString() =
        let times (numbers: int64[]) = String.Join('x', numbers)

        String.Join(
            ' ',
            string case.Type,
            (if case.IsLast then "last" else "first"),
            (if case.IsTransposed then "transposed" else "conv"),
            times case.X,
            times case.Weight,
            times case.Stride,
            times case.Padding,
            times case.Dilation,
            string case.Groups
        )

    override case.Equals other = string case = string other
    override case.GetHashCode() = (string case).GetHashCode()

[<RequireQualifiedAccess>]
module internal ConvolutionCase =
    let parse (text: string) : ConvolutionCase =
        let parts = text.Split ' '
        let numbers i = parts[i].Split 'x' |> Array.map int64

        {
            Type = Enum.Parse<torch.ScalarType> parts[0]
            IsLast = parts[1] = "last"
            IsTransposed = parts[2] = "transposed"
            X = numbers 3
            Weight = numbers 4
            Stride = numbers 5
            Padding = numbers 6
            Dilation = numbers 7
            Groups = int64 parts[8]
        }

    let ofCall isTransposed (c: Convolution) (x: Tensor) : ConvolutionCase = {
        Type = x.dtype
        IsLast = Convolution.isChannelsLast c x
        IsTransposed = isTransposed
        X = x.shape
        Weight = c.Weight.shape
        Stride = c.Stride
        Padding = c.Padding
        Dilation = c.Dilation
        Groups = c.Groups
    }

    /// What is the same of it for every number and size of images.
    let kind (case: ConvolutionCase) = string { case with X = [| case.X[1] |]; IsLast = false }

/// How one kernel did on one case.
[<RequireQualifiedAccess>]
type internal Outcome =
    /// The largest error, as a share of the result's root mean square, and how long another run and its way back took.
    | Ran of error: float * milliseconds: float
    /// The process ended.
    | Died

/// Measures a kernel on a case, on random numbers, forward and for the gradient of the input.
///
/// The reference is Freivalds' check: with r a random ±1 for each output channel, Σ_o r_o y_o is the convolution with the one
/// filter Σ_o r_o W_o, and the same holds of the gradient and the input channels. So every number of a result is checked
/// for the price of one channel, in float64, by matrix products.
[<RequireQualifiedAccess>]
module internal KernelTrial =
    let private error (found: Tensor) (right: Tensor) =
        let largest = Tensor.toFloat ((found - right).abs().max())
        let size = Tensor.toFloat ((Tensor.square right).mean().sqrt())

        if Double.IsNaN largest then infinity
        elif size = 0. then largest
        else largest / size

    /// (The error of `apply` on a case, the milliseconds that it takes, if these are wanted.)
    let run (isTimed: bool) (apply: Convolution -> Tensor -> Tensor) (case: ConvolutionCase) : float * float =
        use _ = torch.NewDisposeScope()
        let wide (t: Tensor) = t.``to`` torch.float64
        use generator = new torch.Generator(1UL, torch.CPU)

        let random (shape: int64[]) = torch.randn(shape, generator = generator).``to`` case.Type

        let signs (count: int64) = (random [| count |] |> wide).sign()

        let arranged (t: Tensor) = if case.IsLast then Tensor.channelsLast t else t

        let x, weight = arranged (random case.X), arranged (random case.Weight)

        let c = {
            Weight = weight
            Bias = None
            Stride = case.Stride
            Padding = case.Padding
            Dilation = case.Dilation
            Groups = case.Groups
        }

        let f = List.head >> apply c

        let forthAndBack () =
            let y, pull = Autograd.alone f [ x ]
            let w = arranged (random y.shape)
            y, w, (pull w).Head

        let y, w, gradient = forthAndBack ()
        let places = case.Weight[2..]

        let shape (channels: int64 list) = Array.append (Array.ofList channels) places

        let signsFor (channels: int64 list) sign =
            (sign: Tensor).reshape(Array.append (Array.ofList channels) (Array.create places.Length 1L))

        let byOutputs, byInputs = signs y.shape[1], signs x.shape[1]
        // A transposed convolution has the weight of the convolution whose gradient it is.
        let first, second = if case.IsTransposed then byInputs, byOutputs else byOutputs, byInputs

        let filters = (wide weight).reshape(shape [ case.Groups; -1L; case.Weight[1] ])

        let row = (filters * signsFor [ case.Groups; -1L; 1L ] first).sum([| 1L |]).reshape(shape [ 1L; -1L ])

        let column =
            (filters * signsFor [ case.Groups; 1L; -1L ] second).sum([| 2L |]).reshape(shape [ -1L; 1L ])

        let toOne, fromOne = if case.IsTransposed then column, row else row, column

        let products weight =
            Convolution.apply Kernel.Products case.IsTransposed { c with Weight = weight; Groups = 1L }

        let project sign (t: Tensor) = (wide t * signsFor [ 1L; -1L ] sign).sum([| 1L |], true)

        let rightY = products toOne (wide x)

        let rightGradient =
            let blank = torch.zeros (Array.append [| x.shape[0]; 1L |] case.X[2..], torch.float64)

            (snd (Autograd.alone (List.head >> products fromOne) [ blank ]) (wide w)).Head

        let worst = max (error (project byOutputs y) rightY) (error (project byInputs gradient) rightGradient)

        let watch = Stopwatch.StartNew()

        if isTimed then
            forthAndBack () |> ignore

        worst, watch.Elapsed.TotalMilliseconds

    /// The most that rounding explains.
    let tolerance (case: ConvolutionCase) = if case.Type = torch.float32 then 5e-4 else 3e-2

    /// The child's side: answers each line "KERNEL CASE" with "ERROR MILLISECONDS", until there are no more.
    let answer (input: TextReader) (output: TextWriter) =
        let rec next () =
            match input.ReadLine() with
            | null -> ()
            | line ->
                let parts = line.Split(' ', 2)
                let case = ConvolutionCase.parse parts[1]
                let kernel = Kernel.parse parts[0]
                // Where oneDNN is right nobody asks for another's time.
                let error, time = run (kernel <> Kernel.Native) (Convolution.apply kernel case.IsTransposed) case

                let text (n: float) = n.ToString("R", CultureInfo.InvariantCulture)

                output.WriteLine $"{text error} {text time}"
                output.Flush()
                next ()

        Runtime.start ()

        // What the host of an ordinary program would have found.
        for library in [ "libtorch.so"; "libLibTorchSharp.so" ] do
            Runtime.tryFind library |> Option.iter (NativeLibrary.TryLoad >> ignore)

        output.WriteLine "ready"
        output.Flush()
        next ()

/// Another process that tries kernels, since one may end the process that runs it.
[<Sealed>]
type internal KernelProbe(host: string) =
    // What a child needs longer than this for, it will not do.
    let patience = TimeSpan.FromSeconds 60.
    let mutable child: Process = null

    let stop () =
        if not (isNull child) then
            try
                child.Kill true
                child.WaitForExit()
            with _ ->
                ()

            child.Dispose()
            child <- null

    let readLine () =
        let line = child.StandardOutput.ReadLineAsync()
        if line.Wait patience then line.Result else null

    /// This program's file and its settings, in the cache.
    let program () =
        use resource = Assembly.GetExecutingAssembly().GetManifestResourceStream "Attribution.Probe.dll"

        use memory = new MemoryStream()
        resource.CopyTo memory
        let bytes = memory.ToArray()
        let version = Environment.Version

        let settings =
            $$"""{"runtimeOptions":{"framework":{"name":"Microsoft.NETCore.App","version":"{{version.ToString 3}}"} } }"""

        let key = Machine.digest (Array.append bytes (Encoding.UTF8.GetBytes settings))

        Runtime.inCache (fun folder ->
            let file name = Path.Combine(folder, $"probe-{key}{name}")

            if not (File.Exists(file ".dll")) then
                Runtime.writeWhole (file ".runtimeconfig.json") (Encoding.UTF8.GetBytes settings)
                Runtime.writeWhole (file ".dll") bytes

            file ".dll")

    let start () =
        stop ()

        let join (folders: string seq) = String.Join(Path.PathSeparator, folders)

        let assemblies =
            [ typeof<torch>.Assembly; typeof<list<int>>.Assembly ]
            |> List.map (fun assembly -> Path.GetDirectoryName assembly.Location)

        let arguments = [
            "exec"
            program ()
            Assembly.GetExecutingAssembly().Location
            join assemblies
            join (Runtime.nativeFolders ())
        ]

        let info =
            ProcessStartInfo(
                host,
                arguments,
                RedirectStandardInput = true,
                RedirectStandardOutput = true,
                RedirectStandardError = true,
                UseShellExecute = false
            )

        info.Environment["OMP_NUM_THREADS"] <- string (torch.get_num_threads ())
        child <- Process.Start info
        child.ErrorDataReceived.Add ignore
        child.BeginErrorReadLine()
        readLine () = "ready"

    /// The program that starts .NET programs: this process's own, or that of its runtime.
    static member Host: string =
        let name = if OperatingSystem.IsWindows() then "dotnet.exe" else "dotnet"

        match Environment.ProcessPath with
        | own when not (isNull own) && Path.GetFileName own = name -> own
        | _ ->
            // …/shared/Microsoft.NETCore.App/10.0.0/
            let runtime = DirectoryInfo(RuntimeEnvironment.GetRuntimeDirectory())
            Path.Combine(runtime.Parent.Parent.Parent.FullName, name)

    /// Whether a child can be had.
    member _.Start() : bool =
        try
            not (isNull child) || start ()
        with _ ->
            stop ()
            false

    /// <summary>How a kernel does on a case.</summary>
    /// <exception cref="T:System.InvalidOperationException">No child can be had any more.</exception>
    member probe.Try(kernel: Kernel, case: ConvolutionCase) : Outcome =
        let ask () =
            if not (probe.Start()) then
                invalidOp "No process can be started to try kernels."

            try
                child.StandardInput.WriteLine $"{kernel} {case}"
                child.StandardInput.Flush()
                readLine ()
            with :? IOException ->
                null

        let rec attempt left =
            match ask () with
            | null ->
                stop ()
                // Once may be an accident: memory that ran out, a machine that slept.
                if left > 0 then attempt (left - 1) else Outcome.Died
            | line ->
                let parts = line.Split ' ' |> Array.map (fun n -> Double.Parse(n, CultureInfo.InvariantCulture))

                Outcome.Ran(parts[0], parts[1])

        attempt 1

    interface IDisposable with
        member _.Dispose() = stop ()

/// What is known of a case: by which kernel it is computed, and, for people, how oneDNN did.
type internal Verdict = { Kernel: Kernel; Native: string }

[<RequireQualifiedAccess>]
module internal Verdict =
    let right = { Kernel = Kernel.Native; Native = "right" }

    /// What computes it instead, and how oneDNN did.
    let wrong kernel how = { Kernel = kernel; Native = how }

/// Which kernels compute convolutions on this machine.
///
/// On some machines oneDNN's kernels are wrong for some shapes, or end the process. So a probe in another process tries the
/// shapes of real networks and small ones, once a machine, and keeps the answer. Where all are right, the machine is sound and
/// libtorch's own choice is taken everywhere. Where one is not, only a case that was itself tried is computed by oneDNN: any
/// other by matrix products, which are right everywhere, until the probe has tried it too.
[<RequireQualifiedAccess>]
module internal Kernels =
    /// ATTRIBUTION_KERNELS in the environment settles by hand what else the probe finds out.
    [<RequireQualifiedAccess>]
    type Choice =
        /// By the probe's answer.
        | Probe
        /// As on an unsound machine, whatever the probe found: no case but one that was tried by itself.
        | Each
        /// libtorch's own choice, untried.
        | OneDnn
        /// libtorch without oneDNN.
        | Libtorch
        /// Matrix products for every convolution.
        | Products

    let chosen: Lazy<Choice> =
        lazy
            (match Environment.GetEnvironmentVariable "ATTRIBUTION_KERNELS" with
             | (null | "" | "probe") -> Choice.Probe
             | "each" -> Choice.Each
             | "onednn" -> Choice.OneDnn
             | "libtorch" -> Choice.Libtorch
             | "products" -> Choice.Products
             | other -> fail $"ATTRIBUTION_KERNELS is '{other}', but may be probe, each, onednn, libtorch or products.")

    let private noted = Event<string>()

    /// Told of what a person should know, in a sentence.
    let said = noted.Publish

    /// (channels in, out, kernel, stride, groups, sides) of the layers of well-known networks and of small ones.
    let private layers = [
        let layer inputs outputs kernel stride groups side = inputs, outputs, kernel, stride, groups, side

        // VGG and AlexNet.
        for inputs, outputs, side in
            [
                3, 64, 32
                64, 64, 56
                64, 128, 28
                128, 128, 28
                128, 256, 28
                256, 256, 28
                256, 512, 14
                512, 512, 14
            ] do
            layer inputs outputs 3 1 1 side

        layer 3 64 11 4 1 64
        layer 64 192 5 1 1 14
        // Residual networks: the first layer, basic blocks, bottlenecks and what goes around them.
        layer 3 64 7 2 1 56

        for inputs, outputs, side in [ 64, 128, 28; 128, 256, 28; 256, 512, 14 ] do
            layer inputs outputs 3 2 1 side
            layer inputs outputs 1 2 1 side

        for width, side in [ 64, 28; 128, 28; 256, 14; 512, 7 ] do
            layer (4 * width) width 1 1 1 side
            layer width (4 * width) 1 1 1 side

        for inputs, outputs, side in [ 256, 512, 28; 512, 1024, 28; 1024, 2048, 14 ] do
            layer inputs outputs 1 2 1 side
            layer inputs (outputs / 4) 1 1 1 side

        for width, side in [ 128, 28; 256, 14; 512, 14 ] do
            layer width width 3 2 1 side
            // ResNeXt.
            layer width width 3 1 32 side

        layer 512 512 1 2 1 14
        layer 512 2048 1 1 1 7
        layer 1024 512 1 1 1 14
        layer 512 1024 1 1 1 14
        layer 1024 512 1 2 1 14
        layer 512 2048 1 2 1 14
        // MobileNet, EfficientNet and ShuffleNet: expansion, depthwise, projection.
        for inputs, outputs, kernel, stride, side in
            [
                16, 24, 3, 2, 56
                24, 32, 3, 2, 28
                32, 64, 5, 2, 28
                64, 96, 3, 1, 14
                96, 160, 5, 2, 14
                160, 320, 3, 1, 7
            ] do
            layer inputs (6 * inputs) 1 1 1 side
            layer (6 * inputs) (6 * inputs) kernel stride (6 * inputs) side
            layer (6 * inputs) outputs 1 1 1 (side / stride)

        layer 320 1280 1 1 1 7
        layer 3 32 3 2 1 56
        layer 32 32 3 1 32 28
        // DenseNet and Inception.
        for inputs in [ 96; 224; 480; 992 ] do
            layer inputs 128 1 1 1 14

        layer 128 32 3 1 1 14
        layer 192 96 1 1 1 28
        layer 832 384 1 1 1 7
        // Patches of transformers, and ConvNeXt.
        layer 3 192 16 16 1 64
        layer 96 192 2 2 1 14
        layer 96 96 7 1 96 14
        // Small networks.
        for inputs, outputs in [ 1, 4; 3, 4; 3, 8; 3, 16; 4, 6; 5, 7; 8, 4; 8, 8; 8, 16; 16, 32 ] do
            for side in [ 5; 8; 16 ] do
                layer inputs outputs 3 1 1 side

            layer inputs outputs 3 2 1 8
            layer inputs outputs 5 1 1 12
            layer inputs outputs 1 1 1 8

        layer 6 6 3 1 3 8
        layer 8 8 3 1 8 8
    ]

    /// What is tried once a machine.
    let standard: ConvolutionCase list = [
        let case dtype isLast isTransposed batch (inputs, outputs, kernel, stride, groups, side) =
            let two n = [| int64 n; int64 n |]

            {
                Type = dtype
                IsLast = isLast
                IsTransposed = isTransposed
                X = [| int64 batch; int64 inputs; int64 side; int64 side |]
                Weight = [|
                    yield!
                        if isTransposed then
                            [ int64 inputs; int64 (outputs / groups) ]
                        else
                            [ int64 outputs; int64 (inputs / groups) ]
                    yield! two kernel
                |]
                Stride = two stride
                Padding = two ((if kernel = stride then 0 else kernel / 2))
                Dilation = two 1
                Groups = int64 groups
            }

        for layer in layers do
            for isLast in [ true; false ] do
                for batch in [ 1; 2; 5 ] do
                    case torch.float32 isLast false batch layer

        for inputs, outputs in [ 3, 4; 4, 6; 8, 4; 16, 8; 64, 32 ] do
            for stride, kernel in [ 1, 3; 2, 2; 2, 4 ] do
                for isLast in [ true; false ] do
                    for batch in [ 1; 2; 5 ] do
                        case torch.float32 isLast true batch (inputs, outputs, kernel, stride, 1, 8)

        for layer in layers |> List.indexed |> List.filter (fun (i, _) -> i % 4 = 0) |> List.map snd do
            case torch.bfloat16 true false 2 layer
    ]

    /// Where the probe's answers are kept.
    let tableFile =
        lazy (Runtime.inCache (fun folder -> Path.Combine(folder, $"kernels-{Machine.key.Value}.txt")))

    [<Literal>]
    let private Header = "attribution kernels 1"

    /// Verdicts by cases' texts, in memory and in a file that all processes share.
    let private table = ConcurrentDictionary<string, Verdict>()

    /// What is the same of right cases for every number and size of images.
    let private rightKinds = ConcurrentDictionary<string, unit>()

    let mutable private isIll = false

    let private learn case verdict =
        table[case] <- verdict

        if verdict.Native = "right" then
            rightKinds[ConvolutionCase.kind (ConvolutionCase.parse case)] <- ()
        else
            isIll <- true

    let private read () =
        try
            match File.ReadAllLines tableFile.Value |> List.ofArray with
            | Header :: lines ->
                for line in lines do
                    match line.Split '\t' with
                    | [| case; kernel; native |] -> learn case { Kernel = Kernel.parse kernel; Native = native }
                    | _ -> ()
            | _ -> ()
        with
        | :? IOException
        | :? UnauthorizedAccessException -> ()

    let private line (case: string) verdict = $"{case}\t{verdict.Kernel}\t{verdict.Native}\n"

    /// Adds verdicts to the file, to which another process may add its own.
    let private append (found: (string * Verdict) list) =
        try
            if not (File.Exists tableFile.Value) then
                Runtime.writeWhole tableFile.Value (Encoding.UTF8.GetBytes(Header + "\n"))

            File.AppendAllText(
                tableFile.Value,
                found |> List.map (fun (case, verdict) -> line case verdict) |> String.concat ""
            )
        with
        | :? IOException
        | :? UnauthorizedAccessException -> ()

    let private gate = obj ()

    // Waits for the next case; it ends with this process.
    let private probe = lazy (new KernelProbe(KernelProbe.Host))

    let private amount (error: float) =
        let percent = (100. * error).ToString("0.##", CultureInfo.InvariantCulture)
        $"wrong by {percent} %%"

    let private judge (probe: KernelProbe) (case: ConvolutionCase) : Verdict =
        let tried kernel = probe.Try(kernel, case)

        let time =
            function
            | Outcome.Ran(error, time) when error <= KernelTrial.tolerance case -> Some time
            | _ -> None

        let fastestOther () =
            [ Kernel.Relaid; Kernel.Products ]
            |> List.choose (fun kernel -> tried kernel |> time |> Option.map (fun time -> time, kernel))
            |> List.sortBy fst
            |> List.tryHead
            |> Option.map snd
            // Right by what it is made of, should its trial have been stopped.
            |> Option.defaultValue Kernel.Products

        match tried Kernel.Native with
        | outcome when (time outcome).IsSome -> Verdict.right
        | Outcome.Died -> Verdict.wrong (fastestOther ()) "ends the process"
        | Outcome.Ran(error, _) -> Verdict.wrong (fastestOther ()) (amount error)

    /// Tries cases that are not in the table; false, and nothing learnt, where no probe can run, or can no more.
    let exploreBy (probe: KernelProbe) (cases: string seq) : bool =
        lock gate (fun () ->
            let unknown = cases |> Seq.filter (table.ContainsKey >> not) |> Seq.distinct |> List.ofSeq

            try
                let found = unknown |> List.map (fun text -> text, judge probe (ConvolutionCase.parse text))

                for case, verdict in found do
                    learn case verdict

                if not found.IsEmpty then
                    append found

                true
            with :? InvalidOperationException ->
                false)

    let private explore cases = exploreBy probe.Value cases

    /// Whether a case was tried, and whether its kind was found right.
    let isTried (case: ConvolutionCase) = table.ContainsKey(string case)

    let isKindRight (case: ConvolutionCase) = rightKinds.ContainsKey(ConvolutionCase.kind case)

    /// How many cases of a type were tried.
    let triedOf (dtype: torch.ScalarType) =
        table.Keys |> Seq.filter (fun text -> (ConvolutionCase.parse text).Type = dtype) |> Seq.length

    /// Those of the cases tried that oneDNN gets wrong, with how.
    let wrong () : (ConvolutionCase * Verdict) list = [
        for entry in table |> Seq.sortBy _.Key do
            if entry.Value.Native <> "right" then
                ConvolutionCase.parse entry.Key, entry.Value
    ]

    /// What convolutions may be trusted to.
    type Trust =
        /// oneDNN is right in all that was tried.
        | Sound
        /// It is not: a case is computed by what the probe found right for it, or by matrix products.
        | Unsound
        /// No probe can run: matrix products for every convolution.
        | Untried

    let private kept = lazy (read ())

    let private trusted =
        lazy
            (kept.Force()

             if standard |> List.exists (string >> table.ContainsKey >> not) then
                 noted.Trigger
                     "Trying how well this machine computes convolutions, once (up to a minute; ATTRIBUTION_KERNELS=onednn trusts it untried)."

             if not (explore (standard |> Seq.map string)) then
                 noted.Trigger
                     "No process could be started to try this machine's kernels, so convolutions are computed as matrix products, which is right everywhere but slower: set ATTRIBUTION_KERNELS=onednn if you trust oneDNN on this machine."

                 Untried
             else
                 match wrong () with
                 | [] -> Sound
                 | wrong ->
                     noted.Trigger
                         $"On this machine oneDNN computes {wrong.Length} of {table.Count} convolutions that were tried wrongly, or ends the process: those take another path ('attribution doctor' tells which)."

                     Unsound)

    /// What the probe found, whatever was chosen.
    let machine () : Trust = trusted.Value

    let trust () : Trust =
        match chosen.Value with
        | Choice.Probe ->
            match machine () with
            | Sound when isIll -> Unsound
            | found -> found
        | Choice.Each ->
            kept.Force()
            Unsound
        | _ -> Sound

    let private libtorch =
        lazy
            (if not (Machine.useOneDnn false) then
                 fail
                     "ATTRIBUTION_KERNELS is 'libtorch', but this build of libtorch has no switch for oneDNN: set it to 'products'.")

    /// Whether kernels on a tensor may be wrong: the processor's, for less than float64.
    let areInQuestion (x: Tensor) = x.device_type = DeviceType.CPU && x.dtype <> torch.float64

    /// Convolutions of kinds that were found right.
    let private seen = System.Runtime.CompilerServices.ConditionalWeakTable<Convolution, obj>()

    /// On a sound machine: whether a convolution's kind was found right. One that was not tried is, here and now.
    let private isRight isTransposed (c: Convolution) (x: Tensor) =
        let isKnown, _ = seen.TryGetValue c

        isKnown
        || (let case = ConvolutionCase.ofCall isTransposed c x

            let isFound =
                rightKinds.ContainsKey(ConvolutionCase.kind case)
                || (let error, _ = KernelTrial.run false (Convolution.apply Kernel.Native isTransposed) case

                    let isRight = error <= KernelTrial.tolerance case

                    let verdict =
                        if isRight then
                            Verdict.right
                        else
                            noted.Trigger
                                $"oneDNN computes a convolution wrongly on this machine ({case}): from now on what is not known to be right takes another path."

                            Verdict.wrong Kernel.Products (amount error)

                    lock gate (fun () ->
                        learn (string case) verdict
                        append [ string case, verdict ])

                    isRight)

            if isFound then
                seen.AddOrUpdate(c, null)

            isFound)

    let private compute isTransposed (c: Convolution) (x: Tensor) : Tensor =
        let by kernel = Convolution.apply kernel isTransposed c x

        let tried () =
            let case = string (ConvolutionCase.ofCall isTransposed c x)

            if table.ContainsKey case || explore [ case ] then by table[case].Kernel else by Kernel.Products

        if not (areInQuestion x) then
            by Kernel.Native
        else
            match chosen.Value with
            | Choice.OneDnn -> by Kernel.Native
            | Choice.Products -> by Kernel.Products
            | Choice.Libtorch ->
                libtorch.Force()
                by Kernel.Native
            | (Choice.Probe | Choice.Each) ->
                match trust () with
                | Untried -> by Kernel.Products
                | Sound when isRight isTransposed c x -> by Kernel.Native
                // No probe tries the gradient of weights.
                | (Sound | Unsound) when c.Weight.requires_grad && torch.is_grad_enabled () -> by Kernel.Products
                | _ -> tried ()

    /// A convolution, by a kernel that this machine computes rightly.
    let convolve (c: Convolution) (x: Tensor) = compute false c x

    /// A transposed convolution, by a kernel that this machine computes rightly.
    let convolveTransposed (c: Convolution) (x: Tensor) = compute true c x

    /// Whether each convolution of the processor is tried before it runs, or needs no trial.
    let areTried () : bool =
        match chosen.Value with
        | Choice.Products -> true
        | (Choice.OneDnn | Choice.Libtorch) -> false
        | (Choice.Probe | Choice.Each) -> true

    /// Turns oneDNN off for the whole process where this machine's kernels are not to be trusted: for functions that are not
    /// seen into.
    let shield () =
        match chosen.Value with
        | Choice.OneDnn -> ()
        | Choice.Libtorch -> libtorch.Force()
        | Choice.Products -> Machine.useOneDnn false |> ignore
        | (Choice.Probe | Choice.Each) ->
            if machine () <> Sound || isIll then
                Machine.useOneDnn false |> ignore
