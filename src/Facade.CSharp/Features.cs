namespace Attribution;

/// <summary>What is hidden and shown as one by the methods that ask what parts of an instance are worth.</summary>
public sealed class Features
{
    private Features(Core.Features core) => Core = core;

    internal Core.Features Core { get; }

    /// <summary>About 50: superpixels of images, a grid of signals and volumes, and of a table each number, or runs of them where there
    /// are more.</summary>
    public static Features Usual { get; } = new(FeaturesModule.usual);

    /// <summary>Each position: a pixel with all its channels, or a number of a table.</summary>
    public static Features Each { get; } = new(FeaturesModule.each);

    /// <summary>Each number: a channel of a pixel.</summary>
    public static Features Numbers { get; } = new(FeaturesModule.numbers);

    /// <summary>A grid.</summary>
    /// <param name="cells">The cells along each side.</param>
    /// <exception cref="ArgumentOutOfRangeException">cells is less than 1.</exception>
    public static Features Grid(int cells)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(cells, 1);
        return new(FeaturesModule.grid(cells));
    }

    /// <summary>Superpixels of images by SLIC: neighbouring pixels of like colours.</summary>
    /// <remarks>Achanta et al., IEEE Transactions on Pattern Analysis and Machine Intelligence 34(11), 2012.</remarks>
    /// <param name="count">About how many.</param>
    /// <exception cref="ArgumentOutOfRangeException">count is less than 1.</exception>
    public static Features Superpixels(int count = 50)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        return new(FeaturesModule.superpixels(count));
    }

    /// <summary>Features that are given.</summary>
    /// <param name="labels">The feature that each pixel belongs to, by any whole numbers: h×w for all images, or n×h×w for each its own;
    /// c×h×w and n×c×h×w tell channels apart. They stay the caller's and are copied.</param>
    /// <exception cref="ArgumentException">labels holds no whole numbers.</exception>
    public static Features Given(Tensor labels)
    {
        if (labels.numel() == 0 || labels.is_floating_point() || labels.is_complex())
            throw new ArgumentException($"Features are whole numbers, but these are {labels.dtype}.", nameof(labels));
        return new(FeaturesModule.given(labels));
    }

    /// <summary>As the command line spells it.</summary>
    public string Name => Core.Name;

    /// <summary>The features of instances, counted from 0 in each: n×h×w of images, or of the instances' shape where channels are told
    /// apart.</summary>
    /// <exception cref="ArgumentException">Labels that were given are of another size.</exception>
    /// <exception cref="AttributionException">The instances are no images, which superpixels are of; or labels were given of fewer.</exception>
    public Tensor Of(Instances x)
    {
        using var scope = NewDisposeScope();
        var batch = InstancesModule.read(x.Core, 0, x.Count);
        var labels = Core.Of.Invoke(batch);
        return (batch.X.ndim > 2 && labels.shape[1] == 1 ? labels.squeeze(1) : labels)
            .clone()
            .MoveToOuterDisposeScope();
    }
}
