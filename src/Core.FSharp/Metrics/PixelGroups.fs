namespace Attribution.Core

open System
open TorchSharp

/// The pixels of images in groups: the features that are hidden one by one, or one after the other.
[<NoComparison; ReferenceEquality>]
type PixelGroups = {
    /// The group of each pixel, from 0: n×p, int64.
    Labels: Tensor
    /// K: as many groups as any of the images has.
    Count: int64
}

/// Features of several pixels, what a map gives each of them, and images in which some of them are another image's.
[<RequireQualifiedAccess>]
module PixelGroups =
    /// <summary>The pixels of some keys (n×p) in steps of M, the largest key first, ties by position; the last step may be
    /// short.</summary>
    let inSteps (pixelsPerStep: int) (keys: Tensor) : PixelGroups =
        let steps = Ranking.steps pixelsPerStep keys.shape[1]
        let ranks = (Relax.order (keys.detach ())).Ranks

        {
            Labels = ranks.div (Number.Of(int64 pixelsPerStep), torch.RoundingMode.floor)
            Count = steps.LongLength
        }

    /// The side of a square that is such a share of the side of an image of so many pixels: one pixel at the least.
    let sideOf (share: float) (pixels: int64) : int64 = max 1L (int64 (Math.Round(share * sqrt (float pixels))))

    /// How many squares of a side an image of so many pixels has, if it is a square itself.
    let squaresOf (side: int64) (pixels: int64) : int64 =
        let along = int64 (ceil (sqrt (float pixels) / float side))
        along * along

    /// <summary>Squares of pixels of images (n×c×h×w), row by row from the upper left corner; those at the right and the lower
    /// edge may be cut.</summary>
    let squares (side: int64) (x: Tensor) : PixelGroups =
        let across = (x.shape[3] + side - 1L) / side

        let along (dimension: int) =
            (Number.Range(0L, x.shape[dimension], x.device)).div(Number.Of side, torch.RoundingMode.floor)

        let labels = Tensor.add ((along 2).unsqueeze 1L * Number.Of across) ((along 3).unsqueeze 0L)

        {
            Labels = labels.flatten().unsqueeze(0L).expand(x.shape[0], -1L)
            Count = across * ((x.shape[2] + side - 1L) / side)
        }

    /// The sum of each group's numbers, one for each pixel (n×p): n×K, float64.
    let sums (groups: PixelGroups) (numbers: Tensor) : Tensor =
        let numbers = numbers.``to`` torch.float64

        torch
            .zeros(numbers.shape[0], groups.Count, numbers.dtype, numbers.device)
            .scatter_add(1L, groups.Labels, numbers)

    /// How many pixels each group has: n×K, float64.
    let sizes (groups: PixelGroups) : Tensor = sums groups (torch.ones_like (groups.Labels, torch.float64))

    let private asMask (batch: Batch) (isIn: Tensor) =
        isIn.reshape (isIn.shape[0], 1L, batch.X.shape[2], batch.X.shape[3])

    /// <summary>t(x) of each instance (n), and t(x with one group alone as another image has it) for each of them and of
    /// several such images: n×K×`draws`.</summary>
    /// <param name="other">The other images of some instances and draws.</param>
    let alone (groups: PixelGroups) (draws: int) (other: Tensor -> Tensor -> Tensor) target (batch: Batch) =
        let points (i: Tensor) (k: Tensor) =
            let group, draw =
                k.div (Number.Of(int64 draws), torch.RoundingMode.floor), k.remainder (Number.Of(int64 draws))

            let isIn = (Sweep.pick i groups.Labels).eq(group.unsqueeze 1L)
            torch.where (asMask batch isIn, other i draw, Sweep.pick i batch.X)

        let count = int groups.Count * draws
        let own, changed = Sweep.scores (Sweep.each count batch) points target batch
        own, changed.reshape (-1L, groups.Count, int64 draws)

    /// <summary>t(x) of each instance (n), and t(x with the first 1, 2, …, r of its groups as another image has them) on
    /// average over several such images: n×R, 0 where an instance has fewer than others.</summary>
    /// <param name="keys">What puts the groups in order, the largest first: n×K. Minus infinity: there is no such group.</param>
    /// <param name="counts">r of each instance.</param>
    /// <param name="other">The other images of some instances and draws.</param>
    let removed
        relaxation
        (groups: PixelGroups)
        (keys: Tensor)
        (counts: int64[])
        (draws: int)
        (other: Tensor -> Tensor -> Tensor)
        target
        (batch: Batch)
        =
        let order = Relax.order keys

        let points (i: Tensor) (k: Tensor) =
            let step, draw =
                k.div (Number.Of(int64 draws), torch.RoundingMode.floor), k.remainder (Number.Of(int64 draws))

            let isFirst = Relax.first relaxation (Relax.pick i order) (step.add (Number.Of 1L, Number.Of 1L))
            let mask = isFirst.gather (1L, Sweep.pick i groups.Labels) |> asMask batch
            Relax.blend mask (other i draw) (Sweep.pick i batch.X)

        let counts = counts |> Array.map (fun count -> count * int64 draws)
        let own, changed = Sweep.scores counts points target batch
        own, changed.reshape(changed.shape[0], -1L, int64 draws).mean [| 2L |]

    /// Other images: a baseline's.
    let ofBaseline (baseline: Baseline) (batch: Batch) : Tensor -> Tensor -> Tensor =
        let blank = baseline.Of batch
        fun i _ -> Sweep.pick i blank

    /// Other images: numbers drawn evenly from the range of each instance's own.
    let ofRange (seed: int64) (batch: Batch) : Tensor -> Tensor -> Tensor =
        let axes = [| 1L; 2L; 3L |]
        let least, most = batch.X.amin (axes, true), batch.X.amax (axes, true)

        fun i draw ->
            let u =
                Noise.uniforms seed (Tensor.toArray draw) {
                    Batch.pick i batch with
                        X = (Sweep.pick i batch.X).detach()
                }

            Tensor.add (Sweep.pick i least) (u * Sweep.pick i (most - least))
