module Support

open System
open Expecto
open FsCheck
open TorchSharp
open Attribution.Core

/// A float64 tensor of that shape.
let tensor (shape: int list) (values: float seq) : Tensor =
    torch.tensor(Array.ofSeq values).reshape(shape |> List.map int64 |> Array.ofList)

let vector values = tensor [ Seq.length values ] values
let number (value: float) = tensor [] [ value ]

/// The numbers in row-major order, as float64.
let values (t: Tensor) : float[] =
    use _ = torch.NewDisposeScope()
    Tensor.toArray<float>(t.detach().``to`` torch.float64)

/// The shape of whatever is given, and each number within `tolerance` of the expected, relative to the largest; what is
/// expected to be undefined is.
let close tolerance (expected: Tensor) (actual: Tensor) message =
    Expect.equal actual.shape expected.shape $"{message}: shape"
    let expected, actual = values expected, values actual

    let scale = 1. + (expected |> Seq.filter Double.IsFinite |> Seq.map abs |> Seq.fold max 0.)

    Array.iteri2
        (fun i e a ->
            if not (abs (e - a) <= tolerance * scale || e.Equals a) then
                failtest $"{message}: at {i} expected {e}, but was {a}.")
        expected
        actual

/// Equal but for float64's rounding.
let same expected actual message = close 1e-10 expected actual message

/// Numbers from a standard normal distribution; torch's own generator is shared between tests, so it is left alone.
let gaussians (rng: Random) count =
    Array.init count (fun _ -> sqrt (-2. * log (1. - rng.NextDouble())) * cos (2. * Math.PI * rng.NextDouble()))

let gaussian (rng: Random) shape = tensor shape (gaussians rng (List.fold (*) 1 shape))

/// A law: it must hold for whatever the generator draws.
let law name (check: Random -> unit) =
    testPropertyWithConfig { FsCheckConfig.defaultConfig with maxTest = 40 } name (fun (seed: int) ->
        use _ = torch.NewDisposeScope()
        check (Random seed))

/// An example, whose tensors are freed after it.
let example name (check: unit -> unit) =
    testCase name (fun () ->
        use _ = torch.NewDisposeScope()
        check ())

let rejects<'e when 'e :> exn> (work: unit -> Tensor) message = Expect.throwsT<'e> (fun () -> work () |> ignore) message

/// By how many tensors the work leaves this thread richer.
let liveAfter (work: unit -> unit) =
    let live () = DisposeScopeManager.Statistics.ThreadTotalLiveCount

    let before = live ()
    work ()
    live () - before

/// (f(x + h e) - f(x - h e)) / 2h for each number of x: the derivative of y = f x, as y.shape ++ x.shape.
let centralDifferences (f: Tensor -> Tensor) (x: Tensor) : Tensor =
    let h = 1e-5
    let flat = values x
    let shape = x.shape |> Array.map int |> List.ofArray

    let moved i by = f (tensor shape (flat |> Array.mapi (fun j v -> if i = j then v + by else v)))

    let columns = [| for i in 0 .. flat.Length - 1 -> (moved i h - moved i -h) / (2. * h) |]
    torch.stack(columns, -1L).reshape(Array.append columns[0].shape x.shape)

let batch (x: Tensor) : Batch = Batch.ofTensor x

/// All instances through f in batches of that size.
let inBatches size (f: Batch -> Tensor) (x: Tensor) = Instances.map size f (Instances.ofTensor x)

let inDouble (model: Model) = Model.toDevice torch.CPU torch.float64 model

let ofFunctions layers = Model.ofFunctions layers |> inDouble

let node name op inputs = { Name = name; Op = op; Inputs = inputs }

let graphModel output nodes = Model.ofGraph None (Graph.create "x" output (node "x" Input [] :: nodes)) |> inDouble

/// The slow, plain twin that methods and metrics are checked against: a dense network with one hidden ReLU layer, on
/// arrays, differentiated by hand.
type Plain = { W1: float[][]; B1: float[]; W2: float[][]; B2: float[] }

[<RequireQualifiedAccess>]
module Plain =
    let dot (a: float[]) (b: float[]) = Array.fold2 (fun s x y -> s + x * y) 0. a b

    let affine (w: float[][]) (b: float[]) x = Array.map2 (fun row bias -> dot row x + bias) w b

    /// `lift` raises every logit.
    let random (rng: Random) inputs hidden classes lift = {
        W1 = Array.init hidden (fun _ -> gaussians rng inputs)
        B1 = gaussians rng hidden
        W2 = Array.init classes (fun _ -> gaussians rng hidden)
        B2 = gaussians rng classes |> Array.map ((+) lift)
    }

    let hidden net x = affine net.W1 net.B1 x

    let after net hidden = affine net.W2 net.B2 (Array.map (max 0.) hidden)

    let logits net x = after net (hidden net x)

    let predicted net x = let s = logits net x in Array.IndexOf(s, Array.max s)

    /// Σ_k weights_k ∂f_k/∂(the hidden layer after its ReLU).
    let hiddenGradient net (weights: float[]) =
        Array.init net.B1.Length (fun j -> Seq.sum (Seq.mapi (fun k w -> w * net.W2[k][j]) weights))

    /// Σ_k weights_k ∇f_k.
    let gradient net weights x =
        let through =
            Array.map2 (fun g z -> if z > 0. then g else 0.) (hiddenGradient net weights) (hidden net x)

        Array.init net.W1[0].Length (fun i -> Seq.sum (Seq.mapi (fun j g -> g * net.W1[j][i]) through))

    let oneHot net k = Array.init net.B2.Length (fun i -> if i = k then 1. else 0.)

    /// The same network as the core's, over images n×c×h×w: layers x, flat, z (before the ReLU), h (after it), s.
    let model net : Model =
        let matrix (rows: float[][]) = tensor [ rows.Length; rows[0].Length ] (Array.concat rows)

        graphModel "s" [
            node "flat" Flatten [ "x" ]
            node "z" (Linear(matrix net.W1, Some(vector net.B1))) [ "flat" ]
            node "h" (Activation Relu) [ "z" ]
            node "s" (Linear(matrix net.W2, Some(vector net.B2))) [ "h" ]
        ]

/// A random case for the methods and the metrics: a plain network, the same as a model, and images n×2×3×4.
let case (rng: Random) lift =
    let net = Plain.random rng 24 6 4 lift
    let n = rng.Next(1, 6)
    let images = Array.init n (fun _ -> gaussians rng 24)
    net, Plain.model net, images, tensor [ n; 2; 3; 4 ] (Array.concat images)

/// The mean over the two channels of a case's attribution.
let casePixels (a: float[]) = Array.init 12 (fun p -> (a[p] + a[12 + p]) / 2.)

let batching size (model: Model) = { model with Batching = size }

/// A convolution of 3×3 that keeps the size.
let convolution (rng: Random) inputs outputs hasBias =
    Convolution {
        Weight = gaussian rng [ outputs; inputs; 3; 3 ]
        Bias = if hasBias then Some(gaussian rng [ outputs ]) else None
        Stride = [| 1L; 1L |]
        Padding = [| 1L; 1L |]
        Dilation = [| 1L; 1L |]
        Groups = 1L
    }

let normalisation (rng: Random) channels =
    BatchNorm {
        Mean = gaussian rng [ channels ]
        Variance = (gaussian rng [ channels ]).exp()
        Scale = gaussian rng [ channels ]
        Shift = gaussian rng [ channels ]
        Epsilon = 1e-3
    }

/// A random network of 2×5×4 images: convolutions, normalisations, activations, sums and products, of which each takes any
/// values before it.
let network (rng: Random) =
    let nodes = ResizeArray [ node "x" Input [] ]
    let any () = nodes[rng.Next nodes.Count].Name

    for i in 1 .. rng.Next(4, 14) do
        let before = if rng.Next 3 > 0 then nodes[nodes.Count - 1].Name else any ()

        let op, inputs =
            match rng.Next 8 with
            | 0
            | 1 -> convolution rng 2 2 (rng.Next 2 = 0), [ before ]
            | 2
            | 3 -> normalisation rng 2, [ before ]
            | 4
            | 5 -> Activation Relu, [ before ]
            | 6 -> (if rng.Next 2 = 0 then Add else Multiply), [ before; any () ]
            | _ -> Activation Sigmoid, [ before ]

        nodes.Add(node $"{i}" op inputs)

    nodes.Add(node "out" Flatten [ nodes[nodes.Count - 1].Name ])
    Graph.create "x" "out" nodes
