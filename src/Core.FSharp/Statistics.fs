namespace Attribution.Core

open System

/// Statistics of plain numbers.
[<RequireQualifiedAccess>]
module Statistics =
    /// The rank of each value, from 1; equal values share the mean of their ranks.
    let private ranks (values: float[]) =
        let sorted = Array.indexed values |> Array.sortBy snd
        let ranks = Array.zeroCreate values.Length
        let mutable start = 0

        while start < sorted.Length do
            let mutable stop = start + 1

            while stop < sorted.Length && snd sorted[stop] = snd sorted[start] do
                stop <- stop + 1

            for i, _ in sorted[start .. stop - 1] do
                ranks[i] <- float (start + 1 + stop) / 2.

            start <- stop

        ranks

    /// <summary>Pearson's correlation of two equally long series; NaN where one of them is constant.</summary>
    let correlation (xs: float[]) (ys: float[]) : float =
        // The mean of equal values may differ from them by a rounding; that of their differences is 0.
        let centred (values: float[]) =
            let differences = values |> Array.map (fun v -> v - Array.head values)
            let mean = Array.average differences
            Array.map (fun v -> v - mean) differences

        let xs, ys = centred xs, centred ys

        let dot a b =
            Array.fold2 (fun sum x y -> sum + x * y) 0. a b

        dot xs ys / sqrt (dot xs xs * dot ys ys)

    /// <summary>Spearman's rank correlation: Pearson's correlation of the ranks, ties sharing their mean rank.</summary>
    /// <exception cref="T:System.ArgumentException">The series differ in length, or are empty.</exception>
    let rankCorrelation (xs: float[]) (ys: float[]) : float = correlation (ranks xs) (ranks ys)

    /// <summary>The percentile bootstrap's interval of a mean: the range in which the share `level` of the means of
    /// `resamples` samples, drawn with replacement, lies.</summary>
    /// <exception cref="T:System.ArgumentException">There are no values.</exception>
    let bootstrapInterval (random: Random) (resamples: int) (level: float) (values: float[]) : struct (float * float) =
        let mean _ =
            let mutable sum = 0.

            for _ in values do
                sum <- sum + values[random.Next values.Length]

            sum / float values.Length

        let means = Array.init resamples mean |> Array.sort

        let at share =
            means[int (Math.Round(share * float (resamples - 1)))]

        struct (at ((1. - level) / 2.), at ((1. + level) / 2.))
