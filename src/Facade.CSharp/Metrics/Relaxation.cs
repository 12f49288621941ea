namespace Attribution;

/// <summary>How what a metric decides by a threshold, an order or a rank is computed.</summary>
/// <remarks>τ is a share of a map's largest magnitude, so that no score depends on a map's scale; where scores are compared,
/// as in average increase and in effective complexity by loss, a share of these.</remarks>
public sealed record Relaxation
{
    private Relaxation(Core.Relaxation core) => Core = core;

    internal Core.Relaxation Core { get; }

    /// <summary>As it is defined; its derivative in what decides is 0 almost everywhere.</summary>
    public static Relaxation Exact { get; } = new(Attribution.Core.Relaxation.Exact);

    /// <summary>By σ(·/τ) in place of each threshold: the nearer τ is to 0, the nearer to the definition.</summary>
    /// <exception cref="ArgumentOutOfRangeException">τ is not positive, or not finite.</exception>
    public static Relaxation Soft(double tau) => new(Attribution.Core.Relaxation.NewSoft(Positive(tau)));

    /// <summary>The value as it is defined, and the derivative of the soft one.</summary>
    /// <exception cref="ArgumentOutOfRangeException">τ is not positive, or not finite.</exception>
    public static Relaxation StraightThrough(double tau) =>
        new(Attribution.Core.Relaxation.NewStraightThrough(Positive(tau)));

    internal static Core.Relaxation InCore(Relaxation? relaxation) => (relaxation ?? Exact).Core;

    private static double Positive(double tau) =>
        double.IsFinite(tau) && tau > 0
            ? tau
            : throw new ArgumentOutOfRangeException(nameof(tau), tau, "τ is a positive number.");
}
