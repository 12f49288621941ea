namespace Attribution.Core

open System
open TorchSharp

/// What there is in a map to read: whether its pixels can be put in an order, and some of them speak for what is explained.
[<RequireQualifiedAccess>]
type MapState =
    /// Some pixels are positive, and not all are the same.
    | Sound
    /// Zero everywhere: a unit held at 0, say.
    | Empty
    /// No pixel is positive.
    | NothingPositive
    /// Every pixel is the same number, but for rounding.
    | Constant
    /// It holds a NaN or an infinity.
    | NotFinite

/// Which maps can be compared. A map that is not sound keeps its scores by their definitions, and takes part in no comparison:
/// by most of them an empty map, or one that keeps every pixel, is the best there is.
[<RequireQualifiedAccess>]
module MapState =
    // Of the largest magnitude: what float32 leaves of equal numbers once they were added up.
    [<Literal>]
    let private Rounding = 1e-6

    /// What a map is whose pixels lie between these two.
    let private ofRange (least: float) (most: float) =
        if not (Double.IsFinite least && Double.IsFinite most) then MapState.NotFinite
        elif least = 0. && most = 0. then MapState.Empty
        elif most - least <= Rounding * max (abs least) (abs most) then MapState.Constant
        elif most <= 0. then MapState.NothingPositive
        else MapState.Sound

    /// <summary>What each map is, by its pixel attribution: n×c×h×w or n×h×w → n.</summary>
    let ofMaps (attributions: Tensor) : MapState[] =
        Tensor.requireDims "attributions" [ 3; 4 ] attributions

        // A NaN is the least and the most of what holds it.
        let range (batch: Batch) =
            let pixels = (Tensor.pixels batch.X).flatten(1L).``to`` torch.float64
            torch.stack ([| pixels.amin [| 1L |]; pixels.amax [| 1L |] |], 1L)

        use ranges = Scope.quietly (fun () -> Instances.ofTensor attributions |> Instances.map 64 range)

        Tensor.toArray<float> ranges
        |> Array.chunkBySize 2
        |> Array.map (fun range -> ofRange range[0] range[1])
