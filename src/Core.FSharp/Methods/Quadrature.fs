namespace Attribution.Core

open System

/// Rules that approximate an integral over [0, 1] by a weighted sum.
type Quadrature =
    /// Nodes i/N, i = 1…N, all of weight 1/N.
    | RightHand
    /// Nodes (i - ½)/N, all of weight 1/N.
    | Midpoint
    /// Nodes i/(N-1), i = 0…N-1; the ends weigh half.
    | Trapezoid
    /// Exact for polynomials of degree 2N-1.
    | GaussLegendre

[<RequireQualifiedAccess>]
module Quadrature =
    // Math.NET's nodes of most orders above 37 are right to 1e-11 alone, and these to rounding.
    // Newton's iteration on the Legendre polynomial P_n from Chebyshev's guess; P' from P_n and P_{n-1}.
    let private legendreRoot n i =
        let polynomial x =
            let step (previous, current) k =
                current, (float (2 * k - 1) * x * current - float (k - 1) * previous) / float k

            let before, last = Seq.fold step (1., x) (seq { 2..n })
            last, float n * (x * last - before) / (x * x - 1.)

        let improve x =
            let p, slope = polynomial x
            x - p / slope

        let guess = cos (Math.PI * (float i + 0.75) / (float n + 0.5))
        let root = Seq.fold (fun x _ -> improve x) guess (seq { 1..8 })
        root, snd (polynomial root)

    /// <summary>The (node, weight) pairs of a rule with n nodes on [0, 1]; the weights sum to 1.</summary>
    /// <exception cref="T:System.ArgumentException">n is less than 1, or less than 2 for the trapezoid.</exception>
    let nodes (rule: Quadrature) (n: int) : (float * float)[] =
        let least = if rule = Trapezoid then 2 else 1

        if n < least then
            invalidArg "steps" $"The {rule} rule takes at least {least} steps, but {n} were asked for."

        let even offset = Array.init n (fun i -> (float i + offset) / float n, 1. / float n)

        match rule with
        | RightHand -> even 1.
        | Midpoint -> even 0.5
        | Trapezoid ->
            let last = float (n - 1)
            Array.init n (fun i -> float i / last, (if i = 0 || i = n - 1 then 0.5 else 1.) / last)
        | GaussLegendre when n = 1 -> [| 0.5, 1. |]
        | GaussLegendre ->
            Array.init n (fun i ->
                let root, slope = legendreRoot n (n - 1 - i)
                (1. + root) / 2., 1. / ((1. - root * root) * slope * slope))
