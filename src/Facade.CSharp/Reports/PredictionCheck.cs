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

    // Of the largest logit: more than the rounding of float32.
    private const double LeastDifference = 1e-5;

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
        const string Remedy =
            "check that images are preprocessed as in the model's training (--preprocess, --scale, --mean, --std, --channel-order)";
        if (isConstant && predicted.Count > 1 && Differ(images))
            return $"The model gives all {predicted.Count} images the same scores, though they differ: {Remedy}.";
        if (!images.HasTrueClasses || predicted.Count < FewestImages)
            return null;
        var right = predicted.Zip(images.TrueClasses).Count(pair => pair.First == pair.Second);
        return right * first.Length <= predicted.Count
            ? $"The model is right on {right} of {predicted.Count} images, no more than guessing among its {first.Length} classes: {Remedy}, and that labels are the numbers of its classes."
            : null;
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
