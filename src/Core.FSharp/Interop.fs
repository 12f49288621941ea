namespace Attribution.Core

open System
open System.Runtime.CompilerServices

/// The core's functions of functions, for languages without F#'s functions.
[<AbstractClass; Sealed; Extension>]
type Interop private () =
    /// Instances that `read start length` gives a batch at a time, in float32.
    static member Instances(count: int, read: Func<int, int, Tensor>) : Instances = {
        Count = count
        Type = TorchSharp.torch.float32
        Read = fun start length -> read.Invoke(start, length)
    }

    /// The model, telling `onPass` of each pass and of how many instances it holds.
    [<Extension>]
    static member Observed(model: Model, onPass: Action<int>) = { model with OnPass = onPass.Invoke }

    /// The model with passes of the given size, or where that is null of as many instances as its memory allows.
    [<Extension>]
    static member Batched(model: Model, batchSize: Nullable<int>) =
        if batchSize.HasValue then
            {
                model with
                    Batching = Fixed batchSize.Value
            }
        else
            model

    /// The chain of named functions.
    static member OfFunctions(layers: seq<struct (string * Func<Tensor, Tensor>)>) =
        layers |> Seq.map (fun struct (name, f) -> name, f.Invoke) |> Model.ofFunctions

    /// A quantity of interest that any function of the logits gives: n×k → n.
    static member Quantity(name: string, f: Func<Tensor, Tensor>) = Quantity.ofFunction name f.Invoke

    /// A baseline that any function of the instances gives.
    static member Baseline(name: string, f: Func<Tensor, Tensor>) = Baseline.ofFunction name f.Invoke

    /// A quantity over the instances, by position, that belong to a distribution.
    static member Interest(quantity: Quantity, distribution: Func<int64, bool>) : Interest = {
        Quantity = quantity
        Distribution = distribution.Invoke
    }

    /// f of every batch, batches as large as the target's model takes: one result an instance.
    [<Extension>]
    static member Map(instances: Instances, target: Target, f: Func<Batch, Tensor>) =
        target.Prepare instances
        |> Instances.map (target.BatchSize instances) (fun batch -> (f.Invoke batch).``to`` instances.Type)

    /// The same for results that are not tensors.
    [<Extension>]
    static member Collect(instances: Instances, target: Target, f: Func<Batch, 'a[]>) : 'a[] =
        let results = ResizeArray<'a>()

        target.Prepare instances
        |> Instances.iter (target.BatchSize instances) (fun batch -> results.AddRange(f.Invoke batch))

        results.ToArray()
