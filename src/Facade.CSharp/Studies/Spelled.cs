using System;
using System.Collections.Generic;
using System.Globalization;
using System.Linq;

namespace Attribution;

/// <summary>A quantity of interest as it is spelled, before the model, its classes and the images are known.</summary>
public sealed class SpelledQuantity
{
    private readonly Func<Model, ImageSet, Func<string, int>, Quantity> of;
    private readonly bool hasSides;

    internal SpelledQuantity(
        Func<Model, ImageSet, Func<string, int>, Quantity> of,
        IReadOnlyList<string>? classes = null,
        bool hasSides = false
    ) => (this.of, Classes, this.hasSides) = (of, classes ?? [], hasSides);

    /// <summary>The classes that it names, by number or name.</summary>
    public IReadOnlyList<string> Classes { get; }

    /// <summary>The two classes of a margin of one over another; null for other quantities.</summary>
    public (string Class, string Against)? Sides => hasSides && Classes is [var a, var b] ? (a, b) : null;

    /// <summary>The class of class:K; null for other quantities.</summary>
    public string? Class { get; internal init; }

    /// <summary>The quantity itself.</summary>
    /// <param name="model">The classifier, which has the layer that may be named.</param>
    /// <param name="images">The images, whose labels it may take.</param>
    /// <param name="classOf">The number of a class that is given by its number or its name.</param>
    /// <exception cref="AttributionException">There is no such class or layer, or the labels are not known.</exception>
    public Quantity For(Model model, ImageSet images, Func<string, int> classOf) => of(model, images, classOf);

    /// <summary>The question whose answer is an expert of it.</summary>
    /// <param name="distribution">The images over which units are ranked, as the command line spells them: all, own or
    /// class:K,…</param>
    /// <param name="model">The classifier.</param>
    /// <param name="images">The images.</param>
    /// <param name="classOf">The number of a class.</param>
    /// <exception cref="UsageException">The distribution is misspelled, or own where no class is named.</exception>
    public ExpertQuestion Ask(string distribution, Model model, ImageSet images, Func<string, int> classOf)
    {
        var over = Spelled.Distribution(distribution);
        if (over.IsOwn && Classes.Count == 0)
            throw new UsageException(
                "--distribution own needs a quantity that names classes: class:K, margin:A,B, one-vs-rest:K or threshold:K,T."
            );
        var classes = over.IsOwn ? Classes : over.Classes;
        (int, int)? margin = Sides is var (a, b) ? (classOf(a), classOf(b)) : null;
        return new(For(model, images, classOf), classes?.Select(classOf).ToArray(), margin, hasSides);
    }
}

/// <summary>A distribution of interest as it is spelled.</summary>
/// <param name="Classes">The true classes of its images, by number or name; null: all images, or the quantity's own.</param>
/// <param name="IsOwn">Whether it is those of the quantity's classes.</param>
public sealed record SpelledDistribution(IReadOnlyList<string>? Classes, bool IsOwn = false);

/// <summary>What the command line and files spell in words: quantities, distributions, baselines, neighbourhoods.</summary>
public static class Spelled
{
    /// <summary>A quantity: predicted, true, class:K, margin:A,B, margin:A+B,C+D, one-vs-rest:K, threshold:K,T,
    /// unit:LAYER,U, region:K, region:K@FILE, point:K@X,Y, box:X,Y,W,H, detection:X,Y,W,H or output:I.</summary>
    /// <param name="text">As <see cref="Attribution.Quantity.Name"/> gives it, with names of classes in place of numbers too.</param>
    /// <param name="units">What a unit of a layer is.</param>
    /// <exception cref="UsageException">It is none of these.</exception>
    public static SpelledQuantity Quantity(string text, Units units = Attribution.Units.Auto)
    {
        static string[] Sides(string side) => Parts(side, '+');
        switch (Split(text))
        {
            case ("predicted", null):
                return new((_, _, _) => Attribution.Quantity.Predicted);
            case ("true", null):
                return new((_, images, _) => Attribution.Quantity.TrueClass(images.TrueClasses));
            case ("class", { Length: > 0 } k):
                return new((_, _, of) => Attribution.Quantity.Class(of(k)), [k]) { Class = k };
            case ("one-vs-rest", { Length: > 0 } k):
                return new((_, _, of) => Attribution.Quantity.OneVsRest(of(k)), [k], true);
            case ("margin", { } sides):
                return Parts(sides).Select(Sides).ToArray() is [{ Length: > 0 } a, { Length: > 0 } b]
                    ? new((_, _, of) => Attribution.Quantity.Margin(a.Select(of), b.Select(of)), [.. a, .. b], true)
                    : throw new UsageException(
                        $"--quantity margin:A,B takes two classes, or two sums of some as in A+B,C+D, and not '{sides}'."
                    );
            case ("threshold", { } asked):
                return SplitLast(asked) is ({ Length: > 0 } c, var number) && Finite(number) is { } t
                    ? new((_, _, of) => Attribution.Quantity.Threshold(of(c), t), [c])
                    : throw new UsageException(
                        $"--quantity threshold:K,T takes a class and a score, and not '{asked}'."
                    );
            case ("unit", { } asked):
                return
                    SplitLast(asked) is ({ Length: > 0 } layer, var position)
                    && int.TryParse(position, NumberStyles.None, CultureInfo.InvariantCulture, out var unit)
                    ? new((model, _, _) => Attribution.Quantity.Unit(model.RequireLayer(layer), unit, units))
                    : throw new UsageException(
                        $"--quantity unit:LAYER,U takes a layer and the number of a unit, and not '{asked}'."
                    );
            case ("region", { Length: > 0 } asked):
                return asked.IndexOf('@') is var cut and > 0
                    ? new(
                        (model, _, of) =>
                            Attribution.Quantity.Region(
                                model,
                                of(asked[..cut]),
                                ImageFile.Mask(asked[(cut + 1)..]),
                                text
                            ),
                        [asked[..cut]]
                    )
                    : new((model, _, of) => Attribution.Quantity.Region(model, of(asked)), [asked]);
            case ("point", { } asked):
                return asked.Split('@') is [{ Length: > 0 } of0, var at] && Numbers(at) is [var x, var y]
                    ? new((model, _, of) => Attribution.Quantity.Point(model, of(of0), (int)x, (int)y), [of0])
                    : throw new UsageException(
                        $"--quantity point:K@X,Y takes a class and a pixel's column and row, and not '{asked}'."
                    );
            case ("box", { } asked):
                return
                    asked.Split('@') is [var box, .. var ofBox]
                    && ofBox.Length < 2
                    && Numbers(box) is [var left, var top, var width, var height]
                    ? new(
                        (model, _, of) =>
                            Attribution.Quantity.Box(
                                model,
                                (left, top, width, height),
                                ofBox is [var k] ? of(k) : null
                            ),
                        ofBox
                    )
                    : throw new UsageException(
                        $"--quantity box:X,Y,W,H takes a box's left, top, width and height, and @K where a class is meant, and not '{asked}'."
                    );
            case ("detection", { } asked):
                return Numbers(asked) is [var x0, var y0, var w, var h]
                    ? new((model, _, _) => Attribution.Quantity.Detection(model, (x0, y0, w, h)))
                    : throw new UsageException(
                        $"--quantity detection:X,Y,W,H takes a box's left, top, width and height, and not '{asked}'."
                    );
            case ("output", { } index):
                return int.TryParse(index, NumberStyles.None, CultureInfo.InvariantCulture, out var number0)
                    ? new((model, _, _) => Attribution.Quantity.Output(model, number0))
                    : throw new UsageException(
                        $"--quantity output:I takes the position of a number, and not '{index}'."
                    );
            default:
                throw new UsageException(
                    $"--quantity takes predicted, true, class:K, margin:A,B, one-vs-rest:K, threshold:K,T, unit:LAYER,U, region:K, region:K@FILE, point:K@X,Y, box:X,Y,W,H, detection:X,Y,W,H or output:I, and not '{text}'."
                );
        }
    }

    private static double[]? Numbers(string text)
    {
        var numbers = Parts(text).Select(Finite).ToArray();
        return numbers.Any(number => number is null) ? null : [.. numbers.Select(number => number!.Value)];
    }

    /// <summary>A distribution: all, own or class:K,…</summary>
    /// <exception cref="UsageException">It is none of these.</exception>
    public static SpelledDistribution Distribution(string text) =>
        Split(text) switch
        {
            ("all", null) => new(null),
            ("own", null) => new(null, true),
            ("class", { } classes) when Parts(classes) is { Length: > 0 } some => new(some),
            _ => throw new UsageException($"--distribution takes all, own or class:K,…, and not '{text}'."),
        };

    /// <summary>Features: superpixels:N, grid:N, each, or a file: a picture whose colours tell regions apart, or an .npy file of whole
    /// numbers, h×w for all images or n×h×w for each its own.</summary>
    /// <param name="text">One of these.</param>
    /// <param name="images">The images whose features they are.</param>
    /// <exception cref="UsageException">It is none of these.</exception>
    /// <exception cref="AttributionException">The file does not fit the images.</exception>
    public static Features Features(string text, ImageSet images)
    {
        static int Count(string option, string number) =>
            int.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out var count)
            && count is > 0 and <= 4096
                ? count
                : throw new UsageException($"--features {option}:N takes a number from 1 to 4096, and not '{number}'.");
        switch (Split(text))
        {
            case ("each", null):
                return Attribution.Features.Each;
            case ("usual", null):
                return Attribution.Features.Usual;
            case ("superpixels", null):
                return Attribution.Features.Superpixels();
            case ("superpixels", { } number):
                return Attribution.Features.Superpixels(Count("superpixels", number));
            case ("grid", { } number):
                return Attribution.Features.Grid(Count("grid", number));
        }
        if (!System.IO.File.Exists(text))
            throw new UsageException(
                $"--features takes superpixels:N, grid:N, each or a file of regions, and not '{text}'."
            );
        using var scope = TorchSharp.torch.NewDisposeScope();
        var labels = NpyArray.Is(text) ? NpyArray.Load(text) : ImageFile.Labels(text);
        long[] sides = images.Height == 1 && labels.ndim < 3 ? [images.Width] : [images.Height, images.Width];
        var shape = labels.shape;
        if (labels.is_floating_point())
            throw new AttributionException($"The features in '{text}' are {labels.dtype}, but must be whole numbers.");
        if (shape.SequenceEqual(sides))
            return Attribution.Features.Given(labels);
        if (shape.Length == sides.Length + 1 && shape.Skip(1).SequenceEqual(sides))
        {
            // One set for each image of those that were loaded, or that are explained.
            long[] rows = [.. Enumerable.Range(0, images.Count).Select(i => (long)images.Position(i))];
            if (shape[0] == images.Count)
                return Attribution.Features.Given(labels.unsqueeze(1));
            if (rows.Max() < shape[0])
                return Attribution.Features.Given(labels.index_select(0, TorchSharp.torch.tensor(rows)).unsqueeze(1));
        }
        throw new AttributionException(
            $"The features in '{text}' have the shape {string.Join('×', shape)}, but the images are {string.Join('×', sides)}: give one whole number a pixel, for all images or for each of them."
        );
    }

    /// <summary>A baseline: black, white, random, random:SEED or blur:PIXELS.</summary>
    /// <exception cref="UsageException">It is none of these.</exception>
    public static Baseline Baseline(string text)
    {
        switch (Split(text))
        {
            case ("black", null):
                return Attribution.Baseline.Black;
            case ("white", null):
                return Attribution.Baseline.White;
            case ("random", null):
                return Attribution.Baseline.Random();
            case ("random", { } seed):
                return long.TryParse(seed, CultureInfo.InvariantCulture, out var number)
                    ? Attribution.Baseline.Random(number).Named(text)
                    : throw new UsageException($"--baseline random:SEED takes a whole number, and not '{text}'.");
            case ("blur", { } pixels):
                return Finite(pixels) is { } sigma and > 0 and <= 1000
                    ? Attribution.Baseline.Blurred(sigma).Named(text)
                    : throw new UsageException(
                        $"--baseline blur:PIXELS takes a standard deviation above 0, up to 1000, and not '{text}'."
                    );
            default:
                throw new UsageException(
                    $"--baseline takes black, white, random, random:SEED or blur:PIXELS, and not '{text}'."
                );
        }
    }

    /// <summary>What a unit of a layer is: auto, each, channel-sum or channel-max.</summary>
    /// <exception cref="UsageException">It is none of these.</exception>
    public static Units Units(string text) =>
        OneOf("--units", text, [.. Enum.GetValues<Attribution.Units>().Select(units => (units.Name(), units))]);

    /// <summary>The rule of a path: right, midpoint, trapezoid or gauss-legendre.</summary>
    /// <exception cref="UsageException">It is none of these.</exception>
    public static IntegrationRule Rule(string text) =>
        OneOf(
            "--rule",
            text,
            ("right", IntegrationRule.RightHand),
            ("midpoint", IntegrationRule.Midpoint),
            ("trapezoid", IntegrationRule.Trapezoid),
            ("gauss-legendre", IntegrationRule.GaussLegendre)
        );

    /// <summary>What a max pool hands on in DeepLIFT: rescale, last-window or gradient.</summary>
    /// <exception cref="UsageException">It is none of these.</exception>
    public static MaxPoolRule MaxPool(string text) =>
        OneOf(
            "--max-pool",
            text,
            ("rescale", MaxPoolRule.Rescale),
            ("last-window", MaxPoolRule.LastWindow),
            ("gradient", MaxPoolRule.Gradient)
        );

    /// <summary>The numbers of a network: float32, float64 or bfloat16.</summary>
    /// <exception cref="UsageException">It is none of these.</exception>
    public static Precision Precision(string text) =>
        OneOf(
            "--precision",
            text,
            ("float32", Attribution.Precision.Float32),
            ("float64", Attribution.Precision.Float64),
            ("bfloat16", Attribution.Precision.BFloat16)
        );

    /// <summary>A network's order of channels: rgb or bgr.</summary>
    /// <exception cref="UsageException">It is neither.</exception>
    public static ChannelOrder ChannelOrder(string text) =>
        OneOf("--channel-order", text, ("rgb", Attribution.ChannelOrder.Rgb), ("bgr", Attribution.ChannelOrder.Bgr));

    /// <summary>What training did to pixels: imagenet, caffe, unit, cifar10 or none.</summary>
    /// <exception cref="UsageException">It is none of these.</exception>
    public static Preprocessing Preprocessing(string text) =>
        OneOf(
            "--preprocess",
            text,
            ("imagenet", Attribution.Preprocessing.ImageNet),
            ("caffe", Attribution.Preprocessing.Caffe),
            ("unit", Attribution.Preprocessing.Unit),
            ("cifar10", Attribution.Preprocessing.Cifar10),
            ("none", Attribution.Preprocessing.None)
        );

    /// <summary>A size of memory in bytes: "2GB", "500 MB", "1.5GiB".</summary>
    /// <exception cref="UsageException">It is none.</exception>
    public static long Bytes(string text)
    {
        var number = text.TrimEnd("BKMGIbkmgi".ToCharArray());
        var power = text[number.Length..].ToUpperInvariant() switch
        {
            "B" => 0,
            "KB" or "KIB" => 1,
            "MB" or "MIB" => 2,
            "GB" or "GIB" => 3,
            _ => int.MaxValue,
        };
        return Finite(number) * Math.Pow(1024, power) is >= 1 and < (1L << 62) and var bytes
            ? (long)bytes
            : throw new UsageException($"--memory takes a size such as 2GB or 500MB, and not '{text}'.");
    }

    /// <summary>The number of a class that is given by its number or its name.</summary>
    /// <param name="text">The number or the name.</param>
    /// <param name="names">What classes are called.</param>
    /// <param name="classes">How many classes the model has.</param>
    /// <exception cref="AttributionException">There is no such class.</exception>
    public static int Class(string text, ClassNames names, int classes)
    {
        if (names.Count == 0 && !text.All(char.IsAsciiDigit))
            throw new AttributionException(
                $"The class '{text}' has no number: name the classes with --labels FILE, or give its number."
            );
        return names.Find(text) is var k && k < classes
            ? k
            : throw new AttributionException(
                $"There is no class {k}: the model has {classes} classes, 0 to {classes - 1}."
            );
    }

    private static T OneOf<T>(string option, string text, params (string Name, T Value)[] choices)
    {
        foreach (var (name, value) in choices)
            if (name == text)
                return value;
        var names = string.Join(", ", choices[..^1].Select(choice => choice.Name));
        throw new UsageException($"{option} takes {names} or {choices[^1].Name}, and not '{text}'.");
    }

    /// <summary>Where around each image influence is taken: itself, line, layer-line or gaussian:SIGMA.</summary>
    /// <param name="text">The word.</param>
    /// <param name="baseline">Where lines begin.</param>
    /// <param name="steps">The points on them; null: as many as an image needs, which lines cannot take.</param>
    /// <param name="rule">Where these lie.</param>
    /// <param name="draws">Points of noise an image.</param>
    /// <param name="seed">Decides on them.</param>
    /// <exception cref="UsageException">It is none of these.</exception>
    public static Neighbourhood Neighbourhood(
        string text,
        Baseline baseline,
        int? steps,
        IntegrationRule rule,
        int draws,
        long seed
    )
    {
        int Steps() => steps ?? throw new UsageException($"--around {text} takes a number of --steps, and not auto.");
        return Split(text) switch
        {
            ("itself", null) => Attribution.Neighbourhood.Itself,
            ("line", null) => Attribution.Neighbourhood.Line(baseline, Steps(), rule),
            ("layer-line", null) => Attribution.Neighbourhood.LayerLine(baseline, Steps(), rule),
            ("gaussian", { } sigma) when Finite(sigma) is >= 0 and var deviation => Attribution.Neighbourhood.Gaussian(
                deviation,
                draws,
                seed
            ),
            _ => throw new UsageException(
                $"--around takes itself, line, layer-line or gaussian:SIGMA, and not '{text}'."
            ),
        };
    }

    /// <summary>"head:rest" as (head, rest), and a text without a colon as (text, null).</summary>
    private static (string Head, string? Tail) Split(string text) =>
        text.IndexOf(':') is >= 0 and var at ? (text[..at], text[(at + 1)..]) : (text, null);

    /// <summary>"head,last" as (head, last), whatever commas the head holds.</summary>
    private static (string Head, string Last) SplitLast(string text) =>
        text.LastIndexOf(',') is >= 0 and var at ? (text[..at].Trim(), text[(at + 1)..].Trim()) : ("", text);

    private static string[] Parts(string text, char separator = ',') =>
        text.Split(separator, StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);

    private static double? Finite(string text) =>
        double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var number)
        && double.IsFinite(number)
            ? number
            : null;
}
