namespace Attribution.Core

open Attribution
open TorchSharp

/// <summary>Instances that others are compared with, of which baselines are drawn; an instance is left out of its own background, where
/// it would only shrink its map.</summary>
[<RequireQualifiedAccess>]
module Background =
    /// Some instances of the background, in the shape and the numbers of x.
    let read (background: Instances) (which: Tensor) (x: Tensor) : Tensor =
        let struct (positions, place, _) = which.unique (return_inverse = true)

        let found = torch.cat [| for i in Tensor.toArray<int64> positions -> background.Read (int i) 1 |]

        if found.shape[1..] <> x.shape[1..] then
            let text (t: Tensor) = Tensor.shapeText t.shape[1..]

            fail
                $"The background's instances have the shape {text found}, but those to be explained {text x}: give both the same shape."

        found.index_select(0L, place).``to``(x.dtype, x.device)

    /// <summary>Requires that each instance was compared with another.</summary>
    /// <exception cref="T:Attribution.AttributionException">All that were drawn for an instance are it itself.</exception>
    let requireOthers (name: string) (rows: Tensor) (others: Tensor) =
        match Array.tryFindIndex ((=) 0.) (Tensor.toArray<float> others) with
        | Some i ->
            let row = rows[int64 i].item<int64>()

            fail
                $"{name} compare an image with others, but every one drawn for instance {row} is the image itself: give more images, or a background of others."
        | None -> ()

    /// The places in a background of N draws for each of some ids (n×N, int64): one in each of N equal parts of it.
    let places (count: int) (background: Instances) (drawn: Tensor) : Tensor =
        let part = (Number.Range(0L, int64 count, drawn.device)).``to`` torch.float64
        let position = Tensor.add part drawn / Number.Of(float count)
        (position * Number.Of(float background.Count)).``to`` torch.int64

    /// <summary>The mean over N baselines bₖ, drawn for each instance, of what a method gives from bₖ (n×…).</summary>
    /// <param name="attribute">The method, from a baseline.</param>
    let mean
        (name: string)
        (count: int)
        (background: Instances)
        (seed: int64)
        (attribute: Baseline -> Target -> Batch -> Tensor)
        (target: Target)
        (batch: Batch)
        : Tensor =
        Scope.runQuietly (fun () ->
            let x = batch.X
            let drawn = (Noise.uniformOf seed [| int64 count |] batch.Ids).``to`` x.device
            let places = places count background drawn

            let from k =
                Scope.runMany (fun () ->
                    let start = read background (places.select (1L, k)) x
                    let isOther = (x.detach().ne start).flatten(1L).any(1L)
                    let map = attribute { Name = "drawn"; Of = fun _ -> start } target batch
                    [ map.``to`` torch.float64 * Tensor.likeInstances map isOther; isOther.``to`` torch.float64 ])

            let sums = Seq.init count (int64 >> from) |> Seq.reduce (List.map2 Tensor.add)
            requireOthers name batch.Rows sums[1]
            (sums[0] / Tensor.likeInstances sums[0] sums[1]).``to`` x.dtype)
