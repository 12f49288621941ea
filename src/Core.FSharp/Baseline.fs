namespace Attribution.Core

open TorchSharp

/// Where a path to the instances begins: a batch (n×…) → its baselines, of the same shape.
type Baseline = Batch -> Tensor

[<RequireQualifiedAccess>]
module Baseline =
    /// Every number the same: 0 is black; white is 255, or 1 where images are stored in 0-1.
    let constant (value: float) : Baseline =
        fun batch -> torch.full_like (batch.X, TorchSharp.Scalar.op_Implicit value)

    let black: Baseline = constant 0.

    /// Gaussian noise, mean 0, one draw an instance: the draw depends on the seed and the instance's position alone.
    let random (standardDeviation: float) (seed: int64) : Baseline =
        fun batch ->
            let draw (row: int64) =
                use generator =
                    new torch.Generator(uint64 (seed * 0x9E3779B97F4A7C15L + row), torch.CPU)

                torch.randn (batch.X.shape[1..], torch.float32, generator = generator)

            let draws = Tensor.toArray<int64> batch.Rows |> Array.map draw

            torch.stack(draws).``to``(batch.X.dtype, batch.X.device)
            * standardDeviation.ToScalar()

    /// Any function of the instances.
    let ofFunction (f: Tensor -> Tensor) : Baseline =
        fun batch ->
            let baseline = f batch.X
            Tensor.requireShape "The baseline" batch.X.shape baseline
            baseline
