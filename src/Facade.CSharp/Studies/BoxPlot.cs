using System.Collections.Generic;
using System.Linq;

namespace Attribution;

/// <summary>What a box plot shows of some numbers: after Tukey, "Exploratory Data Analysis", 1977.</summary>
/// <param name="Least">The least number that is not below the lower quartile by more than one and a half times the distance of
/// the quartiles: where a whisker ends.</param>
/// <param name="Lower">The lower quartile, interpolated between the numbers on both sides of it.</param>
/// <param name="Median">The median.</param>
/// <param name="Upper">The upper quartile.</param>
/// <param name="Most">The largest number that is not above the upper quartile by more than that: where a whisker ends.</param>
/// <param name="Beyond">The numbers beyond the whiskers, each once, in order.</param>
public sealed record BoxPlot(
    double Least,
    double Lower,
    double Median,
    double Upper,
    double Most,
    IReadOnlyList<double> Beyond
)
{
    private const double Reach = 1.5;

    /// <summary>The box plot of one number or more, in any order.</summary>
    /// <exception cref="System.ArgumentException">There is no number.</exception>
    public static BoxPlot Of(IEnumerable<double> numbers)
    {
        double[] sorted = [.. numbers.Order()];
        if (sorted.Length == 0)
            throw new System.ArgumentException("A box plot is of one number or more.", nameof(numbers));
        var (lower, upper) = (Quantile(0.25), Quantile(0.75));
        var reach = Reach * (upper - lower);
        double[] near = [.. sorted.Where(n => n >= lower - reach && n <= upper + reach)];
        return new(near[0], lower, Quantile(0.5), upper, near[^1], [.. sorted.Except(near)]);

        double Quantile(double share)
        {
            var place = share * (sorted.Length - 1);
            var below = (int)place;
            var above = System.Math.Min(below + 1, sorted.Length - 1);
            return sorted[below] + (place - below) * (sorted[above] - sorted[below]);
        }
    }
}
