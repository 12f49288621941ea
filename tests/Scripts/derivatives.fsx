// Differentiates an explanation and a metric in F# Interactive, after ./attribution has built the assemblies:
//     dotnet fsi tests/Scripts/derivatives.fsx
#I "../../src/Runner/bin/Release/net10.0"
#r "TorchSharp.dll"
#r "Attribution.Core.dll"

open Attribution.Core
open TorchSharp

Runtime.start ()
let generator = new torch.Generator(1UL)

let draw (shape: int64 list) = torch.randn (Array.ofList shape, torch.float64, generator = generator)

// A network is a function of its weights; it takes images of 1×6×6, and has two classes.
let network (weights: Tensor) =
    Network.ofFunctions [
        "hidden", fun x -> (x.flatten 1L).matmul(weights.reshape (36L, 4L)).tanh()
        "logits", fun h -> h.reshape(-1L, 2L, 2L).sum 2L
    ]

let target weights = Target.ofQuantity (Quantity.predicted) (network weights)

let weights, image = 0.3 * draw [ 144L ], draw [ 1L; 1L; 6L; 6L ]

/// Complexity: the entropy of a map.
let entropy (map: Tensor) = (Complexity.scores map).sum()

/// Of the saliency map of an image, on a network of weights.
let entropyOf weights image = entropy (Saliency.attribute true (target weights) (Batch.ofTensor image))

let map = Saliency.attribute true (target weights) (Batch.ofTensor image)
printfn $"The map's entropy is %.4f{(entropy map).item<float>()}; ln 36, the most there is, is %.4f{log 36.}."

// The metric's gradient in the map, in the image through the map, and in the weights.
let inMap = Diff.grad entropy map
let inImage = Diff.grad (entropyOf weights) image
let inWeights = Diff.grad (fun w -> entropyOf w image) weights

for name, gradient: Tensor in [ "the map", inMap; "the image", inImage; "the weights", inWeights ] do
    printfn $"Its gradient in {name} has the norm %.4f{gradient.norm().item<float>()}."

// By central differences:
let gap = (inWeights - Diff.numgrad 1e-5 (fun w -> entropyOf w image) weights).abs().max().item<float>()

printfn $"Central differences differ from the last by %.0e{gap} at most."

// Second order: how fast that gradient turns when the image moves.
let turn = Diff.hessianv (entropyOf weights) image (draw [ 1L; 1L; 6L; 6L ])
printfn $"A Hessian-vector product has the norm %.4f{turn.norm().item<float>()}."

// Deletion decides by an order: softly, it has a derivative in the map too.
let deletion relaxation map =
    Metrics.all
    |> List.find (fun metric -> metric.Name = "deletion")
    |> fun metric ->
        metric.Scores
            { MetricSettings.standard with Relaxation = relaxation; PixelsPerStep = Some 3 }
            (target weights)
            map
            (Batch.ofTensor image)
    |> _.sum()

for relaxation in [ Relaxation.Exact; Relaxation.Soft 0.1 ] do
    printfn
        $"{relaxation}: its gradient in the map has the norm %.6f{(Diff.grad (deletion relaxation) map).norm().item<float>()}."
