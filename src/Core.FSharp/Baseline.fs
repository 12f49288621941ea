namespace Attribution.Core

open TorchSharp

/// Where a path to the instances begins: `Of` gives a batch (n×…) its baselines, of the same shape.
[<NoComparison; NoEquality>]
type Baseline = { Name: string; Of: Batch -> Tensor }

[<RequireQualifiedAccess>]
module Baseline =
    let private constant name (value: float) = {
        Name = name
        Of = fun batch -> torch.full_like (batch.X, value.ToScalar())
    }

    /// Black: 0.
    let black = constant "black" 0.

    /// White: 255, or 1 where images are stored in 0-1.
    let white (peak: float) = constant "white" peak

    /// Gaussian noise, mean 0, one draw an instance: the draw depends on the seed and the instance's position alone.
    /// `first` is the position of the first instance, where instances are explained a part at a time.
    let randomFrom (first: int64) (standardDeviation: float) (seed: int64) =
        let draw (batch: Batch) (row: int64) =
            use generator =
                new torch.Generator(uint64 (seed * 0x9E3779B97F4A7C15L + row), torch.CPU)

            torch.randn (batch.X.shape[1..], torch.float32, generator = generator)

        {
            Name = "random"
            Of =
                fun batch ->
                    let draws =
                        Tensor.toArray<int64> batch.Rows
                        |> Array.map (fun row -> draw batch (first + row))

                    torch.stack(draws).``to``(batch.X.dtype, batch.X.device)
                    * standardDeviation.ToScalar()
        }

    /// The same, where all instances are explained together.
    let random standardDeviation seed = randomFrom 0L standardDeviation seed

    /// Any function of the instances.
    let ofFunction (name: string) (f: Tensor -> Tensor) = {
        Name = name
        Of =
            fun batch ->
                let baseline = f batch.X
                Tensor.requireShape "The baseline" batch.X.shape baseline
                baseline
    }
