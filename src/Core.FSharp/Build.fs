namespace Attribution.Core

open System
open System.Collections.Generic

/// Builds graphs from languages without F#'s unions, lists and options: null stands for none.
[<AbstractClass; Sealed>]
type Build private () =
    /// See Convolution: weight out×in/groups×kernel; one entry of stride, padding and dilation for each spatial dimension.
    static member Convolution
        (weight: Tensor, bias: Tensor, stride: int64[], padding: int64[], dilation: int64[], groups: int64)
        =
        Op.Convolution {
            Weight = weight
            Bias = Option.ofObj bias
            Stride = stride
            Padding = padding
            Dilation = dilation
            Groups = groups
        }

    /// The transposed convolution of x, without padding: weight in×out/groups×kernel; one entry of stride and dilation for each
    /// spatial dimension.
    static member ConvolveTransposed
        (x: Tensor, weight: Tensor, stride: int64[], dilation: int64[], groups: int64)
        : Tensor =
        Kernels.convolveTransposed
            {
                Weight = weight
                Bias = None
                Stride = stride
                Padding = Array.zeroCreate stride.Length
                Dilation = dilation
                Groups = groups
            }
            x

    /// x Wᵀ + b: weight out×in.
    static member Linear(weight: Tensor, bias: Tensor) = Op.Linear(weight, Option.ofObj bias)

    /// A window's maximum, or its mean with or without counting padded zeros.
    static member Pool
        (kind: PoolKind, kernel: int64[], stride: int64[], padding: int64[], dilation: int64[], ceilMode: bool)
        =
        Op.Pool {
            Kind = kind
            Kernel = kernel
            Stride = stride
            Padding = padding
            Dilation = dilation
            CeilMode = ceilMode
        }

    /// (x - mean) / √(variance + epsilon) ⊙ scale + shift, channel by channel.
    static member BatchNorm(mean: Tensor, variance: Tensor, scale: Tensor, shift: Tensor, epsilon: float) =
        Op.BatchNorm { Mean = mean; Variance = variance; Scale = scale; Shift = shift; Epsilon = epsilon }

    /// An activation: any differentiable function of each number by itself.
    static member Pointwise(name: string, f: Func<Tensor, Tensor>) = Op.Activation(Activation.Pointwise(name, f.Invoke))

    /// Any other differentiable function of the inputs' values.
    static member Pure(name: string, f: Func<IReadOnlyList<Tensor>, Tensor>) =
        Op.Pure(name, (fun inputs -> f.Invoke inputs))

    /// A function of the inputs' values of a kind that ways back by rules know.
    static member Function(kind: Kind, name: string, f: Func<IReadOnlyList<Tensor>, Tensor>) =
        Op.Function(kind, name, (fun inputs -> f.Invoke inputs))

    /// (x - mean) / √(variance + ε) ⊙ scale + shift over the last dimensions, of these sizes; see Spelling.
    static member LayerNorm(name: string, sizes: int64[], epsilon: float, hasShift: bool) =
        Spelling.layerNorm name sizes epsilon hasShift

    /// The same over groups of channels.
    static member GroupNorm(name: string, groups: int64, dimensions: int, epsilon: float) =
        Spelling.groupNorm name groups dimensions epsilon

    /// (x - mean) / (root variance + ε) over some dimensions.
    static member MeanVariance
        (name: string, axes: int64[], root: Func<Tensor, Tensor>, epsilon: float, compute: Func<Tensor, Tensor>)
        =
        Spelling.meanVariance name axes root.Invoke epsilon (List.head >> compute.Invoke)

    /// finish (Σ x²) or finish (Σ |x|); or x divided by that.
    static member Norm
        (
            name: string,
            isSquare: bool,
            divides: bool,
            sum: Func<Tensor, Tensor>,
            finish: Func<Tensor, Tensor>,
            compute: Func<Tensor, Tensor>
        ) =
        Spelling.norm name isSquare divides sum.Invoke finish.Invoke (List.head >> compute.Invoke)

    /// -x.
    static member Negative(name: string) = Spelling.negative name

    /// The larger or the smaller of two inputs.
    static member Extreme(name: string, isLargest: bool, compute: Func<IReadOnlyList<Tensor>, Tensor>) =
        Spelling.extreme name isLargest (fun inputs -> compute.Invoke inputs)

    /// A sliding layer of x, filters and a bias for each channel; `filter` is it without the bias.
    static member Filters
        (
            name: string,
            dimensions: int,
            filter: Func<Tensor, Tensor, Tensor>,
            compute: Func<IReadOnlyList<Tensor>, Tensor>
        ) =
        Spelling.filters name dimensions (fun x w -> filter.Invoke(x, w)) (fun inputs -> compute.Invoke inputs)

    /// What an op makes of its inputs' values.
    static member Apply(op, inputs: IReadOnlyList<Tensor>) = Semantics.plain op (List.ofSeq inputs)

    /// One step of a network, named as its value is.
    static member Node(name: string, op: Op, [<ParamArray>] inputs: string[]) = {
        Name = name
        Op = op
        Inputs = List.ofArray inputs
    }

    /// The model of a graph whose nodes come after their inputs. `inputShape` is c, h, w, or null where any will do.
    static member Model(inputShape: int64[], input: string, output: string, nodes: IEnumerable<Node>) =
        Model.ofGraph (Option.ofObj inputShape) (Graph.create input output nodes)
