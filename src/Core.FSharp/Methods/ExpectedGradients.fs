namespace Attribution.Core

open Attribution
open TorchSharp

/// <summary>Expected gradients: integrated gradients averaged over baselines that are drawn from a background.</summary>
/// <remarks>Erion, Janizek, Sturmfels, Lundberg and Lee, arXiv 1906.10670. Complete in expectation: the attributions of an
/// instance sum to t(x) less the background's mean t. An instance is left out of its own background, where it would only
/// shrink its map.</remarks>
[<RequireQualifiedAccess>]
module ExpectedGradients =
    let private read (background: Instances) (which: Tensor) (x: Tensor) =
        let struct (positions, place, _) = which.unique (return_inverse = true)

        let found =
            torch.cat [| for i in Tensor.toArray<int64> positions -> background.Read (int i) 1 |]

        if found.shape[1..] <> x.shape[1..] then
            let text (t: Tensor) = Tensor.shapeText t.shape[1..]

            raise (
                AttributionException
                    $"The background's instances have the shape {text found}, but those to be explained {text x}: give both the same shape."
            )

        found.index_select(0L, place).``to``(x.dtype, x.device)

    /// The means of sums over draws, of which `counts` were not the instance itself.
    let private means (rows: Tensor) (counts: Tensor) (sums: Tensor) =
        match Array.tryFindIndex ((=) 0.) (Tensor.toArray<float> counts) with
        | Some i ->
            let row = rows[int64 i].item<int64>()

            raise (
                AttributionException
                    $"Expected gradients compare an image with others, but every one drawn for instance {row} is the image itself: give more images, or a background of others."
            )
        | None ->
            sums
            / counts.reshape (Array.append [| -1L |] (Array.create (int sums.ndim - 1) 1L))

    /// <summary>(1/N) Σₖ (x - bₖ) ⊙ ∇ₓ t(bₖ + αₖ(x - bₖ)), k = 1…N, bₖ drawn from the background and αₖ from [0, 1]; the mean
    /// is over the bₖ that are not x.</summary>
    /// <exception cref="T:Attribution.AttributionException">All that were drawn for an instance are it itself.</exception>
    let attribute (count: int) (background: Instances) (seed: int64) (target: Target) (batch: Batch) : Tensor =
        let x = batch.X

        let drawn =
            (Samples.uniform seed [| 3L; int64 count |] batch.Numbers).``to`` x.device

        let part = torch.arange (count, torch.float64, x.device)

        // A Latin hypercube (McKay, Beckman and Conover, 1979): α, and the place in the background, lie once in each of N
        // equal parts of their ranges, paired at random. Each draw is uniform as before, and their mean varies less.
        let draw (parts: Tensor) row =
            Tensor.add parts (drawn.select (1L, row)) / float count

        let position = draw (drawn.select(1L, 2L).argsort(1L).``to`` torch.float64) 0L
        let which = (draw part 1L * float background.Count).``to`` torch.int64
        let sum = torch.zeros (x.shape, torch.float64, x.device)
        let others = torch.zeros (x.shape[0], torch.float64, x.device)

        Samples.iter count target batch (fun instance draw gradient ->
            let pair = Tensor.add (instance * count) draw
            let at (t: Tensor) = t.flatten().index_select(0L, pair)
            let start = read background (at which) x
            let difference = Tensor.subtract (x.index_select (0L, instance)) start
            let along = Tensor.likeInstances x ((at position).``to`` x.dtype)
            let found = difference * gradient (Tensor.add start (along * difference))
            sum.index_add_ (0L, instance, found.``to`` torch.float64, 1.) |> ignore
            let isOther = (difference.flatten 1L).any(1L).``to`` torch.float64
            others.index_add_ (0L, instance, isOther, 1.) |> ignore)

        (means batch.Rows others sum).``to`` x.dtype
