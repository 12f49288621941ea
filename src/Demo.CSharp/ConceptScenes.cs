using System;
using System.Collections.Generic;
using System.Linq;
using System.Threading;
using System.Threading.Tasks;
using static TorchSharp.torch;

namespace Attribution;

/// <summary>
/// A data set whose truth is known: pictures of fourteen classes in seven pairs, in which the classes of a pair differ in one
/// part alone, with masks that say where the object and where that part lies.
/// </summary>
/// <remarks>
/// Place, scale, rotation, mirroring, proportions, colours, lighting, noise, background and distractor shapes vary and are
/// settled before the class's part is drawn, so they carry no information about which of a pair's classes a scene shows.
/// </remarks>
public sealed class ConceptScenes : IDisposable
{
    /// <summary>Height and width of a scene, in pixels.</summary>
    public const int Size = SceneStudio.Size;

    /// <summary>The most scenes that one set may hold.</summary>
    public const int MaxCount = 100_000;

    /// <summary>Names of the fourteen classes, by number.</summary>
    public static IReadOnlyList<string> ClassNames { get; } =
    [
        "car with roof",
        "car without roof",
        "cat with pointed ears",
        "cat with round ears",
        "sailing boat",
        "steamboat",
        "one-humped camel",
        "two-humped camel",
        "tulip",
        "daisy",
        "mug with handle",
        "mug without handle",
        "snowman with top hat",
        "snowman with woolly hat",
    ];

    /// <summary>The seven pairs of related classes.</summary>
    public static IReadOnlyList<ConceptPair> Pairs { get; } =
    [
        new(0, 1, "roof"),
        new(2, 3, "ears"),
        new(4, 5, "sails or funnel"),
        new(6, 7, "humps"),
        new(8, 9, "blossom"),
        new(10, 11, "handle"),
        new(12, 13, "hat"),
    ];

    private ConceptScenes(int seed, Tensor x, long[] classes, Tensor objectMasks, Tensor partMasks)
    {
        Seed = seed;
        X = x;
        Classes = classes;
        ObjectMasks = objectMasks;
        PartMasks = partMasks;
        long[] ids = [.. Enumerable.Range(0, classes.Length).Select(i => (long)i)];
        using Tensor channelsFirst = x.permute(0, 3, 1, 2);
        Images = ImageSet.FromTensor(channelsFirst, classes, ids: ids);
    }

    /// <summary>The seed from which the set was drawn.</summary>
    public int Seed { get; }

    /// <summary>The scenes with their classes; an image's id is the scene's number, by which to find its masks in a subset.</summary>
    public ImageSet Images { get; }

    /// <summary>The scenes: N×64×64×3 bytes, RGB.</summary>
    public Tensor X { get; }

    /// <summary>The class of every scene: scene i shows class i mod 14, its twin the other class of that pair.</summary>
    public IReadOnlyList<long> Classes { get; }

    /// <summary>N×64×64 booleans: every pixel that the object covers, its part included.</summary>
    public Tensor ObjectMasks { get; }

    /// <summary>
    /// N×64×64 booleans: every pixel in which the distinguishing part shows, in this class's form or in its sibling's. A scene of
    /// a class without the part has the mask of where the part would be, so that both classes of a pair have the same mask.
    /// </summary>
    public Tensor PartMasks { get; }

    /// <summary>
    /// Draws a set of scenes. Scene i depends on the seed and on i alone, so a set begins with every smaller set of its seed.
    /// </summary>
    /// <param name="count">How many scenes, from 1 to <see cref="MaxCount"/>.</param>
    /// <param name="seed">The same seed gives the same bytes.</param>
    /// <param name="progress">Told of every scene, by any thread.</param>
    /// <exception cref="AttributionException">The count is out of range.</exception>
    public static ConceptScenes Draw(int count, int seed = 1, IProgress<Progress>? progress = null) =>
        Draw(count, seed, false, progress);

    /// <summary>
    /// Draws every scene of <see cref="Draw(int, int, IProgress{Progress})"/> as the other class of its pair: the two sets differ inside the part masks alone.
    /// </summary>
    /// <param name="count">How many scenes, from 1 to <see cref="MaxCount"/>.</param>
    /// <param name="seed">The same seed gives the same bytes.</param>
    /// <exception cref="AttributionException">The count is out of range.</exception>
    public static ConceptScenes DrawTwins(int count, int seed = 1) => Draw(count, seed, true, null);

    private static ConceptScenes Draw(int count, int seed, bool twins, IProgress<Progress>? progress)
    {
        if (count is < 1 or > MaxCount)
            throw new AttributionException($"Cannot draw {count} scenes: ask for 1 to {MaxCount}.");
        const int pixels = Size * Size;
        var rgb = new byte[count * pixels * 3];
        var objects = new bool[count * pixels];
        var parts = new bool[count * pixels];
        var classes = new long[count];
        var drawn = 0;
        Parallel.For(
            0,
            count,
            () => new SceneStudio(),
            (i, _, studio) =>
            {
                int label = (i % ClassNames.Count) ^ (twins ? 1 : 0);
                classes[i] = label;
                studio.Paint(
                    seed,
                    i,
                    label / 2,
                    (Member)(label % 2),
                    rgb.AsSpan(i * pixels * 3, pixels * 3),
                    objects.AsSpan(i * pixels, pixels),
                    parts.AsSpan(i * pixels, pixels)
                );
                progress?.Report(new(Interlocked.Increment(ref drawn), count) { Stage = "Drawing scenes" });
                return studio;
            },
            studio => studio.Dispose()
        );
        return new ConceptScenes(
            seed,
            tensor(rgb, [count, Size, Size, 3]),
            classes,
            tensor(objects, [count, Size, Size]),
            tensor(parts, [count, Size, Size])
        );
    }

    /// <summary>Frees the tensors.</summary>
    public void Dispose()
    {
        Images.Dispose();
        X.Dispose();
        ObjectMasks.Dispose();
        PartMasks.Dispose();
    }
}
