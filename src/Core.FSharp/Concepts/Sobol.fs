namespace Attribution.Core

open TorchSharp

/// <summary>Sobol's total indices: the share of a function's variance, over independent numbers from 0 to 1, in which a number has a
/// part, by itself or together with others.</summary>
/// <remarks>Sobol, 1993; the estimator of Jansen, Computer Physics Communications 117, 1999:
/// T_i = E (f(a) - f(a with bᵢ in place of aᵢ))² / 2 Var f.</remarks>
[<RequireQualifiedAccess>]
module Sobol =
    /// <summary>The points of Jansen's estimator: N points a, then N points b, then for each number i the points a with bᵢ in place of
    /// aᵢ: N(d + 2)×d.</summary>
    /// <param name="seed">Decides on a and b.</param>
    /// <param name="count">N.</param>
    /// <param name="numbers">d.</param>
    let points (seed: int64) (count: int) (numbers: int) : Tensor =
        Scope.run (fun () ->
            let drawn draw = Noise.uniformOf (seed * 2L + draw) [| int64 numbers |] [| 0L .. int64 count - 1L |]
            let a, b = drawn 0L, drawn 1L
            let isOf (i: int64) = (Number.Range(0L, int64 numbers, torch.CPU)).eq(Number.Of i)
            torch.cat [| yield! [ a; b ]; yield! [ for i in 0L .. int64 numbers - 1L -> torch.where (isOf i, b, a) ] |])

    /// <summary>The total index of each number, of functions whose values at these points are given: n×N(d + 2) → n×d; 0 where a function is
    /// constant.</summary>
    /// <param name="numbers">d.</param>
    /// <param name="values">The values, in the order of the points.</param>
    let totals (numbers: int) (values: Tensor) : Tensor =
        Scope.run (fun () ->
            let values = (values.``to`` torch.float64).reshape(values.shape[0], int64 numbers + 2L, -1L)
            let own = values.narrow (1L, 0L, 1L)
            let change = values.narrow (1L, 2L, int64 numbers) - own
            // Of a and b, which are independent.
            let variance = (values.narrow (1L, 0L, 2L)).flatten(1L).var(1L, false).unsqueeze 1L
            let half = (change * change).mean [| 2L |] / Number.Of 2.
            let isDefined = (Tensor.isPositive variance).expand_as half
            (Tensor.ratio isDefined half (variance.expand_as half)).nan_to_num 0.)
