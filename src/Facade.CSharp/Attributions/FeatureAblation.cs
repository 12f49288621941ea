namespace Attribution;

/// <summary>Feature ablation: a feature's attribution is what the quantity loses, q(f(x)) - q(f(x without its group)), when
/// the features of its group take the baseline's values.</summary>
public sealed class FeatureAblation : MapMethod
{
    /// <summary>Feature ablation for a quantity of interest: the features of a group have the same attribution.</summary>
    /// <param name="model">The classifier.</param>
    /// <param name="quantity">What is explained; null: the score of the class predicted for each instance.</param>
    /// <param name="groups">The group that each feature belongs to, by any whole numbers: of an instance's shape, or 1×h×w for
    /// images whose channels are hidden together; it stays the caller's and is copied. null: each feature is a group, which for
    /// an image takes c·h·w passes.</param>
    /// <param name="baseline">What hidden features become; null: <see cref="Baseline.Black"/>.</param>
    /// <exception cref="ArgumentException">groups holds no whole numbers; or, when maps are asked for, is of another shape.
    /// </exception>
    public FeatureAblation(Model model, Quantity? quantity = null, Tensor? groups = null, Baseline? baseline = null)
        : this(model, quantity, groups is null ? null : Numbered(groups), baseline) { }

    private FeatureAblation(Model model, Quantity? quantity, (Tensor Places, long Count)? groups, Baseline? baseline)
        : base(
            model,
            quantity,
            Pass.Forward,
            x => (groups?.Count ?? Core.FeatureAblation.count(x.Core)) + 1,
            x =>
            {
                var hidden = Baseline.For(baseline, x);
                return (target, batch) => Core.FeatureAblation.attribute(groups?.Places, hidden, target, batch);
            }
        ) { }

    private static (Tensor Places, long Count) Numbered(Tensor groups)
    {
        if (groups.numel() == 0 || groups.is_floating_point() || groups.is_complex())
            throw new ArgumentException($"Groups are whole numbers, but these are {groups.dtype}.", nameof(groups));
        using var scope = NewDisposeScope();
        var (numbers, places, _) = groups.cpu().to(int64).unique(return_inverse: true);
        return (places!.DetachFromDisposeScope(), numbers.numel());
    }
}
