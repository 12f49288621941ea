namespace Attribution;

/// <summary>What <see cref="Infidelity"/> takes off an image: I, of its shape. It depends on the seed, the image's number and the
/// sample alone.</summary>
public sealed class Perturbation
{
    private readonly Func<Instances, Core.Perturbation> of;

    private Perturbation(Func<Instances, Core.Perturbation> of) => this.of = of;

    /// <summary>Gaussian noise of mean 0.</summary>
    /// <param name="standardDeviation">Its standard deviation, as a share of white: of 255, or 1 for images in 0-1.</param>
    /// <exception cref="ArgumentOutOfRangeException">standardDeviation is not positive.</exception>
    public static Perturbation Noise(double standardDeviation = 0.1)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(standardDeviation);
        return new(x => PerturbationModule.noise(standardDeviation * x.Peak));
    }

    /// <summary>(x - b) ⊙ M: a square of pixels, anywhere in the image, becomes the baseline.</summary>
    /// <param name="side">The square's side in pixels; an image that is smaller loses all of that dimension.</param>
    /// <param name="baseline">What the pixels become; null: <see cref="Baseline.Black"/>.</param>
    /// <exception cref="ArgumentOutOfRangeException">side is less than 1.</exception>
    public static Perturbation Square(int side, Baseline? baseline = null)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(side, 1);
        return new(x => PerturbationModule.square(side, Baseline.For(baseline, x)));
    }

    internal Core.Perturbation For(Instances x) => of(x);
}
