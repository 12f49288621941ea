namespace Attribution.Core

open TorchSharp

/// <summary>Necessity ordering: the mean score while pixels of positive attribution are removed, largest first. Lower means
/// that what the map ranks first is needed.</summary>
/// <remarks>Wang, Mardziel, Datta and Fredrikson, arXiv 2002.07985, Eq. 5, in steps of M pixels.</remarks>
[<RequireQualifiedAccess>]
module NecessityOrdering =
    /// An instance's curve: after how many removed pixels, which score max(t(R(i)) - t(0), 0).
    type Curve = { Removed: int64[]; Scores: float[] }

    /// How many images are scored for the curves of attributions.
    let steps (pixelsPerStep: int) (attributions: Tensor) : int64 =
        Tensor.pixels attributions
        |> Ranking.positives
        |> Array.sumBy (fun n -> (Ranking.steps pixelsPerStep n).LongLength)

    /// <summary>The curve of each instance. All instances' steps share full batches.</summary>
    let curves (pixelsPerStep: int) (target: Target) (attributions: Tensor) (batch: Batch) : Curve[] =
        let pixels = Ranking.requireMaps batch.X attributions
        let counts = Ranking.positives pixels |> Array.map (Ranking.steps pixelsPerStep)
        let ranks = Ranking.ranks pixels
        let flat = torch.tensor(Array.concat counts).``to`` batch.X.device
        let scores = ResizeArray<float>()

        Scope.forwardOnly (fun () ->
            let explained = Target.explained target batch
            let blank = target.Blank batch.X
            let size = target.BatchSize Forward (Instances.ofTensor batch.X)

            Instances.tile size (counts |> Array.map _.LongLength) batch.X.device (fun instance _ ->
                let pick (t: Tensor) = t.index_select (0L, instance)
                let removed = flat.narrow (0L, int64 scores.Count, instance.shape[0])

                let score =
                    Target.along target explained instance (Ranking.remove (pick ranks) removed (pick batch.X))

                let floor =
                    target.Quantity.Of (Target.at instance explained) (blank.expand (instance.shape[0], -1L))

                let above = (score - floor).clamp_min 0.
                scores.AddRange(Tensor.toArray<float>(above.``to`` torch.float64))))

        let starts = Array.scan (fun start (c: int64[]) -> start + c.Length) 0 counts

        Array.mapi
            (fun i removed -> {
                Removed = removed
                Scores = scores.GetRange(starts[i], removed.Length).ToArray()
            })
            counts

    /// <summary>N_o = 1/(N+1) · Σᵢ blockᵢ · scoreᵢ, each score weighted by the pixels of its block; 0 where no attribution
    /// is positive.</summary>
    let score (curve: Curve) : float =
        if curve.Removed.Length = 0 then
            0.
        else
            let blocks =
                Array.pairwise (Array.append [| 0L |] curve.Removed)
                |> Array.map (fun (a, b) -> b - a)

            Array.sum (Array.map2 (fun block s -> float block * s) blocks curve.Scores)
            / float (Array.last curve.Removed + 1L)
