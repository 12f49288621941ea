namespace Attribution.Core

open TorchSharp

/// How what a definition decides by a threshold or an order is computed. τ is a share of a map's largest magnitude, so that no
/// soft score depends on a map's scale.
[<RequireQualifiedAccess>]
type Relaxation =
    /// As it is defined: its derivative in what decides is 0 almost everywhere.
    | Exact
    /// By σ(·/τ) in place of each threshold. The nearer τ is to 0, the nearer to the definition.
    | Soft of tau: float
    /// The value as it is defined, and the derivative of the soft one.
    | StraightThrough of tau: float

/// Pixels in an order, of which the first r can be chosen: each row's numbers from the largest to the smallest, ties by position.
[<NoComparison; ReferenceEquality>]
type Order = {
    /// What decides: n×p. Minus infinity comes last, and is never chosen softly.
    Keys: Tensor
    /// The keys from the largest to the smallest: n×p.
    Sorted: Tensor
    /// The positions in that order: n×p, int64.
    Positions: Tensor
    /// The rank of each position in it, from 0: n×p, int64.
    Ranks: Tensor
    /// What τ is a share of: n×1.
    Scale: Tensor
}

/// <summary>Thresholds, orders and ranks, exact or soft.</summary>
/// <remarks>The first r pixels of an order are those with A ≥ θ, θ between the r-th and the next largest value: as a function of the
/// map, σ((A - θ)/τ). A straight-through value is that of Bengio, Léonard and Courville, arXiv 1308.3432.</remarks>
[<RequireQualifiedAccess>]
module Relax =
    /// The τ of a relaxation, if it has one.
    let private tau relaxation =
        match relaxation with
        | Relaxation.Exact -> None
        | Relaxation.Soft tau
        | Relaxation.StraightThrough tau ->
            if not (tau > 0. && System.Double.IsFinite tau) then
                invalidArg "relaxation" $"τ is a positive number, but is {tau}."

            Some tau

    /// `exact ()`, `soft τ`, or the value of the one with the derivative of the other.
    let choose relaxation (exact: unit -> Tensor) (soft: float -> Tensor) : Tensor =
        match relaxation, tau relaxation with
        | Relaxation.StraightThrough _, Some tau ->
            let soft = soft tau
            exact () + (soft - soft.detach ())
        | _, Some tau -> soft tau
        | _ -> exact ()

    /// The largest of some magnitudes, row by row (n×…×1 over the last dimension); 1 where all are 0.
    let scale (a: Tensor) : Tensor =
        let largest = a.abs().amax([| -1L |], true)
        largest.masked_fill (largest.eq (0.0.ToScalar()), 1.0.ToScalar())

    /// <summary>[a > 0], as 1 or 0, or σ(a / (τ s)).</summary>
    let isPositive relaxation (scale: Tensor) (a: Tensor) : Tensor =
        choose relaxation (fun () -> (Tensor.isPositive a).``to`` a.dtype) (fun tau ->
            (a / (scale * tau.ToScalar())).sigmoid())

    /// a where the mask is 1, b where it is 0, a share of both between.
    let blend (mask: Tensor) (a: Tensor) (b: Tensor) : Tensor =
        if mask.dtype = torch.bool then
            torch.where (mask, a, b)
        else
            let mask = mask.``to`` a.dtype
            a * mask + b * (1.0.ToScalar() - mask)

    let private isOut (keys: Tensor) =
        keys.eq (System.Double.NegativeInfinity.ToScalar())

    /// The rank of what is in no order: after every other.
    let private unranked = System.Int64.MaxValue

    /// <summary>The order of each row's keys (n×p), the largest first, ties by position. A key of minus infinity is in no order:
    /// it is never among the first.</summary>
    let order (keys: Tensor) : Order =
        let struct (sorted, positions) = keys.sort (1L, true, true)

        let places =
            torch.arange(keys.shape[1], torch.int64, keys.device).expand_as positions

        {
            Keys = keys
            Sorted = sorted
            Positions = positions
            Ranks =
                torch.empty_like(positions).scatter_(1L, positions, places).masked_fill(isOut keys, unranked.ToScalar())
            Scale = scale (keys.masked_fill (isOut keys, 0.0.ToScalar()))
        }

    /// Some rows of an order.
    let pick (rows: Tensor) (order: Order) : Order = {
        Keys = Sweep.pick rows order.Keys
        Sorted = Sweep.pick rows order.Sorted
        Positions = Sweep.pick rows order.Positions
        Ranks = Sweep.pick rows order.Ranks
        Scale = Sweep.pick rows order.Scale
    }

    /// <summary>Which positions are among the first r of their row: booleans where exact, else σ((A - θ)/(τ s)); none where r is 0,
    /// and all where there are no more.</summary>
    /// <param name="order">n×p.</param>
    /// <param name="r">How many: int64, n.</param>
    let first relaxation (order: Order) (r: Tensor) : Tensor =
        let r = r.unsqueeze 1L
        let exact () = order.Ranks.lt r

        let soft (tau: float) =
            let isOut = isOut order.Keys
            let most = isOut.logical_not().sum(1L, true)

            let at (place: Tensor) =
                let found = order.Sorted.gather (1L, place.clamp_min (0L.ToScalar()))
                found.masked_fill (most.eq (0L.ToScalar()), 0.0.ToScalar())

            let last = at (torch.minimum (r, most) - 1L)
            let next = at (torch.minimum (r, most - 1L))
            // The threshold of all of them lies below the last.
            let isAll = r.ge most

            let threshold =
                torch.where (isAll, last - order.Scale, (last + next) / 2.0.ToScalar())

            let keys = order.Keys.masked_fill (isOut, 0.0.ToScalar())

            ((keys - threshold) / (order.Scale * tau.ToScalar()))
                .sigmoid()
                .masked_fill(isOut, 0.0.ToScalar())
                .masked_fill(r.le (0.0.ToScalar()), 0.0.ToScalar())
                .masked_fill(isAll.logical_and (isOut.logical_not ()), 1.0.ToScalar())

        match relaxation with
        | Relaxation.Exact -> exact ()
        | _ -> choose relaxation (fun () -> (exact ()).``to`` order.Keys.dtype) soft

    let private countSmoothly (parts: Tensor list) =
        (parts[0].unsqueeze 2L - parts[1].unsqueeze 1L).sigmoid().sum 2L

    /// ½ + Σ_q σ((A_p - A_q)/(τ s)) of each row by itself, for blocks of p at a time.
    let private softRanks (tau: float) (values: Tensor) : Tensor =
        let scaled = values / (scale values * tau.ToScalar())
        let block = max 1L (4_000_000L / values.shape[1])

        let parts (size: int64) dimension (t: Tensor) =
            let length = t.shape[int dimension]

            [
                for start in 0L .. size .. length - 1L -> t.narrow (dimension, start, min size (length - start))
            ]

        let ofRow (row: Tensor) =
            torch.cat (
                [|
                    for part in parts block 1L row -> Scope.run (fun () -> Recompute.apply countSmoothly [ part; row ])
                |],
                1L
            )

        torch.cat [| for row in parts 1L 0L scaled -> ofRow row |] + 0.5.ToScalar()

    /// <summary>The rank of each number in its row, 1 for the smallest; equal ones share the mean of their ranks: n×p. Softly,
    /// ½ + Σ_q σ((A_p - A_q)/(τ s)).</summary>
    /// <remarks>The soft rank takes time in p², and memory in p.</remarks>
    let ranks relaxation (values: Tensor) : Tensor =
        let exact () =
            let struct (sorted, _) = values.detach().sort 1L
            let values = values.detach().contiguous()
            let below = torch.searchsorted (sorted, values, right = false)
            let upTo = torch.searchsorted (sorted, values, right = true)
            ((below + upTo).``to`` values.dtype + 1.0.ToScalar()) / 2.0.ToScalar()

        choose relaxation exact (fun tau -> softRanks tau values)

    /// Pearson's correlation of two rows of numbers each (n×p): n; NaN where one is constant.
    let correlations (a: Tensor) (b: Tensor) : Tensor =
        // The mean of equal numbers may differ from them by a rounding; that of their differences is 0.
        let centred (t: Tensor) =
            let differences = t - t.narrow (1L, 0L, 1L)
            differences - differences.mean ([| 1L |], true)

        let a, b = centred a, centred b
        let squares = (a * a).sum(1L) * (b * b).sum 1L

        Tensor.ratio
            (Tensor.isPositive squares)
            ((a * b).sum 1L)
            (squares.masked_fill(squares.eq (0.0.ToScalar()), 1.).sqrt())
