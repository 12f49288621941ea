using System;
using System.Collections.Generic;
using System.Linq;
using static TorchSharp.torch;

namespace Attribution;

/// <summary>What the mark in the corner of a scene says.</summary>
public enum ShortcutMark
{
    /// <summary>There is none.</summary>
    Absent,

    /// <summary>It has the colour of the scene's class.</summary>
    Honest,

    /// <summary>It has the colour of another class.</summary>
    Lying,
}

/// <summary>
/// Scenes with a shortcut: which of seven objects is shown, and a mark in the corner whose colour gives it away. A network that
/// is trained where the mark is honest may learn the mark, and knows nothing of the objects where it lies.
/// </summary>
public sealed class ShortcutScenes : IDisposable
{
    /// <summary>The side of the mark, in pixels.</summary>
    public const int MarkSize = 4;

    private const int FromEdge = 1;

    private ShortcutScenes(ImageSet images, Tensor objects, Tensor marks, long[] told) =>
        (Images, ObjectMasks, MarkMasks, ToldClasses) = (images, objects, marks, told);

    /// <summary>Names of the seven classes, by number.</summary>
    public static IReadOnlyList<string> ClassNames { get; } =
    ["car", "cat", "boat", "camel", "flower", "mug", "snowman"];

    /// <summary>The scenes with their classes: N×3×64×64, 0-255.</summary>
    public ImageSet Images { get; }

    /// <summary>N×64×64 booleans: every pixel that shows the object.</summary>
    public Tensor ObjectMasks { get; }

    /// <summary>N×64×64 booleans: the mark, or where it would be.</summary>
    public Tensor MarkMasks { get; }

    /// <summary>The class whose colour the mark of each scene has; the scene's own where there is no mark.</summary>
    public IReadOnlyList<long> ToldClasses { get; }

    /// <summary>Draws <see cref="ConceptScenes"/> of a seed, and a mark in each.</summary>
    /// <param name="count">How many scenes.</param>
    /// <param name="seed">The same seed gives the same scenes, whatever the mark says.</param>
    /// <param name="mark">What the mark says.</param>
    /// <exception cref="AttributionException">The count is out of range.</exception>
    public static ShortcutScenes Draw(int count, int seed, ShortcutMark mark)
    {
        using var scenes = ConceptScenes.Draw(count, seed);
        return Of(scenes, mark);
    }

    /// <summary>The same of scenes that are drawn.</summary>
    internal static ShortcutScenes Of(ConceptScenes scenes, ShortcutMark mark)
    {
        long[] classes = [.. scenes.Classes.Select(c => c / 2)];
        Random random = new(scenes.Seed);
        long Told(long own) =>
            mark == ShortcutMark.Lying ? (own + 1 + random.Next(ClassNames.Count - 1)) % ClassNames.Count : own;
        long[] told = [.. classes.Select(Told)];

        using var scope = NewDisposeScope();
        var x = scenes.X.clone();
        if (mark != ShortcutMark.Absent)
            Corner(x).copy_(Colours.index_select(0, tensor(told)).reshape(-1, 1, 1, 3));
        var objects = scenes.ObjectMasks.clone();
        var marks = zeros_like(objects);
        Corner(marks).fill_(true);
        Corner(objects).fill_(false);
        return new(
            ImageSet.FromTensor(x.permute(0, 3, 1, 2), classes),
            objects.DetachFromDisposeScope(),
            marks.DetachFromDisposeScope(),
            told
        );
    }

    /// <summary>Frees the tensors.</summary>
    public void Dispose()
    {
        Images.Dispose();
        ObjectMasks.Dispose();
        MarkMasks.Dispose();
    }

    private static Tensor Corner(Tensor scenes) => scenes.narrow(1, FromEdge, MarkSize).narrow(2, FromEdge, MarkSize);

    // Seven hues as far apart as can be, of full strength.
    private static Tensor Colours =>
        tensor(
            Enumerable
                .Range(0, ClassNames.Count)
                .SelectMany(i =>
                {
                    byte Channel(int shift)
                    {
                        var at = ((6.0 * i / ClassNames.Count) + shift) % 6;
                        return (byte)Math.Round(255 * Math.Clamp(Math.Abs(at - 3) - 1, 0, 1));
                    }
                    return new[] { Channel(0), Channel(4), Channel(2) };
                })
                .ToArray(),
            [ClassNames.Count, 3]
        );
}
