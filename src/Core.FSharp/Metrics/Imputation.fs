namespace Attribution.Core

open TorchSharp

/// <summary>Images of which pixels are missing, filled in from those that are there: each missing pixel is the mean of its eight
/// neighbours, which may be missing too, those beside it weighing 1/6 and those across a corner 1/12.</summary>
/// <remarks>Rong et al., arXiv 2202.00449. At the edges the neighbours that there are share the weight.</remarks>
[<RequireQualifiedAccess>]
module Imputation =
    let private weights = [| 1. / 12.; 1. / 6.; 1. / 12.; 1. / 6.; 0.; 1. / 6.; 1. / 12.; 1. / 6.; 1. / 12. |]

    /// The weighted sum of each pixel's neighbours (n×1×h×w), 0 beyond the edges.
    let private neighbours (t: Tensor) : Tensor =
        let kernel = torch.tensor(weights).reshape(1L, 1L, 3L, 3L).``to``(t.dtype, t.device)
        torch.nn.functional.conv2d (t, kernel, null, [| 1L; 1L |], [| 1L; 1L |])

    /// Of the right side's length: where what is left of it makes no difference any more.
    let private tolerance (t: Tensor) = if t.dtype = torch.float64 then 1e-13 else 1e-6

    /// <summary>The v, 0 where nothing is missing, with w v_p - Σ_q w_pq v_q = b_p where p is, w the sum of the weights w_pq: by
    /// conjugate gradients, each of n×1×h×w by itself.</summary>
    /// <remarks>Hestenes and Stiefel, Journal of Research of the National Bureau of Standards 49(6), 1952. The system is its own
    /// transpose, and definite: every missing pixel can be reached from one that is there.</remarks>
    let private solve (missing: Tensor) (b: Tensor) : Tensor =
        let isMissing = missing.``to`` b.dtype
        let own = neighbours (torch.ones_like isMissing)
        let times (v: Tensor) = v * own - isMissing * neighbours v
        let dot (a: Tensor) (b: Tensor) = (a * b).sum([| 1L; 2L; 3L |], true)
        let b = b * isMissing
        let limit = dot b b * Number.Of(tolerance b ** 2.)
        let most = 200L + 10L * (b.shape[2] + b.shape[3])

        let rec go k (state: Tensor list) =
            let isOpen = state[3].gt limit

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
                        let rest = torch.where (isOpen, dot residual residual, left)

                        [
                            Tensor.add state[0] (step * direction)
                            residual
                            Tensor.add residual (share rest left * direction)
                            rest
                        ])

                for t in isOpen :: state do
                    if not (obj.ReferenceEquals(t, b)) then
                        t.Dispose()

                go (k + 1L) next

        Scope.run (fun () -> go 0L [ torch.zeros_like b; b.clone (); b.clone (); dot b b ])

    let private solution = box solve

    /// <summary>The images with their missing pixels filled in, linear in those that are there: n×c×h×w.</summary>
    /// <param name="missing">Which pixels are, of all channels: n×1×h×w, true or false. Where all are, they become 0.</param>
    /// <param name="x">The images.</param>
    let fill (missing: Tensor) (x: Tensor) : Tensor =
        let planes (t: Tensor) = t.expand(x.shape).reshape(-1L, 1L, x.shape[2], x.shape[3])
        let missing = planes missing
        let known = (planes x).masked_fill(missing, Number.Of 0.)
        let sums = (neighbours known).masked_fill(missing.logical_not (), Number.Of 0.)
        (Tensor.add known (SelfAdjoint.Apply(solution, missing, sums))).reshape x.shape
