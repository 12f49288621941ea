using System;
using System.Collections.Generic;
using TorchSharp;
using static TorchSharp.torch;

namespace Attribution;

/// <summary>
/// An <c>.npz</c> file of attributions in the course's layout, written a batch at a time: <c>attributions</c>
/// (n×H×W×C float32), <c>pixels</c> (n×H×W, their mean over the channels), and what is known of the images: <c>Y</c>,
/// <c>Pred</c>, <c>Idx</c>.
/// </summary>
public sealed class AttributionsFile : IDisposable
{
    private readonly NpzWriter writer;
    private readonly NpzRows attributions;
    private readonly NpzRows pixels;

    /// <summary>Opens a draft beside the file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="x">The images that are explained.</param>
    /// <exception cref="AttributionException">The folder cannot be written.</exception>
    public AttributionsFile(string path, ImageSet x)
    {
        writer = new(path);
        try
        {
            attributions = writer.AddStreamed(
                "attributions",
                ScalarType.Float32,
                x.Count,
                x.Height,
                x.Width,
                x.Channels
            );
            pixels = writer.AddStreamed("pixels", ScalarType.Float32, x.Count, x.Height, x.Width);
            if (x.HasTrueClasses)
                writer.Add("Y", x.TrueClasses);
            if (x.HasIds)
                writer.Add("Idx", x.Ids);
        }
        catch
        {
            writer.Dispose();
            throw;
        }
    }

    /// <summary>Adds the attributions of the next images.</summary>
    /// <param name="batch">k×C×H×W.</param>
    /// <exception cref="ArgumentException">They are of another shape, or more than there are images.</exception>
    /// <exception cref="AttributionException">The file cannot be written.</exception>
    public void Append(Tensor batch)
    {
        using var scope = NewDisposeScope();
        attributions.Append(batch.permute(0, 2, 3, 1));
        pixels.Append(batch.mean([1]));
    }

    /// <summary>Adds the classes that the model gives the images, and puts the file in its place.</summary>
    /// <exception cref="InvalidOperationException">The attributions of some images are missing.</exception>
    /// <exception cref="AttributionException">The file cannot be written.</exception>
    public void Commit(IEnumerable<long> predictedClasses)
    {
        writer.Add("Pred", predictedClasses);
        writer.Commit();
        writer.Dispose();
    }

    /// <summary>Deletes the draft, unless it was committed.</summary>
    public void Dispose() => writer.Dispose();
}
