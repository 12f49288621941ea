namespace Attribution.Core

open TorchSharp

/// <summary>Max-sensitivity: how far a small change of the image moves the map. Lower is better.</summary>
/// <remarks>Yeh et al., arXiv 1901.09392, relative to the map's norm.</remarks>
[<RequireQualifiedAccess>]
module MaxSensitivity =
    /// <summary>‖A(x + εₖ) - A(x)‖ / ‖A(x)‖ of each sample and instance (samples×n), ‖εₖ‖_∞ ≤ radius; by pixel attribution where
    /// either map is. NaN where A(x) is 0.</summary>
    let moves
        (explain: Instances -> Tensor)
        radius
        samples
        seed
        (attributions: Tensor)
        (instances: Instances)
        : Tensor =
        let move _ (before: Tensor) (after: Tensor) =
            let size = Nearby.norms before
            Tensor.ratio (Tensor.isPositive size) (Nearby.norms (after - before)) size

        Nearby.each samples (fun draw -> Nearby.perturbed radius seed draw instances) explain move attributions

    /// <summary>maxₖ ‖A(x + εₖ) - A(x)‖ / ‖A(x)‖ of each instance (n), over samples of ‖εₖ‖_∞ ≤ radius; by pixel attribution where
    /// either map is. NaN where A(x) is 0.</summary>
    let scores explain radius samples seed attributions instances : Tensor =
        Scope.run (fun () -> Nearby.largest (moves explain radius samples seed attributions instances))
