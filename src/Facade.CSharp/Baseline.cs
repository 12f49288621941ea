namespace Attribution;

/// <summary>Where the path of <see cref="IntegratedGrad"/> begins.</summary>
public sealed class Baseline
{
    private readonly Func<double, Core.Baseline> ofPeak;

    private Baseline(Func<double, Core.Baseline> ofPeak) => this.ofPeak = ofPeak;

    /// <summary>Black: 0.</summary>
    public static Baseline Black { get; } = new(_ => BaselineModule.black);

    /// <summary>White: 255, or 1 for an <see cref="ImageSet"/> stored in 0-1.</summary>
    public static Baseline White { get; } = new(BaselineModule.white);

    /// <summary>Gaussian noise of mean 0, one draw an image; it depends on the seed and the image's position alone.</summary>
    /// <param name="seed">The seed.</param>
    /// <param name="standardDeviation">Its standard deviation.</param>
    public static Baseline Random(long seed = 1111, double standardDeviation = 0.1) =>
        new(_ => BaselineModule.random(standardDeviation, seed));

    /// <summary>The instances themselves, blurred.</summary>
    /// <param name="sigma">The Gaussian's standard deviation in pixels.</param>
    /// <exception cref="ArgumentOutOfRangeException">It is not positive, or more than 1000.</exception>
    public static Baseline Blurred(double sigma) =>
        sigma is > 0 and <= Blur.Most
            ? new(_ => BaselineModule.blurred(sigma))
            : throw new ArgumentOutOfRangeException(
                nameof(sigma),
                sigma,
                $"A blur's standard deviation is a number of pixels from 0 to {Blur.Most}."
            );

    /// <summary>Any function of the instances (n×…) that keeps their shape.</summary>
    public static Baseline Of(Func<Tensor, Tensor> function, string name = "function") =>
        new(_ => Interop.Baseline(name, function));

    internal Core.Baseline For(Instances x) => ofPeak(x.Peak);

    /// <summary>A baseline for instances, which is black where none was asked for.</summary>
    internal static Core.Baseline For(Baseline? asked, Instances x) => (asked ?? Black).For(x);

    internal string Name => ofPeak(1).Name;

    /// <summary>The same under another name.</summary>
    internal Baseline Named(string name) => new(peak => new(name, ofPeak(peak).Of));
}
