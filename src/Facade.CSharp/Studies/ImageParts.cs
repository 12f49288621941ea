using System;
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

    public ImageParts(ImageSet images)
    {
        this.images = images;
        All = images.Count <= MostRemembered ? ((Instances)images).Remembered() : images;
    }

    /// <summary>All images, with what is known of them if they are not too many to keep it.</summary>
    public Instances All { get; }

    /// <summary>Images a part, but for the last one.</summary>
    public int Size => (int)Math.Clamp(PartBytes / Bytes(images, 1), 1, MostOfPart);

    /// <summary>What maps of images take of memory.</summary>
    public static long Bytes(ImageSet images, int count) => 4L * images.Channels * images.Height * images.Width * count;

    /// <summary>Hands every part to the work; what goes wrong with an instance is told of its number in the set that was
    /// loaded.</summary>
    public void Each(Action<ImagePart> work)
    {
        for (var start = 0; start < images.Count; start += Size)
        {
            using var scope = NewDisposeScope();
            var some = images.Take(Enumerable.Range(start, Math.Min(Size, images.Count - start)));
            var x = some.Images();
            var known = All.Part(start, x);
            ImagePart part = new(start, some, x, images.Count > MostRemembered ? known.Remembered() : known);
            Naming(
                some,
                () =>
                {
                    work(part);
                    return true;
                }
            );
        }
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
