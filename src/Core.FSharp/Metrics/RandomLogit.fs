namespace Attribution.Core

open TorchSharp

/// <summary>The random logit test: how alike a map is to that of another class. Lower means that the map tells
/// classes apart.</summary>
/// <remarks>Sixt, Granz and Landgraf, When explanations lie, arXiv 1912.09818, with Spearman's rank correlation for their
/// structural similarity.</remarks>
[<RequireQualifiedAccess>]
module RandomLogit =
    /// <summary>Another of the `count` classes for each of some instances, each as likely as the next: by the instances'
    /// classes and numbers.</summary>
    let others (seed: int64) (count: int) (numbers: int64[]) (classes: int64[]) : int64[] =
        use _ = torch.NewDisposeScope()
        let rows = Number.Range(0L, numbers.LongLength, torch.CPU)

        let draws =
            Noise.uniform seed 0L {
                Rows = rows
                Ids = numbers
                X = torch.zeros (numbers.LongLength, 1L, torch.float64)
            }

        Array.map2
            (fun c u -> (c + 1L + int64 (u * float (count - 1))) % int64 count)
            classes
            (Tensor.toArray<float> draws)

    /// <summary>Spearman's rank correlation, pixel by pixel, of each instance's attributions for its own class and for the
    /// other (n).</summary>
    let scores relaxation (attributions: Tensor) (ofOthers: Tensor) : Tensor =
        Ranking.correlations relaxation id attributions ofOthers
