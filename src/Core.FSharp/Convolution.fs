namespace Attribution.Core

open System
open TorchSharp

/// A convolution over n×c×h×w (or n×c×l, n×c×d×h×w: as many spatial dimensions as Stride has entries).
[<NoComparison; ReferenceEquality>]
type Convolution = {
    /// out × in/groups × kernel; of a transposed convolution in × out/groups × kernel.
    Weight: Tensor
    Bias: Tensor option
    Stride: int64[]
    /// Zeros added at both ends of each spatial dimension.
    Padding: int64[]
    Dilation: int64[]
    Groups: int64
}

/// How a convolution may be computed. All compute the same.
[<RequireQualifiedAccess>]
type internal Kernel =
    /// As libtorch chooses: by oneDNN, where that is on.
    | Native
    /// The same in the other layout: channels innermost in memory instead of outermost, or the reverse.
    | Relaid
    /// As a sum of matrix products, one for each place of the kernel.
    | Products

[<RequireQualifiedAccess>]
module internal Kernel =
    /// That of a name.
    let parse name =
        match name with
        | "Native" -> Kernel.Native
        | "Relaid" -> Kernel.Relaid
        | _ -> Kernel.Products

/// A convolution, or a transposed one, by each kernel.
[<RequireQualifiedAccess>]
module internal Convolution =
    let private native isTransposed (c: Convolution) (x: Tensor) =
        let bias = Option.toObj c.Bias

        match isTransposed, c.Stride.Length with
        | false, 1 -> torch.nn.functional.conv1d (x, c.Weight, bias, c.Stride[0], c.Padding[0], c.Dilation[0], c.Groups)
        | false, 2 -> torch.nn.functional.conv2d (x, c.Weight, bias, c.Stride, c.Padding, c.Dilation, c.Groups)
        | false, _ -> torch.nn.functional.conv3d (x, c.Weight, bias, c.Stride, c.Padding, c.Dilation, c.Groups)
        | true, 1 ->
            torch.nn.functional.conv_transpose1d (
                x,
                c.Weight,
                bias,
                c.Stride[0],
                c.Padding[0],
                0L,
                c.Dilation[0],
                c.Groups
            )
        | true, 2 ->
            torch.nn.functional.conv_transpose2d (x, c.Weight, bias, c.Stride, c.Padding, null, c.Dilation, c.Groups)
        | true, _ ->
            torch.nn.functional.conv_transpose3d (x, c.Weight, bias, c.Stride, c.Padding, null, c.Dilation, c.Groups)

    /// Whether libtorch takes a tensor's channels for innermost in memory.
    let private isLast (t: Tensor) =
        if t.ndim <> 4L then
            false
        else
            let shape, strides = t.shape, t.stride ()

            let rec isAscending least =
                function
                | [] -> true
                | d :: rest ->
                    strides[d] >= least
                    && not (d = 0 && least = strides[1])
                    && isAscending (if shape[d] > 1L then strides[d] * shape[d] else strides[d]) rest

            strides[1] <> 0L && isAscending 0L [ 1; 3; 2; 0 ]

    /// Whether libtorch computes it with channels innermost: where either of the two has them so.
    let isChannelsLast (c: Convolution) (x: Tensor) = isLast c.Weight || isLast x

    let private relaid isTransposed (c: Convolution) (x: Tensor) =
        let arrange = if isChannelsLast c x then fun (t: Tensor) -> t.contiguous () else Tensor.channelsLast

        native isTransposed { c with Weight = arrange c.Weight } (arrange x)

    /// x with zeros at both ends of each spatial dimension.
    let private padded (padding: int64[]) (x: Tensor) =
        torch.nn.functional.pad (x, padding |> Array.rev |> Array.collect (fun pad -> [| pad; pad |]))

    /// y[n, o, p] = Σ_k Σ_i W[o, i, k] x[n, i, stride·p + dilation·k - padding]: one product for each place k of the kernel.
    let private products (c: Convolution) (x: Tensor) =
        let kernel = c.Weight.shape[2..]
        let n, groups = x.shape[0], c.Groups

        let padded = if Array.forall ((=) 0L) c.Padding then x else padded c.Padding x

        let sizes =
            Array.init kernel.Length (fun i ->
                (padded.shape[i + 2] - c.Dilation[i] * (kernel[i] - 1L) - 1L) / c.Stride[i] + 1L)

        let filters = c.Weight.reshape (groups, c.Weight.shape[0] / groups, c.Weight.shape[1], -1L)

        /// What the kernel's k-th place sees: n × groups × in/groups × places.
        let seen (k: int64) =
            let mutable window, rest = padded, k

            for i in kernel.Length - 1 .. -1 .. 0 do
                let first = rest % kernel[i] * c.Dilation[i]
                rest <- rest / kernel[i]
                window <- window.slice (int64 i + 2L, first, first + (sizes[i] - 1L) * c.Stride[i] + 1L, c.Stride[i])

            window.reshape (n, groups, x.shape[1] / groups, -1L)

        let each =
            Seq.init (int (Array.fold (*) 1L kernel)) (fun k ->
                torch.einsum ("ngip,goi->ngop", seen (int64 k), filters.select (3L, int64 k)))

        let y = (Seq.reduce Tensor.add each).reshape(Array.append [| n; c.Weight.shape[0] |] sizes)

        match c.Bias with
        | Some bias -> Tensor.add y (bias.reshape [| yield -1L; for _ in kernel -> 1L |])
        | None -> y

    /// The transposed convolution as a convolution: zeros between the numbers of x, and the kernel turned around.
    let private transposedProducts (c: Convolution) (x: Tensor) =
        let dims = c.Stride.Length
        let weight = c.Weight
        let kernel = weight.shape[2..]

        let spread (x: Tensor) (dim: int) =
            let at = int64 dim + 2L
            let size = x.shape[int at]
            let last = x.transpose (at, -1L)

            let wide = torch.nn.functional.pad (last.unsqueeze -1L, [| 0L; c.Stride[dim] - 1L |])

            wide.flatten(-2L).narrow(-1L, 0L, (size - 1L) * c.Stride[dim] + 1L).transpose(-1L, at)

        let turned =
            weight
                .reshape([| yield! [ c.Groups; weight.shape[0] / c.Groups; weight.shape[1] ]; yield! kernel |])
                .transpose(1L, 2L)
                .flatten(0L, 1L)
                .flip
                [| 2L .. int64 dims + 1L |]

        // More padding than the kernel reaches cuts the result.
        let border = Array.init dims (fun i -> c.Dilation[i] * (kernel[i] - 1L) - c.Padding[i])

        products
            { c with Weight = turned; Stride = Array.create dims 1L; Padding = Array.zeroCreate dims }
            (padded border (Seq.fold spread x [ 0 .. dims - 1 ]))

    let apply (kernel: Kernel) (isTransposed: bool) (c: Convolution) (x: Tensor) : Tensor =
        match kernel with
        | Kernel.Native -> native isTransposed c x
        | Kernel.Relaid -> relaid isTransposed c x
        | Kernel.Products when isTransposed -> transposedProducts c x
        | Kernel.Products -> products c x
