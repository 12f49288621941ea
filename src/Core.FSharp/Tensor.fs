namespace Attribution

open System

/// <summary>A failure that the caller can mend: the message is one sentence that names the file, argument or instance
/// and says what to do.</summary>
[<Sealed; AllowNullLiteral>]
type AttributionException(message: string, inner: exn) =
    inherit Exception(message, inner)
    new(message) = AttributionException(message, null)

namespace Attribution.Core

open System
open System.Runtime.CompilerServices
open Attribution
open TorchSharp

/// A TorchSharp tensor. Images are n×c×h×w; a batch's first dimension counts instances.
type Tensor = torch.Tensor

[<AutoOpen>]
module internal Errors =
    /// Raises what the caller can mend.
    let fail (message: string) : 'a = raise (AttributionException message)

/// <summary>Numbers for TorchSharp's methods and operators.</summary>
/// <remarks>TorchSharp lets go of a number before the native call that reads it returns: a collection of garbage just then frees
/// it, and the call fails or computes with another. These outlive any call: each is kept until 4096 more were made. TorchSharp
/// makes one of its own, which nothing keeps, for a number that it is given as such (2. * x, x.clamp_min (Number.Of 0.)) and in some
/// methods of tensors alone (a + b, x.square()).</remarks>
[<AbstractClass; Sealed>]
type Number private () =
    static let kept = Array.zeroCreate<Scalar> 4096
    static let mutable count = -1

    static let keep (number: Scalar) =
        kept[System.Threading.Interlocked.Increment &count &&& (kept.Length - 1)] <- number
        number

    /// The number, kept.
    [<MethodImpl(MethodImplOptions.NoInlining)>]
    static member Of(value: float) : Scalar = keep (value.ToScalar())

    /// The whole number, kept.
    [<MethodImpl(MethodImplOptions.NoInlining)>]
    static member Of(value: int64) : Scalar = keep (value.ToScalar())

    /// The whole numbers from a first, `count` of them: int64, n.
    static member Range(first: int64, count: int64, device: torch.Device) : Tensor =
        torch.arange (Number.Of first, Number.Of(first + count), Number.Of 1L, torch.int64, device)

/// Why a way back failed where it could not be raised: libtorch calls it, on a thread of its own on some devices.
[<AbstractClass; Sealed>]
type internal Failure private () =
    static let mutable last: exn = null

    /// Keeps it for whoever asked for the derivative.
    static member Keep(failure: exn) = System.Threading.Interlocked.Exchange(&last, failure) |> ignore

    /// Raises it, once.
    static member Raise() =
        match System.Threading.Interlocked.Exchange(&last, null) with
        | null -> ()
        | failure -> raise (AttributionException($"A derivative could not be computed: {failure.Message}", failure))

/// Whether a derivative is being taken of what this thread computes. Inside one, every result is connected to all that it
/// depends on; outside, nothing is recorded.
[<AbstractClass; Sealed>]
type Recording private () =
    [<ThreadStatic; DefaultValue>]
    static val mutable private depth: int

    /// Whether one is.
    static member IsOn = Recording.depth > 0

    static member private Until(change: unit -> unit, states: IDisposable list) : IDisposable =
        let mutable isOver = false

        {
            new IDisposable with
                member _.Dispose() =
                    if not isOver then
                        isOver <- true
                        change ()

                        for state in states do
                            state.Dispose()
        }

    /// Records nothing, whatever encloses it, until what it gives is disposed of.
    static member internal Pause() : IDisposable =
        let depth = Recording.depth
        Recording.depth <- 0
        Recording.Until((fun () -> Recording.depth <- depth), [ torch.no_grad () ])

    /// Begins to record, until what it gives is disposed of.
    static member Start() : IDisposable =
        let isInference = torch.inference_mode false
        let isEnabled = torch.enable_grad ()
        Recording.depth <- Recording.depth + 1
        Recording.Until((fun () -> Recording.depth <- Recording.depth - 1), [ isEnabled; isInference ])

    /// The same, for whoever calls backward() in it: why a way back failed is raised where it ends.
    static member Record() : IDisposable =
        let recording = Recording.Start()

        {
            new IDisposable with
                member _.Dispose() =
                    recording.Dispose()

                    if not Recording.IsOn then
                        Failure.Raise()
        }

/// Some of the explained instances.
[<NoComparison; ReferenceEquality>]
type Batch = {
    /// Their positions among all: int64, n.
    Rows: Tensor
    /// What tells an instance from others wherever it is read, and decides what is drawn at random for it.
    Ids: int64[]
    /// They themselves: n×….
    X: Tensor
}

[<RequireQualifiedAccess>]
module Batch =
    /// The instances of a tensor (n×…), by their positions.
    let ofTensor (x: Tensor) : Batch = {
        Rows = Number.Range(0L, x.shape[0], x.device)
        Ids = [| 0L .. x.shape[0] - 1L |]
        X = x
    }

    /// Those at some positions in the batch (int64, m; repeats allowed).
    let pick (positions: Tensor) (batch: Batch) : Batch =
        use numbers = positions.cpu ()

        {
            Rows = batch.Rows.index_select (0L, positions)
            Ids = numbers.data<int64>().ToArray() |> Array.map (fun i -> batch.Ids[int i])
            X = batch.X.index_select (0L, positions)
        }

/// Instances that are read a batch at a time: `Read start length` gives length×….
[<NoComparison; NoEquality>]
type Instances = {
    Count: int
    /// The numbers that they are read in, and that results about them are given in.
    Type: torch.ScalarType
    Read: int -> int -> Tensor
    /// The id of the instance at a position, which decides what is drawn at random for it: the same wherever it is read as
    /// part of another set.
    Id: int64 -> int64
}

/// Native memory: every loop runs in scopes that free what the loop does not hand out.
[<RequireQualifiedAccess>]
module Scope =
    let internal keep (scope: DisposeScope) (result: Tensor) =
        if scope.Contains result then scope.MoveToOuter result else result

    /// The result of f; every other tensor that f makes is freed.
    let run (f: unit -> Tensor) =
        use scope = torch.NewDisposeScope()
        keep scope (f ())

    /// The same for several results.
    let runMany (f: unit -> Tensor list) =
        use scope = torch.NewDisposeScope()
        f () |> List.map (keep scope)

    /// Runs f without recording, unless a derivative is being taken of what it computes.
    let quietly (f: unit -> 'a) =
        if Recording.IsOn then
            f ()
        else
            use _ = torch.no_grad ()
            f ()

    /// The result of f, which records nothing unless a derivative is being taken of what it computes.
    let runQuietly (f: unit -> Tensor) = run (fun () -> quietly f)

    /// Gives tensors that are made later, in whatever scope, to the scope that is open now.
    let keepHere () : Tensor -> Tensor =
        let scope = torch.CurrentDisposeScope

        fun result ->
            // Not MoveToOtherDisposeScope: a move to the scope that it is in leaves a tensor half in it, and its finaliser
            // ends the process.
            let result = result.DetachFromDisposeScope()

            if not (isNull scope) then
                scope.Attach result

            result

[<RequireQualifiedAccess>]
module Tensor =
    let internal shapeText (shape: int64[]) = "[" + String.Join("; ", shape) + "]"

    /// <summary>Requires x to have one of the given numbers of dimensions.</summary>
    /// <exception cref="T:System.ArgumentException">x has another number of dimensions.</exception>
    let requireDims (name: string) (allowed: int list) (x: Tensor) =
        if not (List.contains (int x.ndim) allowed) then
            let expected = String.Join(" or ", allowed)
            invalidArg name $"{name} must have {expected} dimensions, but has the shape {shapeText x.shape}."

    /// <summary>Requires x to have the given shape.</summary>
    /// <exception cref="T:System.ArgumentException">x has another shape.</exception>
    let requireShape (name: string) (expected: int64[]) (x: Tensor) =
        if x.shape <> expected then
            invalidArg name $"{name} must have the shape {shapeText expected}, but has {shapeText x.shape}."

    /// The numbers, in row-major order.
    let toArray<'t when 't: unmanaged and 't: struct and 't: (new: unit -> 't) and 't :> ValueType> (x: Tensor) : 't[] =
        use _ = torch.NewDisposeScope()
        x.detach().``to``(torch.CPU).contiguous().flatten().data<'t>().ToArray()

    /// a + b, by a number that is kept (see Number), as are those of the next.
    let add (a: Tensor) (b: Tensor) = a.add (b, Number.Of 1L)

    /// x + a number.
    let shift (by: float) (x: Tensor) = x.add (Number.Of by, Number.Of 1L)

    /// 1 - x.
    let complement (x: Tensor) = x.neg () |> shift 1.

    /// -x.
    let neg (x: Tensor) = x.neg ()

    /// x².
    let square (x: Tensor) = x * x

    /// Sums everything but the first dimension: n×… → n.
    let sumEach (x: Tensor) = x.reshape(x.shape[0], -1L).sum 1L

    /// Sums the last dimension from its first number to its last: what is padded with zeros at the end has the same sum.
    let sumInOrder (x: Tensor) = (x.cumsum -1L).select(-1L, x.shape[int x.ndim - 1] - 1L)

    /// a ⊙ b, in the memory of a where no derivative needs a.
    let timesInto (a: Tensor) (b: Tensor) = if Recording.IsOn then a * b else a.mul_ b

    /// a + b, in the memory of a where no derivative needs a.
    let plusInto (a: Tensor) (b: Tensor) = if Recording.IsOn then add a b else a.add_ (b, Number.Of 1L)

    /// a times a number, in the memory of a where no derivative needs a.
    let scaleInto (a: Tensor) (factor: float) =
        if Recording.IsOn then a * Number.Of factor else a.mul_ (Number.Of factor)

    /// A column vector of n numbers shaped so that it multiplies n×… instance by instance.
    let likeInstances (x: Tensor) (perInstance: Tensor) =
        perInstance.reshape [| yield -1L; for _ in 2L .. x.ndim -> 1L |]

    /// The same numbers with the channels of n×c×h×w innermost in memory, which convolutions run fastest on.
    let channelsLast (x: Tensor) =
        if x.ndim = 4L then x.permute(0L, 2L, 3L, 1L).contiguous().permute(0L, 3L, 1L, 2L) else x

    /// Whatever a network computes in and on, what comes out is on the processor and in float32 at least.
    let readable (x: Tensor) = x.``to`` ((if x.dtype = torch.float64 then torch.float64 else torch.float32), torch.CPU)

    /// Where x > 0.
    let isPositive (x: Tensor) = x.gt (Number.Of 0.)

    /// Where x = 0.
    let isZero (x: Tensor) = x.eq (Number.Of 0.)

    /// A single number of any type.
    let toFloat (x: Tensor) = x.``to``(torch.float64, torch.CPU).item<float>()

    /// Whether any of some booleans is true.
    let isAny (x: Tensor) = x.any().cpu().item<bool>()

    /// Whether all of some booleans are.
    let isAll (x: Tensor) = x.all().cpu().item<bool>()

    /// a, with 1 where it is not used: a NaN or an infinity there would reach the derivative.
    let unless (isUnused: Tensor) (a: Tensor) = if Recording.IsOn then a.masked_fill (isUnused, Number.Of 1.) else a

    /// a / b where that is defined, and NaN elsewhere: no NaN reaches the derivative of what is defined.
    let ratio (isDefined: Tensor) (a: Tensor) (b: Tensor) =
        let isUndefined = isDefined.logical_not ()
        (a / b.masked_fill (isUndefined, Number.Of 1.)).masked_fill(isUndefined, Number.Of nan)

    /// Positions (within the batch) of the instances that hold a NaN or an infinity.
    let notFinite (x: Tensor) : int64[] =
        Scope.run (fun () -> x.isfinite().reshape(x.shape[0], -1L).all(1L).logical_not().nonzero().flatten())
        |> toArray<int64>

    /// <summary>Pixel attribution: the mean over the channels of n×c×h×w; n×h×w is taken as it is.</summary>
    let pixels (attributions: Tensor) =
        requireDims "attributions" [ 3; 4 ] attributions

        if attributions.ndim = 4L then attributions.mean [| 1L |] else attributions

/// Outputs of instances, by their positions, kept for whoever asks next; outside native memory, so that nobody has to
/// free them. `place` gives where an instance's are kept.
[<Sealed; AllowNullLiteral>]
type OutputCache private (outputs: float[][], numbers: torch.ScalarType ref, place: int -> int) =
    let places (positions: Tensor) = Tensor.toArray<int64> positions |> Array.map (int >> place)

    new(count: int) = OutputCache(Array.zeroCreate count, ref torch.float64, id)

    /// The same, for instances of which the i-th is the `which i`-th of these.
    member _.Of(which: Func<int, int>) = OutputCache(outputs, numbers, which.Invoke >> place)

    /// Those of the instances at these positions (n×k), if all are known.
    member _.TryFind(positions: Tensor) : Tensor option =
        let found = places positions |> Array.map (Array.get outputs)

        if Array.contains null found then None else Some(torch.tensor (array2D found, numbers.Value))

    /// Keeps the outputs (n×k) of the instances at these positions.
    member _.Keep(positions: Tensor, values: Tensor) =
        use _ = torch.NewDisposeScope()
        numbers.Value <- values.dtype

        Tensor.toArray<float>(values.detach().``to`` torch.float64)
        |> Array.chunkBySize (int values.shape[1])
        |> Array.iter2 (Array.set outputs) (places positions)

[<RequireQualifiedAccess>]
module Instances =
    let ofTensor (x: Tensor) = {
        Count = int x.shape[0]
        Type = x.dtype
        Read = fun start length -> x.narrow (0L, start, length)
        Id = id
    }

    /// Those of a batch.
    let ofBatch (batch: Batch) = { ofTensor batch.X with Id = fun position -> batch.Ids[int position] }

    /// Those from a position on, which are in memory already.
    let part (start: int) (x: Tensor) (whole: Instances) = {
        ofTensor x with
            Id = fun position -> whole.Id(int64 start + position)
    }

    /// All of them, then all of them again, `times` over.
    let repeat (times: int) (instances: Instances) =
        let read start length =
            let rec pieces start left = [
                if left > 0 then
                    let first = start % instances.Count
                    let length = min left (instances.Count - first)
                    instances.Read first length
                    yield! pieces (start + length) (left - length)
            ]

            match pieces start length with
            | [ one ] -> one
            | several -> Scope.run (fun () -> torch.cat (List.toArray several))

        {
            instances with
                Count = times * instances.Count
                Read = read
                Id = fun position -> instances.Id(position % int64 instances.Count)
        }

    /// Those from a position on.
    let read (instances: Instances) (start: int) (length: int) : Batch =
        let x = instances.Read start length

        {
            Rows = Number.Range(int64 start, int64 length, x.device)
            Ids = Array.init length (fun i -> instances.Id(int64 (start + i)))
            X = x
        }

    /// The (start, length) of as few parts of at most `size` as there can be, all of about the same length: a short last one
    /// would read the weights for a few instances.
    let private parts size total =
        let count = (total + size - 1) / size

        [
            for i in 0 .. count - 1 ->
                let start = int (int64 total * int64 i / int64 count)
                start, int (int64 total * int64 (i + 1) / int64 count) - start
        ]

    let private starts size (instances: Instances) =
        if instances.Count = 0 then
            fail "There are no instances to work on: the selection is empty."

        parts size instances.Count

    /// <summary>Hands every batch of at most `size` instances to f, and frees what f leaves behind.</summary>
    /// <exception cref="T:Attribution.AttributionException">There are no instances.</exception>
    let iter (size: int) (f: Batch -> unit) (instances: Instances) =
        for start, length in starts size instances do
            use _ = torch.NewDisposeScope()
            Scope.quietly (fun () -> f (read instances start length))

    /// <summary>f of every batch: one result for each instance, in the instances' order.</summary>
    /// <exception cref="T:Attribution.AttributionException">There are no instances.</exception>
    let map (size: int) (f: Batch -> Tensor) (instances: Instances) : Tensor =
        let of' (start, length) = Scope.runQuietly (fun () -> f (read instances start length))

        match starts size instances with
        | [ all ] -> of' all
        // To write into a tensor costs a derivative a copy of it each time.
        | parts when Recording.IsOn -> Scope.run (fun () -> torch.cat (parts |> List.map of' |> List.toArray))
        | parts ->
            let mutable whole: Tensor = null

            for start, length in parts do
                use scope = torch.NewDisposeScope()
                let part = of' (start, length)

                if isNull whole then
                    let shape = Array.append [| int64 instances.Count |] part.shape[1..]
                    whole <- scope.MoveToOuter(torch.empty (shape, part.dtype, part.device))

                whole.narrow(0L, start, length).copy_ part |> ignore

            whole

    /// Every pair of an instance i < n and a step k < counts[i], in that order, tiled into groups of at most `size`:
    /// f receives the pairs' instances and steps (two int64 vectors).
    let tile (size: int) (counts: int64[]) (device: torch.Device) (f: Tensor -> Tensor -> unit) =
        let instance = counts |> Array.mapi (fun i count -> Array.create (int count) (int64 i)) |> Array.concat

        let step = counts |> Array.collect (fun count -> [| 0L .. count - 1L |])

        for start, length in parts size instance.Length do
            use _ = torch.NewDisposeScope()

            let on (numbers: int64[]) = torch.tensor(numbers[start .. start + length - 1]).``to`` device

            f (on instance) (on step)
