namespace Attribution.Core

open TorchSharp

/// <summary>Non-negative matrix factorisation: A (n×d) ≈ U (n×r) W (r×d), none of them negative, of least ‖A - UW‖².</summary>
/// <remarks>Hierarchical alternating least squares (Cichocki, Zdunek and Amari, 2007): each column of U, and each row of W, is replaced by
/// the best one while all else is held fixed, so that the error never rises. In 64-bit floats.</remarks>
[<RequireQualifiedAccess>]
module Nmf =
    // Of the error, from one round to the next: what is less ends the work.
    [<Literal>]
    let private Least = 1e-7

    /// Best columns of U, one after the other, for A Wᵀ (n×r) and W Wᵀ (r×r); a concept that is 0 keeps its column.
    let private columns (products: Tensor) (gram: Tensor) (u: Tensor) : Tensor =
        let u = u.clone ()

        for k in 0L .. u.shape[1] - 1L do
            let square = gram[k, k].item<float>()

            if square > 0. then
                use _ = torch.NewDisposeScope()
                let column = u.select (1L, k)
                let left = products.select (1L, k) - u.matmul (gram.select (1L, k))
                let best = Tensor.add column (left / Number.Of square)
                column.copy_ (best.clamp_min (Number.Of 0.)) |> ignore

        u

    /// ‖A - UW‖ / ‖A‖.
    let error (a: Tensor) (u: Tensor) (w: Tensor) : float =
        use _ = torch.NewDisposeScope()
        ((a - u.matmul w).norm() / a.norm ()).item<float>()

    /// Rounds until the error is steady, or so many: the last one's, and all errors.
    let private rounds most (step: Tensor * Tensor -> Tensor * Tensor) (a: Tensor) (u: Tensor, w: Tensor) =
        let keep = Scope.keepHere ()

        let rec go count (u: Tensor, w: Tensor) errors =
            let u', w' =
                use _ = torch.NewDisposeScope()
                let u, w = step (u, w)
                keep u, keep w

            let error = error a u' w'

            match errors with
            | last :: _ when count >= most || last - error < Least -> (u', w'), List.rev (error :: errors)
            | _ -> go (count + 1) (u', w') (error :: errors)

        go 1 (u, w) []

    /// <summary>U, W with rows of length 1, and the relative error ‖A - UW‖ / ‖A‖ after each round.</summary>
    /// <param name="seed">Decides on the numbers that it begins with.</param>
    /// <param name="rank">r.</param>
    /// <param name="most">Rounds at most.</param>
    /// <param name="a">A, not negative, and not 0 everywhere.</param>
    let factor (seed: int64) (rank: int) (most: int) (a: Tensor) : Tensor * Tensor * float list =
        let keep = Scope.keepHere ()
        use _ = torch.NewDisposeScope()
        let a = a.``to`` torch.float64
        let r = int64 rank
        let scale = sqrt (a.mean().item<float>() / float rank)

        let drawn (rows: int64) draw =
            Noise.uniformOf (seed * 2L + draw) [| r |] [| 0L .. rows - 1L |] * Number.Of(2. * scale)

        let step (u: Tensor, w: Tensor) =
            let u = columns (a.matmul (w.t ())) (w.matmul (w.t ())) u
            u, (columns (a.t().matmul u) (u.t().matmul u) (w.t ())).t()

        let (u, w), errors = rounds most step a (drawn a.shape[0] 0L, (drawn a.shape[1] 1L).t())

        let lengths = (w * w).sum([| 1L |], true).sqrt()
        let divisors = lengths.masked_fill (Tensor.isZero lengths, Number.Of 1.)
        keep (u * lengths.t ()), keep (w / divisors), errors

    /// <summary>U of least ‖A - UW‖² for a given W.</summary>
    /// <param name="most">Rounds at most.</param>
    /// <param name="w">W (r×d).</param>
    /// <param name="a">A (n×d).</param>
    let coefficients (most: int) (w: Tensor) (a: Tensor) : Tensor =
        let keep = Scope.keepHere ()
        use _ = torch.NewDisposeScope()
        let a = a.``to`` torch.float64
        let products, gram = a.matmul (w.t ()), w.matmul (w.t ())
        let start = torch.zeros (a.shape[0], w.shape[0], torch.float64)
        // Of W a handle of its own, which a round may free.
        let (u, _), _ = rounds most (fun (u, w) -> columns products gram u, w.alias ()) a (start, w.alias ())
        keep u
