namespace Attribution;

/// <summary>Win %: on which share of the instances each of several methods has the best score, of a metric such as
/// <see cref="AverageDrop"/>. Higher is better.</summary>
/// <remarks>Chattopadhay et al., Grad-CAM++, arXiv 1710.11063, with the average drop's scores.</remarks>
public static class WinRate
{
    /// <summary>The percentage of instances that each method wins; methods that share the best score share the instance, so
    /// the percentages sum to 100.</summary>
    /// <remarks>NaN never wins, nor does a map that is not sound, where the scores are <see cref="MapScores"/>. An instance of which no method has a number does not count; where none counts, the result
    /// is NaN.</remarks>
    /// <param name="scores">Each method's scores, one an instance.</param>
    /// <param name="better">Which of two scores is the better.</param>
    /// <exception cref="ArgumentException">The methods have scores of different numbers of instances.</exception>
    public static IReadOnlyList<double> Of(IReadOnlyList<IReadOnlyList<double>> scores, Better better = Better.Lower)
    {
        if (scores.Select(method => method.Count).Distinct().Count() > 1)
            throw new ArgumentException(
                $"Every method must have a score of the same instances, but there are {string.Join(", ", scores.Select(method => method.Count))} scores.",
                nameof(scores)
            );

        var sign = better == Better.Lower ? 1 : -1;
        return Core.WinRate.percent([
            .. scores
                .Select(method => method is MapScores found ? found.OfSound : method)
                .Select(method => method.Select(score => sign * score).ToArray()),
        ]);
    }
}
