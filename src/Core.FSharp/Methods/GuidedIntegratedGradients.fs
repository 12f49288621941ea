namespace Attribution.Core

open System
open TorchSharp

/// <summary>Guided integrated gradients: a path from a baseline on which the pixels of least gradient move first, so that it keeps out of
/// where the target bends.</summary>
/// <remarks>Kapishnikov et al., arXiv 2106.09788. At each of the steps the path is to be a step nearer to the image in the sum of
/// magnitudes; the tenth of the pixels that have the least gradient, and those of equal gradient with them, move towards it, as far
/// as the straight line allows, until it is. Complete: the attributions sum to t(x) - t(b) as the steps grow.</remarks>
[<RequireQualifiedAccess>]
module GuidedIntegratedGradients =
    /// The share of the numbers that moves at a time.
    [<Literal>]
    let private Fraction = 0.1

    /// How far from the straight line, as a share of it, a number may be; the authors' default.
    [<Literal>]
    let private Slack = 0.02

    let private infinity = Number.Of Double.PositiveInfinity

    /// Where the groups of the first so many numbers end, each group the fraction of those that are left, and those of the last one's
    /// slope with it.
    let private ends (count: int64) (slopes: float[]) : int64[] =
        let next ended =
            if ended = int count then
                None
            else
                let mutable until = ended + int (ceil (Fraction * float (int count - ended)))

                while until < int count && slopes[until] = slopes[until - 1] do
                    until <- until + 1

                Some(int64 until, until)

        Array.unfold next 0

    /// Which share of its room each number moves by (n×p): group by group, those of least slope first, all of it, until the sum is the
    /// surplus (n×1), of the last group the same share each.
    let private moved (slope: Tensor) (room: Tensor) (surplus: Tensor) : Tensor =
        let isFree = Tensor.isPositive room
        let size = slope.detach().abs().masked_fill(isFree.logical_not (), infinity)
        let order = size.argsort 1L
        let sums = room.gather(1L, order).cumsum 1L
        let before = torch.cat ([| torch.zeros_like (sums.narrow (1L, 0L, 1L)); sums |], 1L)

        let sorted =
            Tensor.toArray<float>(size.gather(1L, order).cpu()) |> Array.chunkBySize (int slope.shape[1])

        let ends = Array.map2 ends (Tensor.toArray (isFree.sum(1L).cpu())) sorted
        let most = ends |> Seq.map (fun ends -> 1 + ends.Length) |> Seq.max |> max 2

        // The places 0, e₁, e₂, …, of instances of fewer groups the last again.
        let places =
            ends
            |> Array.map (fun ends ->
                Array.init most (fun g -> if ends.Length = 0 || g = 0 then 0L else ends[min g ends.Length - 1]))
            |> array2D
            |> torch.tensor
            |> _.``to``(slope.device)

        // The group in which the surplus is reached.
        let last =
            before.detach().gather(1L, places).lt(surplus).sum(1L, true).clamp(Number.Of 1L, Number.Of(int64 most - 1L))

        let first, until = places.gather (1L, last - Number.Of 1L), places.gather (1L, last)
        let at place = before.gather (1L, place)
        let size = at until - at first

        let part =
            ((surplus - at first) / size.masked_fill (Tensor.isZero size, Number.Of 1.)).clamp_max(Number.Of 1.)

        let place = Number.Range(0L, slope.shape[1], slope.device)

        let amount =
            torch.where (
                place.lt first,
                torch.ones_like part,
                torch.where (place.lt until, part, torch.zeros_like part)
            )

        (torch.zeros_like slope).scatter(1L, order, amount)

    /// <summary>Σₖ ∇ₓ t(xₖ) ⊙ (xₖ₊₁ - xₖ) along the path: n×….</summary>
    /// <exception cref="T:System.ArgumentException">There is less than one step.</exception>
    let attribute (steps: int) (baseline: Baseline) (target: Target) (batch: Batch) : Tensor =
        if steps < 1 then
            invalidArg "steps" $"A path has at least 1 step, but {steps} were asked for."

        Scope.runQuietly (fun () ->
            let stop = batch.X.flatten(1L).``to`` torch.float64
            let start = (baseline.Of batch).flatten(1L).``to`` torch.float64
            let difference = stop - start
            let whole = difference.abs().sum(1L, true)
            let explained = Sweep.explained target batch
            let all = Array.create (int stop.shape[0]) true
            let one = torch.ones (1L, torch.float64)

            let gradient (at: Tensor) =
                let points i _ =
                    (Sweep.pick i at).reshape(Array.append [| -1L |] batch.X.shape[1..]).``to`` batch.X.dtype, ()

                (Sweep.gradientsAmong explained all one points (fun () g -> g) target batch).flatten(1L).``to``
                    torch.float64

            let line (share: float) = Tensor.add start (difference * Number.Of(min 1. (max 0. share)))

            // Towards the image at most: to `far`, where that is nearer than the image.
            let behind (a: Tensor) (b: Tensor) = ((stop - a).abs()).gt((stop - b).abs())

            let step (at: Tensor, sum: Tensor) k =
                let slope = gradient at
                let share = float (k + 1) / float steps
                let near, far = line (share - Slack), line (share + Slack)
                let left (at: Tensor) = (stop - at).abs().sum(1L, true)

                // Those that lag behind the line move up.
                let at' = torch.where (behind at near, near, at)

                let room = (far - at').abs().masked_fill((behind at' far).logical_not(), Number.Of 0.)
                let surplus = (left at' - whole * Number.Of(1. - share)).clamp_min(Number.Of 0.)
                let next = if k = steps - 1 then stop else Tensor.add at' (moved slope room surplus * (far - at'))
                next, Tensor.add sum (slope * (next - at))

            let _, sum = Seq.fold step (start, torch.zeros_like start) [ 0 .. steps - 1 ]
            sum.reshape(batch.X.shape).``to`` batch.X.dtype)
