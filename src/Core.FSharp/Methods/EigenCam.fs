namespace Attribution.Core

open Attribution
open TorchSharp

/// <summary>Eigen-CAM: the first principal component of a layer's values over its positions. It is of no class.</summary>
/// <remarks>Muhammad and Yeasin, arXiv 2008.00299: L = A v, A of positions by channels and v its first right singular vector, without
/// centring; as much of it positive as can be, since a singular vector has no sign. Negative values are kept.</remarks>
[<RequireQualifiedAccess>]
module EigenCam =
    /// The eigenvector of the largest eigenvalue of symmetric matrices (n×m×m → n×m×1).
    let private principal (gram: Tensor) : Tensor =
        let found =
            Scope.runQuietly (fun () ->
                let struct (_, vectors) = torch.linalg.eigh (gram.detach ())
                vectors.narrow (2L, -1L, 1L))

        if not Recording.IsOn then
            found
        else
            // Two steps of Newton's on G v = λ v, ‖v‖² = 1 from the solution: nothing moves, and derivatives up to the third are
            // exact, where those of all eigenvectors have none if two eigenvalues are the same.
            let n, m = gram.shape[0], gram.shape[1]
            let one = torch.eye (m, dtype = gram.dtype, device = gram.device)

            let step (v: Tensor, value: Tensor) =
                let turned = v.transpose (1L, 2L)
                let shifted = gram - value * one
                let corner = torch.zeros (n, 1L, 1L, gram.dtype, gram.device)
                let upper = torch.cat ([| shifted; v.neg () |], 2L)
                let lower = torch.cat ([| turned * Number.Of 2.; corner |], 2L)
                let gap = torch.cat ([| shifted.matmul v; Tensor.shift -1. (turned.matmul v) |], 1L)
                let change = torch.linalg.solve (torch.cat ([| upper; lower |], 1L), gap)
                v - change.narrow (1L, 0L, m), value - change.narrow (1L, m, 1L)

            let start = found, found.transpose(1L, 2L).matmul(gram.detach().matmul found)
            fst (step (step start))

    /// <summary>A v at the layer's own resolution (n×h'×w').</summary>
    /// <exception cref="T:Attribution.AttributionException">The layer has no positions, or the target does not depend on it.</exception>
    let atLayer (layer: string) (target: Target) (batch: Batch) : Tensor =
        let values = (Cam.cut layer target batch).Values
        let wide = values.``to`` torch.float64
        let a = wide.flatten(2L).transpose(1L, 2L)
        let turned = a.transpose (1L, 2L)

        // By the smaller of the two matrices: A v is √λ u, where A Aᵀ u = λ u.
        let map =
            if a.shape[1] < a.shape[2] then
                let u = principal (a.matmul turned)
                let length = (turned.matmul u).norm(1, true)
                u * length
            else
                a.matmul (principal (turned.matmul a))

        let sign = (map.detach().sum(1L, true)).ge(Number.Of 0.).``to`` torch.float64
        let map = map * Tensor.shift -1. (sign * Number.Of 2.)
        map.reshape([| yield values.shape[0]; yield! values.shape[2..] |]).``to`` values.dtype
