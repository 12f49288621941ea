namespace Attribution.Core

open TorchSharp

/// <summary>Images of which pixels are missing, filled in from those that are there: each missing pixel is the mean of its eight
/// neighbours, which may be missing too, those beside it weighing 1/6 and those across a corner 1/12.</summary>
/// <remarks>Rong et al., arXiv 2202.00449. At the edges the neighbours that there are share the weight.</remarks>
[<RequireQualifiedAccess>]
module Imputation =
    /// The weighted sum of each pixel's neighbours (n×c×h×w), 0 beyond the edges.
    let private neighbours (t: Tensor) : Tensor =
        let wide = torch.nn.functional.pad (t, [| 1L; 1L; 1L; 1L |])
        let rows k = wide.narrow (2L, k, t.shape[2])
        let columns k (t: Tensor) = t.narrow (3L, k, t.shape[3] - 2L)
        let stacked = (Tensor.add (rows 0L) (rows 2L)) / Number.Of 6.
        let mixed = Tensor.add (stacked / Number.Of 2.) (rows 1L / Number.Of 6.)
        columns 1L stacked |> Tensor.add (columns 0L mixed) |> Tensor.add (columns 2L mixed)

    /// Hats along an axis of so many pixels, a step apart: 1 at their own pixel, and 0 a step away: k×size.
    let private hats (size: int64) (step: int64) (device: torch.Device) : Tensor =
        let places count = (Number.Range(0L, count, device)).``to`` torch.float64
        let centres = places (1L + (size + step - 2L) / step) * Number.Of step
        let distance = (places size - centres.unsqueeze 1L).abs() / Number.Of step
        (Tensor.shift 1. (distance.neg ())).clamp_min(Number.Of 0.)

    /// The products of neighbours along the last axis.
    let private beside (t: Tensor) =
        let size = t.shape[t.shape.Length - 1]
        t.narrow (-1L, 0L, size - 1L) * t.narrow (-1L, 1L, size - 1L)

    /// <summary>An approximate inverse of the system on the missing pixels (n×1×h×w, 1 or 0): of each pixel and of each hat of 3, 9, 27, …
    /// pixels, cut off where nothing is missing, the solution along it alone, summed. What it is given is float64: of a wide hat the energy is
    /// a small difference of large sums.</summary>
    /// <remarks>Bramble, Pasciak and Xu, Mathematics of Computation 55, 1990; its conditioning does not grow with the image.</remarks>
    let private preconditioner (dtype: torch.ScalarType) (isMissing: Tensor) (own: Tensor) : Tensor -> Tensor =
        let height, width = isMissing.shape[2], isMissing.shape[3]
        let typed (t: Tensor) = t.``to`` dtype
        let within (rows: Tensor) (t: Tensor) (columns: Tensor) = rows.matmul(t).matmul(columns.t ())
        let up, across = isMissing.narrow (2L, 0L, height - 1L), isMissing.narrow (2L, 1L, height - 1L)
        let corners (a: Tensor) (b: Tensor) = a.narrow (3L, 0L, width - 1L) * b.narrow (3L, 1L, width - 1L)
        // Pairs of missing pixels beside each other, above each other, and across a corner.
        let flat, steep, crossed =
            beside isMissing, up * across, Tensor.add (corners up across) (corners across up)

        let level step =
            let rows, columns = hats height step own.device, hats width step own.device

            let sides =
                Tensor.add (within (rows * rows) flat (beside columns)) (within (beside rows) steep (columns * columns))

            let energy =
                within (rows * rows) (isMissing * own) (columns * columns)
                - sides / Number.Of 3.
                - within (beside rows) crossed (beside columns) / Number.Of 6.

            let isNone = energy.le (Number.Of 1e-4)
            typed rows, typed columns, typed (energy.reciprocal().masked_fill(isNone, Number.Of 0.))

        let levels =
            Seq.initInfinite (fun k -> pown 3L (k + 1))
            |> Seq.takeWhile (fun step -> step < max height width)
            |> Seq.map level
            |> List.ofSeq

        let own, isMissing = typed own, typed isMissing

        fun r ->
            let along (rows: Tensor, columns: Tensor, inverse: Tensor) =
                within (rows.t ()) (within rows r columns * inverse) (columns.t ())

            let sum = Seq.fold (fun z level -> Tensor.add z (along level)) (r / own) levels
            sum * isMissing

    /// Of the right side's length: where what is left of it makes no difference any more.
    let private tolerance (t: Tensor) = if t.dtype = torch.float64 then 1e-13 else 1e-6

    /// <summary>The v (n×c×h×w), 0 where nothing is missing, with w v_p - Σ_q w_pq v_q = b_p where p is, w the sum of the weights w_pq: by
    /// preconditioned conjugate gradients, each plane by itself.</summary>
    /// <remarks>Hestenes and Stiefel, Journal of Research of the National Bureau of Standards 49(6), 1952. The system is its own
    /// transpose, and definite: every missing pixel can be reached from one that is there.</remarks>
    let private solve (missing: Tensor) (b: Tensor) : Tensor =
        let exactly = missing.``to`` torch.float64
        let all = neighbours (torch.ones_like exactly)
        let nearly = preconditioner b.dtype exactly all
        let isMissing, own = exactly.``to`` b.dtype, all.``to`` b.dtype
        let times (v: Tensor) = v * own - isMissing * neighbours v
        let dot (a: Tensor) (b: Tensor) = (a * b).sum([| 2L; 3L |], true)
        let b = b * isMissing
        let limit = dot b b * Number.Of(tolerance b ** 2.)
        let most = 200L + 10L * (b.shape[2] + b.shape[3])

        let rec go k (state: Tensor list) =
            let isOpen = (dot state[1] state[1]).gt limit

            if k = most || not (Tensor.isAny isOpen) then
                state[0]
            else
                // What has settled stays, so that no image depends on its neighbours in the batch.
                let share (a: Tensor) (b: Tensor) =
                    (a / b.masked_fill (isOpen.logical_not (), Number.Of 1.))
                        .masked_fill(isOpen.logical_not (), Number.Of 0.)

                let next =
                    Scope.runMany (fun () ->
                        let direction, left = state[2], state[3]
                        let along = times direction
                        let step = share left (dot direction along)
                        let residual = state[1] - step * along
                        let near = nearly residual
                        let rest = dot residual near

                        [
                            Tensor.add state[0] (step * direction)
                            residual
                            Tensor.add near (share rest left * direction)
                            rest
                        ])

                for t in isOpen :: state do
                    t.Dispose()

                go (k + 1L) next

        Scope.run (fun () ->
            let near = nearly b
            go 0L [ torch.zeros_like b; b.clone (); near; dot b near ])

    let private solution = box solve

    /// <summary>The images with their missing pixels filled in, linear in those that are there: n×c×h×w.</summary>
    /// <param name="missing">Which pixels are, of all channels: n×1×h×w, true or false. Where all are, they become 0.</param>
    /// <param name="x">The images.</param>
    let fill (missing: Tensor) (x: Tensor) : Tensor =
        // In numbers of 16 bits the rounds do not come to an end.
        let wide = if x.dtype = torch.float64 then x else x.``to`` torch.float32
        let known = wide.masked_fill (missing, Number.Of 0.)
        let sums = (neighbours known).masked_fill(missing.logical_not (), Number.Of 0.)
        (Tensor.add known (SelfAdjoint.Apply(solution, missing, sums))).``to`` x.dtype
