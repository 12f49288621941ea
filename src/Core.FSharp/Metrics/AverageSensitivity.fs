namespace Attribution.Core

open TorchSharp

/// <summary>Average sensitivity: how far a small change of the image moves the map, on average. Lower is better.</summary>
/// <remarks>Bhatt, Weller and Moura, arXiv 2005.00631, with the changes and the distance of Yeh et al., arXiv 1901.09392, whose
/// max-sensitivity takes the largest.</remarks>
[<RequireQualifiedAccess>]
module AverageSensitivity =
    /// <summary>meanₖ ‖A(x + εₖ) - A(x)‖ / ‖A(x)‖ of each instance (n), over samples of ‖εₖ‖_∞ ≤ radius; by pixel attribution where
    /// either map is. NaN where A(x) is 0.</summary>
    let scores explain radius samples seed attributions instances : Tensor =
        Scope.run (fun () -> (MaxSensitivity.moves explain radius samples seed attributions instances).mean [| 0L |])
