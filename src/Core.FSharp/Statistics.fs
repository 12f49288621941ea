namespace Attribution.Core

open System
open MathNet.Numerics.Distributions
open MathNet.Numerics.Statistics

/// <summary>Statistics of plain numbers.</summary>
/// <remarks>By Math.NET, but for what it has not: Wilcoxon's exact distribution, Holm's correction, and bootstrap intervals by
/// order statistics.</remarks>
[<RequireQualifiedAccess>]
module Statistics =
    /// The rank of each value, from 1; equal values share the mean of their ranks.
    let ranks (values: float[]) : float[] = Statistics.Ranks(values, RankDefinition.Average)

    /// <summary>Pearson's correlation of two equally long series; NaN where one of them is constant.</summary>
    let correlation (xs: float[]) (ys: float[]) : float = Correlation.Pearson(xs, ys)

    /// <summary>Spearman's rank correlation: Pearson's correlation of the ranks, ties sharing their mean rank.</summary>
    /// <exception cref="T:System.ArgumentException">The series differ in length.</exception>
    let rankCorrelation (xs: float[]) (ys: float[]) : float = Correlation.Spearman(xs, ys)

    /// The middle value, or the mean of the two in the middle; NaN of none.
    let median (values: float[]) : float = Statistics.Median values

    /// <summary>The percentile bootstrap's interval of a statistic: the range in which the share `level` of its values for
    /// `resamples` samples, drawn with replacement, lies.</summary>
    /// <exception cref="T:System.ArgumentException">There are no values.</exception>
    let bootstrapIntervalOf
        (statistic: float[] -> float)
        (random: Random)
        (resamples: int)
        (level: float)
        (values: float[])
        : struct (float * float) =
        if values.Length = 0 then
            invalidArg "values" "There are no values."

        let sample = Array.zeroCreate values.Length

        let once _ =
            for i in 0 .. sample.Length - 1 do
                sample[i] <- values[random.Next values.Length]

            statistic sample

        let found = Array.init resamples once |> Array.sort

        let at share = found[int (Math.Round(share * float (resamples - 1)))]

        struct (at ((1. - level) / 2.), at ((1. + level) / 2.))

    /// The same of the mean.
    let bootstrapInterval random resamples level values =
        bootstrapIntervalOf Array.average random resamples level values

    // Above this many pairs the normal distribution is as good.
    [<Literal>]
    let private ExactPairs = 50

    /// The share of all ways to give the ranks signs in which the sum of the positive ones is at least `sum`.
    let private exactTail (ranks: float[]) (sum: float) =
        // Ranks may be halves, and twice a rank is a whole number.
        let doubled = ranks |> Array.map (fun r -> int (Math.Round(2. * r)))
        let ways = Array.zeroCreate<float>(Array.sum doubled + 1)
        ways[0] <- 1.

        for rank in doubled do
            for total in ways.Length - 1 .. -1 .. rank do
                ways[total] <- ways[total] + ways[total - rank]

        let least = int (Math.Round(2. * sum))
        Array.sum ways[least..] / 2. ** float ranks.Length

    /// <summary>Wilcoxon's signed-rank test of paired differences: the two-sided probability of ranks as uneven as these where
    /// the differences are symmetric about 0. Zeros are left out; exact up to 50 pairs, by the normal distribution with the
    /// correction for ties above; 1 where every difference is 0.</summary>
    /// <remarks>Wilcoxon, Biometrics Bulletin 1(6), 1945.</remarks>
    let signedRank (differences: float[]) : float =
        let differences = differences |> Array.filter ((<>) 0.)
        let n = float differences.Length

        if n = 0. then
            1.
        else
            let ranks = ranks (Array.map abs differences)

            let positive = Array.fold2 (fun sum d r -> if d > 0. then sum + r else sum) 0. differences ranks

            let total = n * (n + 1.) / 2.
            let larger = max positive (total - positive)

            if differences.Length <= ExactPairs then
                min 1. (2. * exactTail ranks larger)
            else
                let variance = Array.sumBy (fun r -> r * r) ranks / 4.
                min 1. (2. * Normal.CDF(0., 1., (total / 2. + 0.5 - larger) / sqrt variance))

    /// <summary>Holm's correction of the probabilities of several tests: those of one family, so that the chance of any wrong
    /// rejection stays what it is for one.</summary>
    /// <remarks>Holm, Scandinavian Journal of Statistics 6(2), 1979.</remarks>
    let holm (probabilities: float[]) : float[] =
        let order = Array.indexed probabilities |> Array.sortBy snd
        let corrected = Array.zeroCreate probabilities.Length
        let mutable least = 0.

        order
        |> Array.iteri (fun rank (i, p) ->
            least <- max least (min 1. (p * float (probabilities.Length - rank)))
            corrected[i] <- least)

        corrected
