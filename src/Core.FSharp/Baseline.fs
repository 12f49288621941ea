namespace Attribution.Core

open TorchSharp

/// Numbers drawn for instances: what an instance gets depends on the seed, its own id and the draw alone, and on no
/// other instance.
[<RequireQualifiedAccess>]
module Noise =
    let private drawn (fill: int64[] -> torch.Generator -> Tensor) seed draws (batch: Batch) : Tensor =
        let one (id: int64) (draw: int64) =
            let mixed = seed * 0x9E3779B97F4A7C15L + draw * 0x2545F4914F6CDD1DL + id
            use generator = new torch.Generator(uint64 mixed, torch.CPU)
            fill batch.X.shape[1..] generator

        Scope.run (fun () -> torch.stack(Array.map2 one batch.Ids draws).``to``(batch.X.dtype, batch.X.device))

    let private once (draw: int64) (batch: Batch) = Array.create batch.Ids.Length draw

    /// Standard normal numbers, of the instances' shape: for each instance those of a draw of its own.
    let normals seed draws batch =
        drawn (fun shape generator -> torch.randn (shape, torch.float32, generator = generator)) seed draws batch

    /// Standard normal numbers, of the instances' shape.
    let normal seed draw batch = normals seed (once draw batch) batch

    /// Numbers between 0 and 1, of the instances' shape: for each instance those of a draw of its own.
    let uniforms seed draws batch =
        drawn (fun shape generator -> torch.rand (shape, torch.float32, generator = generator)) seed draws batch

    /// Numbers between 0 and 1, of the instances' shape.
    let uniform seed draw batch = uniforms seed (once draw batch) batch

    /// Numbers between 0 and 1 (n×shape, float64), one draw for each of n ids.
    let uniformOf (seed: int64) (shape: int64[]) (ids: int64[]) : Tensor =
        uniform seed 0L {
            Rows = torch.tensor ids
            Ids = ids
            X = torch.empty (Array.append [| ids.LongLength |] shape, torch.float64)
        }

/// Images that are blurred.
[<RequireQualifiedAccess>]
module Blur =
    /// The largest standard deviation, in pixels.
    [<Literal>]
    let Most = 1000.

    /// What each pixel along a line of that many takes from each: of standard deviation σ pixels, truncated at 4σ, edges reflected
    /// (d c b a | a b c d | d c b a), scipy.ndimage.gaussian_filter's defaults; of σ = 0 from itself alone.
    let internal weights (sigma: float) (size: int64) : Tensor =
        let radius = int (4. * sigma + 0.5)
        let bell = [| for i in -radius .. radius -> if i = 0 then 1. else exp (-0.5 * (float i / sigma) ** 2.) |]
        let total = Array.sum bell
        let size = int size
        let weights = Array2D.zeroCreate size size

        for i in 0 .. size - 1 do
            for k in -radius .. radius do
                let folded = (((i + k) % (2 * size)) + 2 * size) % (2 * size)
                let from = min folded (2 * size - 1 - folded)
                weights[i, from] <- weights[i, from] + bell[k + radius] / total

        torch.tensor weights

    /// A Gaussian's blur of …×h×w, along both sides.
    let gaussian (sigma: float) (maps: Tensor) : Tensor =
        let last = maps.shape.Length - 1
        let along side = (weights sigma side).``to``(maps.dtype, maps.device)
        (along maps.shape[last - 1]).matmul(maps).matmul((along maps.shape[last]).t())

/// Where a path to the instances begins: `Of` gives a batch (n×…) its baselines, of the same shape.
[<NoComparison; NoEquality>]
type Baseline = { Name: string; Of: Batch -> Tensor }

[<RequireQualifiedAccess>]
module Baseline =
    let private constant name (value: float) = {
        Name = name
        Of = fun batch -> torch.full_like (batch.X, Number.Of value)
    }

    /// Black: 0.
    let black = constant "black" 0.

    /// White: 255, or 1 where images are stored in 0-1.
    let white (peak: float) = constant "white" peak

    /// Gaussian noise, mean 0, one draw an instance.
    let random (standardDeviation: float) (seed: int64) = {
        Name = "random"
        Of = fun batch -> Noise.normal seed 0L batch * Number.Of standardDeviation
    }

    /// <summary>The instances themselves, blurred by a Gaussian of standard deviation σ pixels.</summary>
    /// <exception cref="T:System.ArgumentException">σ is not positive, or more than 1000.</exception>
    let blurred (sigma: float) =
        if not (sigma > 0. && sigma <= Blur.Most) then
            invalidArg "sigma" $"A blur's σ is a number of pixels from 0 to {Blur.Most}, but is {sigma}."

        { Name = "blur"; Of = fun batch -> Blur.gaussian sigma batch.X }

    /// Any function of the instances.
    let ofFunction (name: string) (f: Tensor -> Tensor) = {
        Name = name
        Of =
            fun batch ->
                let baseline = f batch.X
                Tensor.requireShape "The baseline" batch.X.shape baseline
                baseline
    }
