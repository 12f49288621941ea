namespace Attribution.Core

open TorchSharp

/// <summary>Consistency: whether images with the same map are of one class. Higher is better.</summary>
/// <remarks>Dasgupta, Frost and Moshkovitz, Framework for evaluating faithfulness of local explanations, arXiv 2202.00734. An
/// image's score needs the others.</remarks>
[<RequireQualifiedAccess>]
module Consistency =
    /// <summary>A map in a few words: of the means over the cells of a grid, the cells of largest magnitude, in the grid's order, each
    /// with its sign (k+1 or -(k+1) for cell k). None for a map that is 0. Ties go to the first cells.</summary>
    /// <param name="grid">The cells of a side.</param>
    /// <param name="count">How many cells are named.</param>
    /// <param name="attributions">n×c×h×w or n×h×w, by pixel attribution.</param>
    let words (grid: int) (count: int) (attributions: Tensor) : int64[] option[] =
        if grid < 1 || count < 1 || count > grid * grid then
            invalidArg "count" $"A map is told by 1 to {grid * grid} cells of a grid of {grid}×{grid}, not by {count}."

        use _ = torch.NewDisposeScope()

        Scope.quietly (fun () ->
            let pixels = (Tensor.pixels attributions).``to``(torch.float64, torch.CPU) |> Ranking.requireFinite 0L
            let sides = [| int64 grid; int64 grid |]
            let cells = torch.nn.functional.adaptive_avg_pool2d(pixels.unsqueeze 1L, sides).flatten 1L
            let first = (Relax.order (cells.abs ())).Positions.narrow(1L, 0L, int64 count)
            let struct (places, _) = first.sort 1L
            let signs = cells.gather(1L, places).sign().``to`` torch.int64

            let signed = (places.add (Number.Of 1L, Number.Of 1L)) * signs

            Array.map2
                (fun size named -> if size > 0. then Some named else None)
                (Tensor.toArray<float>(Nearby.norms pixels))
                (Tensor.toArray<int64> signed |> Array.chunkBySize count))

    /// <summary>Of the other images whose maps are told by the same words as an image's, the share that has its class; NaN where there
    /// is none, or the map is 0.</summary>
    /// <param name="grid">The cells of a side.</param>
    /// <param name="count">How many cells tell a map.</param>
    /// <param name="classes">The class predicted for each image.</param>
    /// <param name="attributions">n×c×h×w or n×h×w.</param>
    let scores grid count (classes: int64[]) (attributions: Tensor) : float[] =
        let words = words grid count attributions
        let known = Array.zip words classes |> Array.filter (fst >> Option.isSome)
        let ofWords, ofBoth = known |> Array.countBy fst |> dict, known |> Array.countBy id |> dict

        Array.map2
            (fun word label ->
                match word with
                | Some _ when ofWords[word] > 1 -> float (ofBoth[(word, label)] - 1) / float (ofWords[word] - 1)
                | _ -> nan)
            words
            classes
