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

/// The scores of an instance along a path, after 0, M, 2M, …, N changed pixels.
type PixelCurve = {
    Pixels: int64[]
    /// The sum of the changed pixels' attribution.
    Attribution: float[]
    Scores: float[]
    /// The score of the instance itself.
    Whole: float
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

    let private numbers (t: Tensor) =
        Tensor.toArray<float>(t.``to`` torch.float64)

    /// The numbers of changed pixels that each map's images are scored at. The start of a removal is the instance itself,
    /// whose score is known.
    let private counts path (pixels: Tensor) : int64[][] =
        let starts =
            match path.Change with
            | PixelChange.Remove -> [||]
            | PixelChange.Insert -> [| 0L |]

        let lengths =
            match path.Order with
            | PixelOrder.All -> Array.create (int pixels.shape[0]) (pixels.shape[1] * pixels.shape[2])
            | PixelOrder.Descending
            | PixelOrder.Ascending -> Ranking.positives pixels

        let steps (length: int64) =
            let longest = max 1L (length / int64 path.FewestSteps)
            Ranking.steps (int (min (int64 path.PixelsPerStep) longest)) length

        lengths |> Array.map (steps >> Array.append starts)

    /// How many images are scored for the curves of attributions.
    let passes (path: PixelPath) (attributions: Tensor) : int64 =
        Tensor.pixels attributions |> counts path |> Array.sumBy _.LongLength

    /// Every map's pixels (n×hw), in their order; those that a path leaves alone come last.
    let private order (order: PixelOrder) (pixels: Tensor) : Tensor =
        let flat = pixels.flatten 1L

        let key =
            match order with
            | PixelOrder.All
            | PixelOrder.Descending -> flat
            | PixelOrder.Ascending ->
                flat.neg().masked_fill((Tensor.isPositive flat).logical_not(), Double.NegativeInfinity)

        let struct (_, order) = key.sort (1L, true, true)
        order

    /// max(t(·) - t(0), 0), 0 the black image of the shape of x.
    let private aboveBlack (x: Tensor) (target: Target) =
        let black = target.Blank x

        let above explained (outputs: Tensor) =
            let score = target.Quantity.Of explained
            (score outputs - score (black.expand (outputs.shape[0], -1L))).clamp_min 0.

        {
            target with
                Quantity = {
                    target.Quantity with
                        Of = above
                        Linear = None
                }
        }

    let private along path (target: Target) explained pixels (batch: Batch) : PixelCurve[] =
        let target =
            if path.IsAboveBlack then
                aboveBlack batch.X target
            else
                target

        let order, counts = order path.Order pixels, counts path pixels
        let ranks = (Ranking.ofOrder order).reshape pixels.shape
        let blank = path.Blank.Of batch

        let before, after =
            match path.Change with
            | PixelChange.Remove -> batch.X, blank
            | PixelChange.Insert -> blank, batch.X

        let flat = torch.tensor(Array.concat counts).``to`` batch.X.device
        let scores = ResizeArray<float>()

        Instances.tile
            (target.BatchSize Forward (Instances.ofTensor batch.X))
            (counts |> Array.map _.LongLength)
            batch.X.device
            (fun instance _ ->
                let pick (t: Tensor) = t.index_select (0L, instance)
                let count = flat.narrow (0L, int64 scores.Count, instance.shape[0])
                let images = Ranking.replace (pick ranks) count (pick after) (pick before)
                scores.AddRange(numbers (Target.along target explained instance images)))

        let whole = numbers (target.Quantity.Of explained (explained.Outputs.Force()))

        let sums =
            (pixels.flatten 1L).gather(1L, order).cumsum(1L, torch.float64)
            |> numbers
            |> Array.chunkBySize (int order.shape[1])

        let starts =
            Array.scan (fun start (count: int64[]) -> start + count.Length) 0 counts

        let curve i (count: int64[]) =
            let start, scores = [| 0L |], scores.GetRange(starts[i], count.Length).ToArray()

            let pixels, scores =
                match path.Change with
                | PixelChange.Remove -> Array.append start count, Array.append [| whole[i] |] scores
                | PixelChange.Insert -> count, scores

            {
                Pixels = pixels
                Attribution = pixels |> Array.map (fun n -> if n = 0L then 0. else sums[i][int n - 1])
                Scores = scores
                Whole = whole[i]
            }

        Array.mapi curve counts

    /// <summary>The curves of each instance, one a path. All instances' steps share full batches.</summary>
    let curves (paths: PixelPath seq) (target: Target) (attributions: Tensor) (batch: Batch) : PixelCurve[][] =
        let pixels = Ranking.requireMaps batch.X attributions

        Scope.forwardOnly (fun () ->
            let explained = Target.explained target batch

            [| for path in paths -> along path target explained pixels batch |]
            |> Array.transpose)

    /// The curve with its scores divided by the instance's own; NaN where that is not positive.
    let normalised (curve: PixelCurve) = {
        curve with
            Scores =
                curve.Scores
                |> Array.map (fun score -> if curve.Whole > 0. then score / curve.Whole else nan)
    }

    /// <summary>The area under ys over ascending xs by the trapezoid rule.</summary>
    let trapezoid (xs: float[]) (ys: float[]) : float =
        Array.pairwise (Array.zip xs ys)
        |> Array.sumBy (fun ((x1, y1), (x2, y2)) -> (x2 - x1) * (y1 + y2) / 2.)

    /// How far along its path each point is: the share of the path's pixels that have changed.
    let shareOfPixels (curve: PixelCurve) : float[] =
        let all = float (max 1L (Array.last curve.Pixels))
        curve.Pixels |> Array.map (fun count -> float count / all)

    /// The area under the scores over the share of changed pixels: their mean, weights that sum to 1.
    let area (curve: PixelCurve) : float =
        trapezoid (shareOfPixels curve) curve.Scores

    /// <summary>1/(N+1) · Σᵢ blockᵢ · scoreᵢ, each score weighted by the pixels of its block; the start weighs nothing.</summary>
    let ordering (pixels: int64[]) (scores: float[]) : float =
        let blocks =
            Array.pairwise (Array.append [| 0L |] pixels)
            |> Array.map (fun (a, b) -> float (b - a))

        Array.sum (Array.map2 (*) blocks scores) / (Array.sum blocks + 1.)
