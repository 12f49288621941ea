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
        | (Relaxation.Soft tau | Relaxation.StraightThrough tau) ->
            if not (tau > 0. && System.Double.IsFinite tau) then
                invalidArg "relaxation" $"τ is a positive number, but is {tau}."

            Some tau

    /// `exact ()`, `soft τ`, or the value of the one with the derivative of the other.
    let choose relaxation (exact: unit -> Tensor) (soft: float -> Tensor) : Tensor =
        match relaxation, tau relaxation with
        | Relaxation.StraightThrough _, Some tau ->
            let soft = soft tau
            Tensor.add (exact ()) (soft - soft.detach ())
        | _, Some tau -> soft tau
        | _ -> exact ()

    /// The largest of some magnitudes, row by row (n×…×1 over the last dimension); 1 where all are 0.
    let scale (a: Tensor) : Tensor =
        let largest = a.abs().amax([| -1L |], true)
        largest.masked_fill (Tensor.isZero largest, Number.Of 1.)

    /// <summary>[a > 0], as 1 or 0, or σ(a / (τ s)).</summary>
    let isPositive relaxation (scale: Tensor) (a: Tensor) : Tensor =
        choose relaxation (fun () -> (Tensor.isPositive a).``to`` a.dtype) (fun tau ->
            (a / (scale * Number.Of tau)).sigmoid())

    /// a where the mask is 1, b where it is 0, a share of both between.
    let blend (mask: Tensor) (a: Tensor) (b: Tensor) : Tensor =
        if mask.dtype = torch.bool then
            torch.where (mask, a, b)
        else
            let mask = mask.``to`` a.dtype
            Tensor.add (a * mask) (b * Tensor.complement mask)

    let private isOut (keys: Tensor) = keys.eq (Number.Of System.Double.NegativeInfinity)

    /// The rank of what is in no order: after every other.
    let private unranked = System.Int64.MaxValue

    /// <summary>The order of each row's keys (n×p), the largest first, ties by position. A key of minus infinity is in no order:
    /// it is never among the first.</summary>
    let order (keys: Tensor) : Order =
        let struct (sorted, positions) = keys.sort (1L, true, true)

        let places = (Number.Range(0L, keys.shape[1], keys.device)).expand_as positions

        {
            Keys = keys
            Sorted = sorted
            Positions = positions
            Ranks =
                torch.empty_like(positions).scatter_(1L, positions, places).masked_fill(isOut keys, Number.Of unranked)
            Scale = scale (keys.masked_fill (isOut keys, Number.Of 0.))
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
                let found = order.Sorted.gather (1L, place.clamp_min (Number.Of 0L))
                found.masked_fill (most.eq (Number.Of 0L), Number.Of 0.)

            let last = at (torch.minimum (r, most) - Number.Of 1L)
            let next = at (torch.minimum (r, most - Number.Of 1L))
            // The threshold of all of them lies below the last.
            let isAll = r.ge most

            let threshold = torch.where (isAll, last - order.Scale, Tensor.add last next / Number.Of 2.)

            let keys = order.Keys.masked_fill (isOut, Number.Of 0.)

            ((keys - threshold) / (order.Scale * Number.Of tau))
                .sigmoid()
                .masked_fill(isOut, Number.Of 0.)
                .masked_fill(r.le (Number.Of 0.), Number.Of 0.)
                .masked_fill(isAll.logical_and (isOut.logical_not ()), Number.Of 1.)

        match relaxation with
        | Relaxation.Exact -> exact ()
        | _ -> choose relaxation (fun () -> (exact ()).``to`` order.Keys.dtype) soft

    let private countSmoothly (parts: Tensor list) = (parts[0].unsqueeze 2L - parts[1].unsqueeze 1L).sigmoid().sum 2L

    /// ½ + Σ_q σ((A_p - A_q)/(τ s)) of each row by itself, for blocks of p at a time.
    let private softRanks (tau: float) (values: Tensor) : Tensor =
        let scaled = values / (scale values * Number.Of tau)
        let block = max 1L (4_000_000L / values.shape[1])

        let parts (size: int64) dimension (t: Tensor) =
            let length = t.shape[int dimension]

            [ for start in 0L .. size .. length - 1L -> t.narrow (dimension, start, min size (length - start)) ]

        let ofRow (row: Tensor) =
            torch.cat (
                [|
                    for part in parts block 1L row -> Scope.run (fun () -> Recompute.apply countSmoothly [ part; row ])
                |],
                1L
            )

        torch.cat [| for row in parts 1L 0L scaled -> ofRow row |] |> Tensor.shift 0.5

    /// <summary>The rank of each number in its row, 1 for the smallest; equal ones share the mean of their ranks: n×p. Softly,
    /// ½ + Σ_q σ((A_p - A_q)/(τ s)).</summary>
    /// <remarks>The soft rank takes time in p², and memory in p.</remarks>
    let ranks relaxation (values: Tensor) : Tensor =
        let exact () =
            let struct (sorted, _) = values.detach().sort 1L
            let values = values.detach().contiguous()
            let below = torch.searchsorted (sorted, values, right = false)
            let upTo = torch.searchsorted (sorted, values, right = true)
            Tensor.shift 1. ((Tensor.add below upTo).``to`` values.dtype) / Number.Of 2.

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
            (squares.masked_fill(Tensor.isZero squares, Number.Of 1.).sqrt())
