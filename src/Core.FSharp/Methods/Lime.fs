namespace Attribution.Core

open System
open TorchSharp

/// <summary>LIME: the coefficients of a linear model of the target, fitted to images with parts hidden, those nearest to the image
/// weighing most.</summary>
/// <remarks>Ribeiro, Singh and Guestrin, arXiv 1602.04938. As the authors have it for images: each part is hidden with probability ½,
/// the whole image among the samples; the weight of a sample is exp(-D²/σ²), D the cosine distance to the whole, σ = ¼; and the
/// fit is by ridge regression of strength 1 with an intercept. The paper's K-lasso, which keeps few features, is left out: a
/// map shows all.</remarks>
[<RequireQualifiedAccess>]
module Lime =
    [<Literal>]
    let private Width = 0.25

    [<Literal>]
    let private Ridge = 1.

    /// What is asked about M features, by so many samples.
    let plan (samples: int) (seed: int64) (count: int) : CoalitionPlan =
        Scope.quietly (fun () ->
            let random = Random(int (seed % 2147483647L))
            let drawn = [| for _ in 2..samples -> Array.init count (fun _ -> random.NextDouble() < 0.5) |]
            let all = Array.append [| Coalitions.whole count |] drawn
            let z = Coalitions.numbers all
            let share = (z.sum (1L, true) / Number.Of(float count)).sqrt()
            let distance = Tensor.complement share / Number.Of Width
            let weight = (distance * distance).neg().exp()

            // Less the weighted means, which is what an intercept that is not penalised does.
            let mean = (weight / weight.sum ()).t()
            let centred = z - mean.matmul z
            let weighted = (centred * weight).t()
            let penalty = torch.eye (int64 count, dtype = torch.float64) * Number.Of Ridge
            let solved = torch.linalg.solve (Tensor.add (weighted.matmul centred) penalty, weighted)
            let ofMeans = solved.sum (1L, true)
            Coalitions.plan all (solved - ofMeans.matmul mean))

    /// <summary>Coefficients of features: n×h×w, or of the instances' shape where features tell channels apart.</summary>
    let attribute samples seed (features: Features) (baseline: Baseline) (target: Target) (batch: Batch) : Tensor =
        Coalitions.attribute (plan samples seed) features baseline target batch
