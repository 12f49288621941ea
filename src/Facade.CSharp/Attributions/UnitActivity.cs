namespace Attribution;

/// <summary>The values of a unit over instances.</summary>
public sealed class UnitActivity
{
    internal UnitActivity(float[] values) => Values = values;

    /// <summary>The unit's value for each instance.</summary>
    public IReadOnlyList<float> Values { get; }

    /// <summary>The share of the instances on which the unit is active, that is, above 0; NaN of none.</summary>
    /// <param name="instances">Positions; null: all.</param>
    public double ActiveShare(IEnumerable<int>? instances = null) =>
        (instances ?? Enumerable.Range(0, Values.Count))
            .Select(i => Values[i] > 0 ? 1.0 : 0.0)
            .DefaultIfEmpty(double.NaN)
            .Average();

    /// <summary>Selectivity: the area under the ROC curve of the value as a detector of some instances against others. 1
    /// where each of them exceeds every other, 0.5 where the value tells nothing, ties counting half.</summary>
    /// <exception cref="AttributionException">One of the two has no instances.</exception>
    public double Selectivity(IEnumerable<int> instances, IEnumerable<int> others) =>
        Attribution.Core.Influence.selectivity(ValuesOf(instances), ValuesOf(others));

    private double[] ValuesOf(IEnumerable<int> instances) => [.. instances.Select(i => (double)Values[i])];
}
