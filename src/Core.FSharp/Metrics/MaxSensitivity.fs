namespace Attribution.Core

open TorchSharp

/// <summary>Max-sensitivity: how far a small change of the image moves the map. Lower is better.</summary>
/// <remarks>Yeh et al., arXiv 1901.09392, relative to the map's norm.</remarks>
[<RequireQualifiedAccess>]
module MaxSensitivity =
    /// Uniform noise in [-radius, radius] on every number of the instances.
    let perturbed (radius: float) seed draw (instances: Instances) : Instances = {
        instances with
            Read =
                fun start length ->
                    Scope.run (fun () ->
                        let batch = Instances.read instances start length
                        let noise = Noise.uniform seed draw batch * Number.Of 2. |> Tensor.shift -1.
                        Tensor.add batch.X (noise * Number.Of radius))
    }

    // Whose derivative at 0 is 0.
    let private norms (maps: Tensor) = maps.``to``(torch.float64).flatten(1L).norm 1

    /// <summary>maxₖ ‖A(x + εₖ) - A(x)‖ / ‖A(x)‖ of each instance (n), over samples of ‖εₖ‖_∞ ≤ radius; by pixel attribution where
    /// either map is. NaN where A(x) is 0.</summary>
    let scores
        (explain: Instances -> Tensor)
        radius
        samples
        seed
        (attributions: Tensor)
        (instances: Instances)
        : Tensor =
        let move draw =
            Scope.run (fun () ->
                let found = explain (perturbed radius seed draw instances)

                let isAlike = found.ndim = attributions.ndim
                let read = if isAlike then id else Tensor.pixels
                Tensor.requireShape "The attribution of the perturbed instances" (read attributions).shape (read found)
                let before = read attributions
                let size = norms before
                Tensor.ratio (Tensor.isPositive size) (norms (read found - before)) size)

        Scope.run (fun () -> Seq.init samples (int64 >> move) |> Seq.reduce (fun largest next -> largest.maximum next))
