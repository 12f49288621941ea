namespace Attribution.Core

open System
open TorchSharp

/// Which pixels of an image change along a path, and which of them first; ties by row-major position.
[<RequireQualifiedAccess>]
type PixelOrder =
    /// All pixels, the largest attribution first.
    | All
    /// π: the pixels of positive attribution, the largest first.
    | Descending
    /// The pixels of positive attribution, the smallest first.
    | Ascending
    /// All pixels, the smallest magnitude first.
    | ByMagnitude

/// What happens to a pixel, in all its channels at once.
[<RequireQualifiedAccess>]
type PixelChange =
    /// The image loses it to the blank.
    | Remove
    /// The blank gets it from the image.
    | Insert

/// A path between an instance and its blank, pixel by pixel.
[<NoComparison; NoEquality>]
type PixelPath = {
    Order: PixelOrder
    Change: PixelChange
    /// M: a score is taken after every M pixels.
    PixelsPerStep: int
    /// As many steps at the least, where the path has the pixels: where M would leave fewer, steps are shorter. 1: M as it is.
    FewestSteps: int
    Blank: Baseline
    /// Scores are max(t(·) - t(0), 0), 0 the black image, in place of t(·).
    IsAboveBlack: bool
}

/// The scores of n instances along a path, after 0, M, 2M, …, N changed pixels. An instance of fewer points than K repeats its last.
[<NoComparison; ReferenceEquality>]
type PixelCurve = {
    /// How many of the K points count, for each instance.
    Lengths: int64[]
    /// The changed pixels at each point: n×K, float64.
    Pixels: Tensor
    /// The sum of the changed pixels' attribution: n×K, float64.
    Attribution: Tensor
    /// The score there: n×K, float64.
    Scores: Tensor
    /// The score of the instance itself: n, float64.
    Whole: Tensor
}

/// Paths on which an image's pixels are removed or put back in the order of their attribution, and what a score does on them.
[<RequireQualifiedAccess>]
module PixelCurves =
    /// The course's images, and its M.
    let private coursePixels, courseStep, fewest = 224L * 224L, 1000L, 25

    /// <summary>M and the fewest steps where nobody chose them, for images of so many pixels: 1000 from 224×224 pixels on, as
    /// the course takes them; for smaller images as large a share of the pixels (fifty steps of all), and 25 steps at the
    /// least, so that a map with few positive pixels is seen too.</summary>
    let chosenSteps (pixels: int64) : struct (int * int) =
        if pixels >= coursePixels then
            struct (int courseStep, 1)
        else
            struct (int (max 1L (pixels * courseStep / coursePixels)), fewest)

    /// The path in steps of M pixels, and at least so many of them.
    let inSteps (pixelsPerStep: int) (fewestSteps: int) (path: PixelPath) = {
        path with
            PixelsPerStep = pixelsPerStep
            FewestSteps = fewestSteps
    }

    /// The numbers of changed pixels at the points of each map's curve, from 0 on.
    let private counts path (pixels: Tensor) : int64[][] =
        let lengths =
            match path.Order with
            | (PixelOrder.All | PixelOrder.ByMagnitude) ->
                Array.create (int pixels.shape[0]) (pixels.shape[1] * pixels.shape[2])
            | (PixelOrder.Descending | PixelOrder.Ascending) -> Ranking.positives pixels

        let steps (length: int64) =
            let longest = max 1L (length / int64 path.FewestSteps)
            Ranking.steps (int (min (int64 path.PixelsPerStep) longest)) length

        lengths |> Array.map (steps >> Array.append [| 0L |])

    /// The points that take no pass: the start of a removal is the instance itself, whose score is known.
    let private known path =
        match path.Change with
        | PixelChange.Remove -> 1L
        | PixelChange.Insert -> 0L

    /// How many images are scored for the curves of attributions.
    let passes (path: PixelPath) (attributions: Tensor) : int64 =
        Tensor.pixels attributions
        |> counts path
        |> Array.sumBy (fun points -> points.LongLength - known path)

    /// Every map's pixels (n×hw) in the order that they change in.
    let private order (order: PixelOrder) (pixels: Tensor) : Order =
        match order with
        // The positive pixels come first: no count goes beyond them.
        | (PixelOrder.All | PixelOrder.Descending) -> Relax.order (pixels.flatten 1L)
        | PixelOrder.ByMagnitude -> Relax.order (pixels.flatten(1L).abs().neg())
        | PixelOrder.Ascending ->
            let flat = pixels.flatten 1L

            Relax.order (
                flat.neg().masked_fill((Tensor.isPositive flat).logical_not(), Number.Of Double.NegativeInfinity)
            )

    /// How many pixels are removed before each one, where all are, the largest attribution first: n×h×w, int64.
    let ranks (attributions: Tensor) : Tensor =
        Scope.run (fun () ->
            let pixels = Tensor.pixels attributions
            (Relax.order (pixels.flatten 1L)).Ranks.reshape pixels.shape)

    /// max(t(·) - t(0), 0), 0 the black image, of scores (n×…).
    let private aboveBlack (target: Target) explained (batch: Batch) : Tensor -> Tensor =
        let black = (target.OfBlack batch.X).expand(batch.X.shape[0], -1L)
        let ofBlack = (target.Quantity.Of explained black).``to``(torch.float64, torch.CPU)
        fun scores -> (scores - Tensor.likeInstances scores ofBlack).clamp_min(Number.Of 0.)

    /// The curve of a path.
    let private along relaxation (path: PixelPath) (target: Target) explained pixels (batch: Batch) : PixelCurve =
        let order, counts = order path.Order pixels, counts path pixels
        let blank = path.Blank.Of batch

        let before, after =
            match path.Change with
            | PixelChange.Remove -> batch.X, blank
            | PixelChange.Insert -> blank, batch.X

        let lengths = counts |> Array.map _.LongLength
        let most = int (Array.max lengths)

        let changed =
            torch.tensor (Array2D.init counts.Length most (fun i k -> counts[i][min k (counts[i].Length - 1)]))

        let known = known path
        let asked = int64 most - known
        let numbers = changed.narrow(1L, known, asked).flatten().``to`` batch.X.device

        let points (i: Tensor) (k: Tensor) =
            let count = Sweep.pick (Tensor.add (i * Number.Of asked) k) numbers
            let isChanged = Relax.first relaxation (Relax.pick i order) count
            let mask = isChanged.reshape (i.shape[0], 1L, batch.X.shape[2], batch.X.shape[3])
            Relax.blend mask (Sweep.pick i after) (Sweep.pick i before)

        let read = if path.IsAboveBlack then aboveBlack target explained batch else id

        let whole = (Target.ofExplained target explained).``to``(torch.float64, torch.CPU)

        let scored =
            Sweep.scoresAround explained (lengths |> Array.map (fun length -> length - known)) points target batch

        let whole, scored = read whole, read scored

        let scores = if known = 0L then scored else torch.cat ([| whole.unsqueeze 1L; scored |], 1L)

        let place = torch.tensor (Array2D.init counts.Length most (fun i k -> min (int64 k) (lengths[i] - 1L)))

        let sums =
            let sorted = (pixels.flatten 1L).gather(1L, order.Positions).``to``(torch.float64, torch.CPU)

            torch.cat ([| torch.zeros (sorted.shape[0], 1L, torch.float64); sorted.cumsum 1L |], 1L)

        {
            Lengths = lengths
            Pixels = changed.``to`` torch.float64
            Attribution = sums.gather (1L, changed)
            Scores = scores.gather (1L, place)
            Whole = whole
        }

    /// <summary>The curves of each path. All instances' steps share full batches.</summary>
    let curves
        relaxation
        (paths: PixelPath list)
        (target: Target)
        (attributions: Tensor)
        (batch: Batch)
        : PixelCurve list =
        let pixels = Ranking.requireMaps batch.X attributions

        Scope.quietly (fun () ->
            let explained = Sweep.explained target batch

            paths |> List.map (fun path -> along relaxation path target explained pixels batch))

    /// The curve with its scores divided by the instance's own; NaN where that is not positive.
    let normalised (curve: PixelCurve) = {
        curve with
            Scores =
                let whole = curve.Whole.unsqueeze(1L).expand_as curve.Scores
                Tensor.ratio (Tensor.isPositive whole) curve.Scores whole
    }

    /// <summary>The area under ys over ascending xs (both n×K) by the trapezoid rule: n.</summary>
    let trapezoid (xs: Tensor) (ys: Tensor) : Tensor =
        let next (t: Tensor) = t.narrow (1L, 1L, t.shape[1] - 1L)
        let before (t: Tensor) = t.narrow (1L, 0L, t.shape[1] - 1L)

        if xs.shape[1] = 1L then
            torch.zeros (xs.shape[0], xs.dtype)
        else
            Tensor.sumInOrder ((next xs - before xs) * Tensor.add (before ys) (next ys) / Number.Of 2.)

    /// How far along its path each point is: the share of the path's pixels that have changed (n×K).
    let shareOfPixels (curve: PixelCurve) : Tensor =
        curve.Pixels / (curve.Pixels.narrow (1L, -1L, 1L)).clamp_min(Number.Of 1.)

    /// The area under the scores over the share of changed pixels: their mean, weights that sum to 1 (n).
    let area (curve: PixelCurve) : Tensor = trapezoid (shareOfPixels curve) curve.Scores

    /// The points that count: n×K, 1 or 0.
    let counted (curve: PixelCurve) : Tensor =
        let place = Number.Range(0L, curve.Scores.shape[1], torch.CPU)
        (place.unsqueeze(0L).lt((torch.tensor curve.Lengths).unsqueeze 1L)).``to`` curve.Scores.dtype

    /// <summary>1/(N+1) · Σᵢ blockᵢ · scoreᵢ of each instance (n), each score weighed by the pixels of its block; the start weighs
    /// nothing.</summary>
    let ordering (curve: PixelCurve) : Tensor =
        let blocks = curve.Pixels.diff (1L, 1L, torch.zeros (curve.Pixels.shape[0], 1L, torch.float64))

        Tensor.sumInOrder (blocks * curve.Scores) / Tensor.shift 1. (curve.Pixels.select (1L, -1L))
