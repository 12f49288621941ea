namespace Attribution.Core

open TorchSharp

/// <summary>Explanation continuity: the strongest variation of the map when the image moves by a pixel. Lower is better.</summary>
/// <remarks>Montavon, Samek and Müller, Methods for interpreting and understanding deep neural networks, Digital Signal Processing
/// 73, 2018, section 7.1.</remarks>
[<RequireQualifiedAccess>]
module Continuity =
    /// Every way to move by at most so many pixels: down and to the right.
    let moves (pixels: int) : struct (int * int)[] = [|
        for down in -pixels .. pixels do
            for right in -pixels .. pixels do
                if (down, right) <> (0, 0) then
                    struct (down, right)
    |]

    /// Images (n×c×h×w) moved down and to the right, their edges repeated.
    let moved (struct (down: int, right: int)) (x: Tensor) : Tensor =
        let along (dimension: int64) (by: int) (x: Tensor) =
            let length = x.shape[int dimension]
            let places = Number.Range(int64 -by, length, x.device)
            x.index_select (dimension, places.clamp (Number.Of 0L, Number.Of(length - 1L)))

        x |> along 2L down |> along 3L right

    // Whose derivative at 0 is 0.
    let private sums (maps: Tensor) = maps.``to``(torch.float64).flatten(1L).abs().sum 1L

    /// <summary>max ‖A(x') - A(x)‖₁ / ‖x' - x‖₂ of each instance (n, float64), x' the image moved by at most so many pixels; by pixel
    /// attribution where either map is. NaN where every x' is x.</summary>
    /// <param name="isScaled">Whether maps are shares of ‖A(x)‖₁ and changes shares of white, so that no unit matters; NaN then where
    /// A(x) is 0.</param>
    /// <param name="white">The number that stands for white.</param>
    /// <param name="pixels">How far the image moves at the most.</param>
    /// <param name="explain">How maps are made.</param>
    /// <param name="target">What is explained.</param>
    /// <param name="attributions">A(x).</param>
    /// <param name="batch">x.</param>
    let scores isScaled (white: float) (pixels: int) explain target attributions (batch: Batch) : Tensor =
        Tensor.requireDims "x" [ 4 ] batch.X

        Scope.runQuietly (fun () ->
            let moves = moves pixels

            attributions
            |> Nearby.each
                moves.Length
                (fun k -> moved moves[int k] batch.X)
                (Nearby.explaining explain target batch)
                (Nearby.slope sums isScaled white batch.X)
            |> Nearby.largest)
