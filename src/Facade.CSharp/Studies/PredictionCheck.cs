using System;
using System.Collections.Generic;
using System.Linq;
using TorchSharp;
using static TorchSharp.torch;

namespace Attribution;

/// <summary>Looks at a model's logits of a set of images, a part at a time, for signs that pixels are not preprocessed as in
/// its training. (Logits that are not finite are an error of their own.)</summary>
public sealed class PredictionCheck
{
    // With fewer images a good classifier may have bad luck.
    private const int FewestImages = 20;

    // So many that a classifier which knows its classes is right on one.
    private const int FewestOfNone = 5;

    // The share of one class among predictions that is suspicious, and among labels that explains it.
    private const double NearlyAll = 0.95;
    private const double MostlyOne = 0.8;

    // Of the largest logit: more than the rounding of float32.
    private const double LeastDifference = 1e-5;

    private const string Remedy =
        "check that images are preprocessed as in the model's training (--preprocess, --scale, --mean, --std, --channel-order)";

    private readonly List<long> predicted = [];
    private double[] first = [];
    private bool isConstant = true;

    /// <summary>Looks at some more logits (n×k).</summary>
    public void Add(Tensor logits)
    {
        using var scope = NewDisposeScope();
        var values = logits.detach().cpu().to(ScalarType.Float64);
        predicted.AddRange(values.argmax(1).data<long>());
        if (first.Length == 0)
            first = [.. values[0].data<double>()];
        isConstant &=
            (values - tensor(first)).abs().max().ToDouble() <= LeastDifference * values.abs().max().ToDouble();
    }

    /// <summary>What is wrong, in a sentence; null where nothing seems to be. It is wrong when all logits are equal, though
    /// the images differ, and when of at least 20 images with true classes no more than 1/k are given theirs, which guessing
    /// among the k classes would do.</summary>
    /// <param name="images">The images of the logits, in their order.</param>
    public string? Warning(ImageSet images)
    {
        if (isConstant && predicted.Count > 1 && Differ(images))
            return $"The model gives all {predicted.Count} images the same scores, though they differ: {Remedy}.";
        if (!images.HasTrueClasses || predicted.Count < FewestImages)
            return null;
        var right = predicted.Zip(images.TrueClasses).Count(pair => pair.First == pair.Second);
        return right * first.Length <= predicted.Count
            ? $"The model is right on {right} of {predicted.Count} images, no more than guessing among its {first.Length} classes: {Remedy}, and that labels are the numbers of its classes."
            : null;
    }

    /// <summary>The warning, or else what may be wrong, said with more caution; null where nothing seems to be. It may be wrong
    /// when of 5 to 19 images with true classes none is given its own, and when 95 % of 20 images or more are given one class,
    /// though the images differ, and their true classes, where they are known, are not mostly one.</summary>
    /// <param name="images">The images of the logits, in their order.</param>
    /// <param name="names">What the classes are called; null: by their numbers.</param>
    public string? Doubt(ImageSet images, ClassNames? names = null)
    {
        if (Warning(images) is { } warning)
            return warning;
        var count = predicted.Count;
        if (images.HasTrueClasses && count is >= FewestOfNone and < FewestImages)
            return predicted.Zip(images.TrueClasses).Any(pair => pair.First == pair.Second)
                ? null
                : $"The model gives none of {count} images its true class, which is rare for a good one: {Remedy}, and that labels are the numbers of its classes.";
        if (count < FewestImages)
            return null;
        var (one, most) = Most(predicted);
        if (most < NearlyAll * count || !Differ(images))
            return null;
        var seen =
            $"The model gives {most} of {count} images the same class, {(names ?? ClassNames.None)[(int)one]}, though they differ";
        if (!images.HasTrueClasses)
            return $"{seen}: if they are of several classes, {Remedy}.";
        return Most(images.TrueClasses).Count < MostlyOne * count
            ? $"{seen} and their true classes are several: {Remedy}, and that labels are the numbers of its classes."
            : null;
    }

    private static (long Class, int Count) Most(IEnumerable<long> classes)
    {
        var most = classes.CountBy(k => k).MaxBy(k => k.Value);
        return (most.Key, most.Value);
    }

    private static bool Differ(ImageSet images)
    {
        using var scope = NewDisposeScope();
        var first = images.Images(0..1);
        return Enumerable
            .Range(1, images.Count - 1)
            .Any(i =>
            {
                using var image = images.Images(i..(i + 1));
                return image.ne(first).any().ToBoolean();
            });
    }
}
