namespace Attribution.Core

open TorchSharp

/// <summary>The local Lipschitz estimate: how steeply the map changes with the image near it. Lower is better.</summary>
/// <remarks>Alvarez-Melis and Jaakkola, arXiv 1806.08049.</remarks>
[<RequireQualifiedAccess>]
module LocalLipschitz =
    /// <summary>maxₖ ‖A(x + εₖ) - A(x)‖ / ‖εₖ‖ of each instance (n, float64); by pixel attribution where either map is.</summary>
    /// <param name="isScaled">Whether maps are shares of ‖A(x)‖ and changes shares of white, so that no unit matters; NaN then where
    /// A(x) is 0.</param>
    /// <param name="white">The number that stands for white.</param>
    /// <param name="radius">The largest change of a number, as a share of white.</param>
    /// <param name="samples">How many changes are drawn.</param>
    /// <param name="seed">Decides on them.</param>
    /// <param name="explain">How maps are made.</param>
    /// <param name="target">What is explained.</param>
    /// <param name="attributions">A(x).</param>
    /// <param name="batch">x.</param>
    let scores
        isScaled
        (white: float)
        (radius: float)
        samples
        seed
        explain
        target
        attributions
        (batch: Batch)
        : Tensor =
        Scope.runQuietly (fun () ->
            let near draw = Nearby.noisy (radius * white) seed draw batch

            attributions
            |> Nearby.each
                samples
                near
                (Nearby.explaining explain target batch)
                (Nearby.slope Nearby.norms isScaled white batch.X)
            |> Nearby.largest)
