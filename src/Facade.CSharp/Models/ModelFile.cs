using System;
using System.IO;
using System.Linq;
using System.Threading;
using static TorchSharp.torch;

namespace Attribution;

public sealed partial class Model
{
    /// <summary>A classifier from a file of any kind: <c>.onnx</c>, a TorchScript file (<c>.pt</c>, <c>.pth</c>, <c>.ts</c>,
    /// <c>.torchscript</c>), or the <c>.npz</c> of VGG16's weights.</summary>
    /// <param name="path">The file.</param>
    /// <param name="preprocessing">See <see cref="LoadOnnx"/> and <see cref="LoadTorchScript"/>.</param>
    /// <param name="output">See <see cref="LoadOnnx"/>.</param>
    /// <exception cref="UsageException">VGG16's preprocessing or a single output are to be others.</exception>
    /// <exception cref="AttributionException">The file is none of these, or cannot be read.</exception>
    public static Model Load(string path, Preprocessing? preprocessing = null, string? output = null)
    {
        var kind = Path.GetExtension(path).ToLowerInvariant();
        if (kind == ".onnx")
            return LoadOnnx(path, preprocessing, output);
        if (output is not null)
            throw new UsageException("--output is for .onnx models: others have one.");
        if (kind is ".pt" or ".pth" or ".ts" or ".torchscript")
            return LoadTorchScript(path, preprocessing);
        if (kind != ".npz")
            throw new AttributionException(
                $"'{path}' is no model: give an .onnx file, a TorchScript file (.pt), or the .npz file of VGG16's weights."
            );
        return preprocessing is null
            ? LoadVgg16(path)
            : throw new UsageException(
                "--preprocess, --scale, --mean, --std, --channel-order are for .onnx and .pt models: VGG16 has its own."
            );
    }

    /// <summary>The files that a model is read from: its own, and those beside it that hold some of an .onnx file's numbers, by their
    /// places in its folder.</summary>
    /// <exception cref="AttributionException">It cannot be read.</exception>
    public static IReadOnlyList<string> Files(string path) =>
        [
            Path.GetFileName(path),
            .. Path.GetExtension(path).Equals(".onnx", StringComparison.OrdinalIgnoreCase)
                ? Onnx.OnnxReader.Beside(path)
                : [],
        ];

    /// <summary>The model for a set of images: that it takes them is made sure of, and where its file does not say what its scores
    /// are, their values tell; see <see cref="Recognised"/>. The weights are shared: dispose of one of the two.</summary>
    /// <param name="images">The images.</param>
    /// <param name="source">Where they came from, for messages.</param>
    /// <exception cref="AttributionException">The images are of another shape than the model takes; the message says what to
    /// do.</exception>
    public Model For(ImageSet images, string source)
    {
        long[] shape = [images.Channels, images.Height, images.Width];
        if (InputShape is null)
            try
            {
                return Recognised(shape);
            }
            catch (AttributionException)
            {
                // The images themselves will tell.
                return this;
            }
        if (InputShape.SequenceEqual(shape))
            return this;
        var isOfSize = InputShape.Count == 3 && InputShape.Skip(1).SequenceEqual(shape.Skip(1));
        var remedy = (isOfSize, InputShape[0], images.Channels) switch
        {
            (true, 3, 1) => "give each pixel three channels, as numpy.repeat(X, 3, axis=3) does for n×height×width×1",
            (true, 1, 3) => "make them grey, as X.mean(axis=3, keepdims=True) does",
            _ => "give a data set of that size, or image files with --images, which are resized",
        };
        throw new AttributionException(
            $"The model takes images of {string.Join('×', InputShape)} (channels × height × width), but those in '{source}' are {string.Join('×', shape)}: {remedy}."
        );
    }

    /// <summary>What looks wrong in the model's predictions of some of the images, evenly chosen; null where nothing does. See
    /// <see cref="PredictionCheck.Doubt"/>.</summary>
    /// <param name="images">The images.</param>
    /// <param name="names">What the classes are called.</param>
    /// <param name="batchSize">Images a pass; null: as many as memory allows.</param>
    /// <param name="most">How many images to look at.</param>
    /// <param name="progress">Told of every pass.</param>
    /// <param name="cancellation">Stops the work.</param>
    public string? Doubt(
        ImageSet images,
        ClassNames names,
        int? batchSize = null,
        int most = 100,
        IProgress<Progress>? progress = null,
        CancellationToken cancellation = default
    )
    {
        using var scope = NewDisposeScope();
        var count = Math.Min(images.Count, most);
        var some = images.Take(Enumerable.Range(0, count).Select(i => (int)((long)i * images.Count / count)));
        PredictionCheck check = new();
        check.Add(
            some.Naming(() => Logits(some, batchSize, progress.In("Looking at the model's predictions"), cancellation))
        );
        return check.Doubt(some, names);
    }
}
