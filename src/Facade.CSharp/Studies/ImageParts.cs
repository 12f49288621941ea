using System;
using System.Collections.Generic;
using System.Linq;
using System.Text.RegularExpressions;
using Attribution.Core;
using static TorchSharp.torch;

namespace Attribution;

/// <summary>Some of the images of a set, in memory.</summary>
/// <param name="Start">The position of the first one in the set.</param>
/// <param name="Images">They themselves.</param>
/// <param name="X">Their values: n×c×h×w.</param>
/// <param name="Instances">The same, with what is known of them.</param>
internal sealed record ImagePart(int Start, ImageSet Images, Tensor X, Instances Instances)
{
    /// <summary>A quantity of the whole set's instances, for these.</summary>
    public Quantity Of(Quantity quantity)
    {
        using var rows = arange(Start, Start + Images.Count, ScalarType.Int64);
        return new(quantity.Core.Among(rows));
    }
}

/// <summary>Images that are worked on a part at a time, small enough for the maps of a part to be held in memory.</summary>
internal sealed partial class ImageParts
{
    private const long PartBytes = 64L << 20;
    private const int MostOfPart = 256;

    // A thousand logits of so many images are 80 MB; of more, each part's are forgotten after it.
    private const int MostRemembered = 10_000;

    private readonly ImageSet images;

    /// <summary>Images in parts.</summary>
    /// <param name="images">The images.</param>
    /// <param name="bytes">What the maps of a part may take.</param>
    /// <param name="most">How many images there may be in one.</param>
    /// <param name="isPowerOfTwo">Whether that is to be a power of two.</param>
    public ImageParts(ImageSet images, long bytes = PartBytes, int most = MostOfPart, bool isPowerOfTwo = false)
    {
        this.images = images;
        All = images.Count <= MostRemembered ? ((Instances)images).Remembered() : images;
        Size = (int)Math.Clamp(bytes / (4L * images.Channels * images.Height * images.Width), 1, most);
        if (isPowerOfTwo)
            Size = 1 << (int)Math.Log2(Size);
    }

    /// <summary>All images, with what is known of them if they are not too many to keep it.</summary>
    public Instances All { get; }

    /// <summary>Images a part, but for the last one.</summary>
    public int Size { get; }

    /// <summary>The position of the first image of each part.</summary>
    public IEnumerable<int> Starts => Enumerable.Range(0, (images.Count + Size - 1) / Size).Select(i => i * Size);

    /// <summary>How many images the part has that begins there.</summary>
    public int CountFrom(int start) => Math.Min(Size, images.Count - start);

    /// <summary>Hands every part to the work; what goes wrong with an instance is told of its number in the set that was
    /// loaded.</summary>
    public void Each(Action<ImagePart> work)
    {
        foreach (var start in Starts)
            At(
                start,
                CountFrom(start),
                images.Count > MostRemembered,
                part =>
                {
                    work(part);
                    return true;
                }
            );
    }

    /// <summary>Works on some images by themselves: what is known of them is found anew.</summary>
    public T Alone<T>(int start, int count, Func<ImagePart, T> work) => At(start, count, true, work);

    private T At<T>(int start, int count, bool isAlone, Func<ImagePart, T> work)
    {
        using var scope = NewDisposeScope();
        var some = images.Take(Enumerable.Range(start, count));
        // A file that cannot be read is told of by its own name.
        var x = some.Images();
        var known = All.Part(start, x);
        ImagePart part = new(start, some, x, isAlone ? known.Remembered() : known);
        return Naming(some, () => work(part));
    }

    /// <summary>Works on images; what goes wrong with an instance is told of its number in the set that was loaded.</summary>
    public static T Naming<T>(ImageSet images, Func<T> work)
    {
        try
        {
            return work();
        }
        catch (AttributionException e) when (Instance().IsMatch(e.Message))
        {
            string Name(Match found) => $"image {images.Position(int.Parse(found.Groups[1].Value) % images.Count)}";
            throw new AttributionException(Instance().Replace(e.Message, Name), e);
        }
    }

    [GeneratedRegex(@"\binstance (\d+)")]
    private static partial Regex Instance();
}
