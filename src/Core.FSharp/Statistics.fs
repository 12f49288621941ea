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

    /// The range in which the share `level` of numbers lies.
    let private between level (found: float[]) =
        Array.sortInPlace found
        let at share = found[int (Math.Round(share * float (found.Length - 1)))]
        struct (at ((1. - level) / 2.), at ((1. + level) / 2.))

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

        between level (Array.init resamples once)

    // Above this, the normal distribution's error is less than that of two thousand resamples.
    [<Literal>]
    let private Many = 1000

    /// <summary>The same of the mean; of more than a thousand values by the normal distribution, to which the resamples' mean
    /// tends.</summary>
    /// <exception cref="T:System.ArgumentException">There are no values.</exception>
    let bootstrapInterval random resamples level (values: float[]) =
        if values.Length <= Many then
            bootstrapIntervalOf Array.average random resamples level values
        else
            let half =
                Normal.InvCDF(0., 1., (1. + level) / 2.) * Statistics.PopulationStandardDeviation values
                / sqrt (float values.Length)

            let mean = Array.average values
            struct (mean - half, mean + half)

    /// <summary>The same of the median, of any number of values: of n draws the k-th smallest is distributed as the k-th
    /// smallest of n numbers between 0 and 1, Beta(k, n + 1 - k), so that a resample's middle is drawn by itself.</summary>
    /// <remarks>David and Nagaraja, Order Statistics, 2003.</remarks>
    /// <exception cref="T:System.ArgumentException">There are no values.</exception>
    let bootstrapMedian (random: Random) (resamples: int) (level: float) (values: float[]) : struct (float * float) =
        if values.Length = 0 then
            invalidArg "values" "There are no values."

        let sorted, n = Array.sort values, values.Length
        let at share = sorted[min (n - 1) (int (share * float n))]
        let k = (n + 1) / 2

        let once _ =
            let share = Beta.Sample(random, float k, float (n + 1 - k))

            if n % 2 = 1 then
                at share
            else
                // The next one is the least of those that are left.
                let next = 1. - (1. - share) * random.NextDouble() ** (1. / float (n - k))
                (at share + at next) / 2.

        between level (Array.init resamples once)

    /// <summary>The interval in which the mean of a normal distribution lies with the confidence `level`, by Student's t of a few
    /// values; a single value's is unbounded.</summary>
    /// <exception cref="T:System.ArgumentException">There are no values.</exception>
    let meanInterval (level: float) (values: float[]) : struct (float * float) =
        if values.Length = 0 then
            invalidArg "values" "There are no values."

        let mean = Array.average values

        if values.Length = 1 then
            struct (-infinity, infinity)
        else
            let degrees = float (values.Length - 1)

            let half =
                StudentT.InvCDF(0., 1., degrees, (1. + level) / 2.) * Statistics.StandardDeviation values
                / sqrt (degrees + 1.)

            struct (mean - half, mean + half)

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

    /// Twice the share of Student's t beyond t on one side; of a spread of 0, whether there is a difference at all.
    let private twoSided (difference: float) (error: float) (degrees: float) =
        if error > 0. then 2. * StudentT.CDF(0., 1., degrees, -abs difference / error)
        elif difference = 0. then 1.
        else 0.

    /// <summary>The two-sided probability of means as different as those of two series, of normal distributions with one mean, by
    /// Welch's t test.</summary>
    /// <remarks>Welch, Biometrika 34, 1947.</remarks>
    /// <exception cref="T:System.ArgumentException">A series has fewer than two values.</exception>
    let welch (xs: float[]) (ys: float[]) : float =
        if xs.Length < 2 || ys.Length < 2 then
            invalidArg "values" "A t test compares two series of at least two values."

        let part (values: float[]) = Statistics.Variance values / float values.Length
        let x, y = part xs, part ys
        let degrees = (x + y) ** 2. / (x ** 2. / float (xs.Length - 1) + y ** 2. / float (ys.Length - 1))
        twoSided (Array.average xs - Array.average ys) (sqrt (x + y)) degrees

    /// <summary>The two-sided probability of a value as far from the mean of some others, where all are of one normal distribution:
    /// t = (v - m) / (s √(1 + 1/n)) with n - 1 degrees of freedom.</summary>
    /// <remarks>Crawford and Howell, The Clinical Neuropsychologist 12(4), 1998.</remarks>
    /// <exception cref="T:System.ArgumentException">There are fewer than two others.</exception>
    let oneAgainst (others: float[]) (value: float) : float =
        if others.Length < 2 then
            invalidArg "others" "One value is compared with at least two."

        let n = float others.Length
        twoSided (value - Array.average others) (Statistics.StandardDeviation others * sqrt (1. + 1. / n)) (n - 1.)

    /// <summary>Where a further value lies with the probability `level`, of the normal distribution of some: beyond it `oneAgainst` is
    /// less than 1 - level.</summary>
    /// <exception cref="T:System.ArgumentException">There are fewer than two.</exception>
    let predictionInterval (level: float) (values: float[]) : struct (float * float) =
        if values.Length < 2 then
            invalidArg "values" "A spread takes at least two values."

        let n, mean = float values.Length, Array.average values

        let half =
            StudentT.InvCDF(0., 1., n - 1., (1. + level) / 2.)
            * Statistics.StandardDeviation values
            * sqrt (1. + 1. / n)

        struct (mean - half, mean + half)

    /// <summary>The probability of at least as many heads as `hits` in `throws` of a fair coin.</summary>
    let chance (throws: int) (hits: int) : float =
        if hits <= 0 then 1. else 1. - Binomial.CDF(0.5, throws, float (hits - 1))
