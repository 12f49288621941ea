namespace Attribution.Core

open TorchSharp

/// <summary>Feature ablation: what the target loses when a feature is replaced by the baseline's.</summary>
/// <remarks>With patches as features, the occlusion of Zeiler and Fergus, arXiv 1311.2901.</remarks>
[<RequireQualifiedAccess>]
module FeatureAblation =
    /// t(x) - t(x with the numbers of mask k replaced by the baseline's), for each instance and k < its count (n×K, float64).
    /// `masks i k` gives those of some instances and steps (m×…, booleans).
    let internal losses
        (counts: int64[])
        (masks: Tensor -> Tensor -> Tensor)
        (baseline: Baseline)
        (target: Target)
        batch
        =
        let start = baseline.Of batch

        let points i k = torch.where (masks i k, Sweep.pick i start, Sweep.pick i batch.X)

        let own, without = Sweep.scores counts points target batch
        own.unsqueeze 1L - without

    /// <summary>Each number's is t(x) - t(x without its feature), the baseline's in its place: n×h×w, or of the instances' shape where
    /// features tell channels apart.</summary>
    let attribute (features: Features) (baseline: Baseline) (target: Target) (batch: Batch) : Tensor =
        Scope.runQuietly (fun () ->
            let labels = features.Of batch
            let counts = Features.sizes labels
            let masks i k = Sweep.pick i labels |> fun some -> some.eq (Tensor.likeInstances some k)
            losses counts masks baseline target batch |> Features.spread labels batch.X)
