namespace Attribution;

/// <summary>A quantity of interest: one number for each instance, made of its logits. What it takes from the explained
/// instance (its predicted class, its label) stays fixed wherever the logits are evaluated.</summary>
public sealed class Quantity
{
    internal Quantity(Core.Quantity core) => Core = core;

    internal Core.Quantity Core { get; }

    // Where in images it asks: n×…, n×h'×w' of any size.
    private Func<Model, Tensor, Tensor>? Asked { get; init; }

    /// <summary>Where in an image it asks, h×w: 1 inside, 0 outside; null where it asks of the whole image.</summary>
    /// <param name="model">The model.</param>
    /// <param name="image">c×h×w.</param>
    public Tensor? RegionOf(Model model, Tensor image)
    {
        if (Asked is null)
            return null;
        using var scope = NewDisposeScope();
        var region = Asked(model, image.unsqueeze(0)).to(ScalarType.Float32).unsqueeze(0);
        return nn
            .functional.interpolate(region, [.. image.shape.Skip(1)], mode: InterpolationMode.Nearest)
            .gt(Number.Of(0.5))
            .reshape([.. image.shape.Skip(1)])
            .MoveToOuterDisposeScope();
    }

    /// <summary>The quantity as the command line spells it: "predicted", "class:3", "margin:3,5", "margin:3+4,5+6",
    /// "one-vs-rest:3", "threshold:3,0.5", "unit:fc1,12", "region:3", "point:3@8,16", "box:8,16,32,32".</summary>
    public string Name => Core.Name;

    /// <summary>s_c, c the class predicted for the explained instance; of a model's one logit z, sign(z(x)) · z.</summary>
    public static Quantity Predicted { get; } = new(QuantityModule.predictedSide);

    /// <summary>s_y, y the instance's true class.</summary>
    /// <param name="labels">One label for each instance, in their order.</param>
    public static Quantity TrueClass(IEnumerable<long> labels) => new(QuantityModule.trueClassOf([.. labels]));

    /// <inheritdoc cref="TrueClass(IEnumerable{long})"/>
    public static Quantity TrueClass(IEnumerable<int> labels) => TrueClass(labels.Select(y => (long)y));

    /// <summary>s_c - s_y: the predicted class's score minus the true class's.</summary>
    /// <param name="labels">One label for each instance, in their order.</param>
    public static Quantity PredictedMinusTrue(IEnumerable<long> labels) =>
        new(QuantityModule.predictedMinusTrue([.. labels]));

    /// <summary>s_k, a given class's score.</summary>
    public static Quantity Class(int k) => new(QuantityModule.ofClass(k));

    /// <summary>s_a - s_b, the margin of class a over class b.</summary>
    public static Quantity Margin(int a, int b) => new(QuantityModule.margin(a, b));

    /// <summary>s_a - s_b with classes a and b of each instance's own, such as its true class and the one it is taken for.</summary>
    /// <param name="classes">a: one for each instance, in their order.</param>
    /// <param name="others">b: the same.</param>
    public static Quantity MarginEach(IEnumerable<long> classes, IEnumerable<long> others) =>
        new(QuantityModule.marginEach([.. classes], [.. others]));

    /// <summary>The mean score of some classes minus the mean score of others.</summary>
    /// <exception cref="AttributionException">One of the sides has no class.</exception>
    public static Quantity Margin(IEnumerable<int> classes, IEnumerable<int> others) =>
        new(QuantityModule.marginOf(classes, others));

    /// <summary>s_k minus the mean score of all other classes.</summary>
    public static Quantity OneVsRest(int k) => new(QuantityModule.oneVsRest(k));

    /// <summary>How far s_k lies from a threshold t, on the side where the explained instance has it:
    /// sign(s_k(x) - t) · (s_k - t).</summary>
    /// <remarks>Its gradient at x is that of TruLens's ThresholdQoI, "high minus low", for one class.</remarks>
    /// <exception cref="ArgumentOutOfRangeException">The threshold is no finite number.</exception>
    public static Quantity Threshold(int k, double threshold) =>
        double.IsFinite(threshold)
            ? new(QuantityModule.threshold(k, threshold))
            : throw new ArgumentOutOfRangeException(nameof(threshold), threshold, "A threshold is a finite number.");

    /// <summary>The value of a unit of a layer; what lies above the layer is not run.</summary>
    /// <param name="layer">The layer, by its name in <see cref="Model.Layers"/>.</param>
    /// <param name="unit">The unit's position among those of the layer.</param>
    /// <param name="units">What a unit of the layer is.</param>
    public static Quantity Unit(string layer, int unit, Units units = Units.Auto) =>
        new(QuantityModule.ofUnit(units.InCore(), layer, unit));

    /// <summary>The scores of class k summed over where an image is of class k by the largest score of each position; of
    /// a single class, where its score is positive.</summary>
    /// <param name="model">A segmentation.</param>
    /// <param name="k">The class.</param>
    /// <exception cref="AttributionException">The model has no scores of positions, or not the class; when it is asked for, an image is
    /// nowhere of it.</exception>
    public static Quantity Region(Model model, int k)
    {
        var (layer, shape) = RegionsOf(model);
        Tensor Predicted(Model model, Tensor x)
        {
            using var _ = no_grad();
            var scores = ModelModule.value(layer, model.Core, x);
            return (shape[0] == 1 ? scores.select(1, 0).gt(Number.Of(0.0)) : scores.argmax(1).eq(Number.Of((long)k)));
        }
        return new(Attribution.Core.Region.ofPredicted(layer, [.. shape], k)) { Asked = Predicted };
    }

    /// <summary>The scores of class k summed over a region: Σ m s_k.</summary>
    /// <param name="model">A segmentation, or a network that gives heat maps.</param>
    /// <param name="k">The class.</param>
    /// <param name="mask">m, from 0 to 1: h×w, or n×h×w for each image its own, of the images' size or of the scores'. Of the images'
    /// size, each score is weighed with the share of its pixels that lie inside.</param>
    /// <param name="name">What reports call it.</param>
    /// <exception cref="AttributionException">The model has no scores of positions, or not the class, or the mask has another
    /// size.</exception>
    public static Quantity Region(Model model, int k, Tensor mask, string? name = null)
    {
        var (layer, shape) = RegionsOf(model);
        using var scope = NewDisposeScope();
        var masks = (mask.dim() == shape.Count - 1 ? mask.unsqueeze(0) : mask).to(ScalarType.Float64);
        long[] own = [.. masks.shape.Skip(1)];
        long[] positions = [.. shape.Skip(1)];
        if (!own.SequenceEqual(positions))
        {
            if (own.Length != 2 || model.InputShape is not { } image || !own.SequenceEqual(image.Skip(1)))
                throw new AttributionException(
                    $"The mask has {string.Join("×", own)} positions: give one of the images' size or of the scores', {string.Join("×", positions)}."
                );
            masks = nn.functional.adaptive_avg_pool2d(masks.unsqueeze(1), positions).squeeze(1);
        }
        var shown = mask.clone().DetachFromDisposeScope();
        return new(Attribution.Core.Region.ofMask(layer, [.. shape], masks, k, name ?? $"region:{k}@mask"))
        {
            Asked = mask.dim() == shape.Count - 1 ? (_, _) => shown.unsqueeze(0) : null,
        };
    }

    /// <summary>The score of class k at the position that a pixel lies in.</summary>
    /// <param name="model">A segmentation, or a network that gives heat maps.</param>
    /// <param name="k">The class.</param>
    /// <param name="x">The pixel's column.</param>
    /// <param name="y">The pixel's row.</param>
    /// <exception cref="AttributionException">The model has no scores of positions, or not the class, or no image has the pixel.</exception>
    public static Quantity Point(Model model, int k, int x, int y)
    {
        var (layer, shape) = RegionsOf(model);
        if (shape.Count != 3 || model.InputShape is not [_, var height, var width])
            throw new AttributionException("A point is asked for by a column and a row of an image of a fixed size.");
        if (x < 0 || x >= width || y < 0 || y >= height)
            throw new AttributionException($"The images are {width}×{height} pixels, and have no pixel {x},{y}.");
        var (row, column) = (y * shape[1] / height, x * shape[2] / width);
        Tensor Cell(Model model, Tensor image)
        {
            var cells = zeros(1, shape[1], shape[2]);
            cells[0, row, column] = 1;
            return cells;
        }
        return new(Attribution.Core.Region.at(layer, [.. shape], k, [row, column], $"point:{k}@{x},{y}"))
        {
            Asked = Cell,
        };
    }

    private static RegionScores RegionsOf(Model model) =>
        model.Regions
        ?? throw new AttributionException(
            "The model gives one row of scores an image, and none of positions: ask for class:K, or name an output n×k×h×w by --output."
        );

    /// <summary>The score of the detection that overlaps a box most, as it was for the image.</summary>
    /// <param name="model">A detector.</param>
    /// <param name="box">Left, top, width and height, in pixels.</param>
    /// <param name="k">The class; null: that of which the detection has the highest score.</param>
    /// <exception cref="AttributionException">The model detects nothing, or not the class; when it is asked for, no detection of an image
    /// overlaps the box.</exception>
    public static Quantity Box(Model model, (double X, double Y, double Width, double Height) box, int? k = null)
    {
        var (found, size, numbers) = DetectionsOf(model, box);
        return new(
            Attribution.Core.Detection.ofBox(
                found.Layer,
                [.. found.Shape],
                (BoxFormat)found.Boxes,
                size.Width,
                size.Height,
                numbers,
                k
            )
        )
        {
            Asked = (_, x) => Inside(x, box),
        };
    }

    private static Tensor Inside(Tensor x, (double X, double Y, double Width, double Height) box)
    {
        Tensor Along(long size, double start, double length)
        {
            var centres = arange(size, ScalarType.Float64).add(Number.Of(0.5));
            return centres.ge(Number.Of(start)).logical_and(centres.le(Number.Of(start + length)));
        }
        var rows = Along(x.shape[2], box.Y, box.Height).unsqueeze(1);
        return rows.logical_and(Along(x.shape[3], box.X, box.Width)).unsqueeze(0);
    }

    /// <summary>How well the best of all detections agrees with the image's at a box: intersection over union times the cosine of the
    /// classes' scores. With <see cref="Rise"/> it is D-RISE.</summary>
    /// <remarks>Petsiuk et al., arXiv 2006.03204.</remarks>
    /// <inheritdoc cref="Box" path="/param[@name='model' or @name='box'] | /exception"/>
    public static Quantity Detection(Model model, (double X, double Y, double Width, double Height) box)
    {
        var (found, size, numbers) = DetectionsOf(model, box);
        return new(
            Attribution.Core.Detection.similarity(
                found.Layer,
                [.. found.Shape],
                (BoxFormat)found.Boxes,
                size.Width,
                size.Height,
                numbers
            )
        )
        {
            Asked = (_, x) => Inside(x, box),
        };
    }

    private static (DetectionScores Found, (double Width, double Height) Size, double[] Box) DetectionsOf(
        Model model,
        (double X, double Y, double Width, double Height) box
    )
    {
        var found =
            model.Detections
            ?? throw new AttributionException(
                "The model gives no boxes: ask for class:K, or of a segmentation for region:K."
            );
        if (!(box.Width > 0 && box.Height > 0))
            throw new AttributionException("A box has a width and a height above 0.");
        (double, double) size = model.InputShape is [_, var height, var width] ? (width, height) : (1, 1);
        return (found, size, [box.X, box.Y, box.Width, box.Height]);
    }

    /// <summary>Any number of the model's output, by its row-major position in it: a regression's, a heat map's.</summary>
    /// <param name="model">The model.</param>
    /// <param name="position">Which.</param>
    public static Quantity Output(Model model, int position) =>
        (model.Regions?.Layer ?? model.Detections?.Layer) is { } layer
            ? Unit(layer, position, Units.Each)
            : Class(position);

    /// <summary>Any differentiable function of the logits that treats instances one by one.</summary>
    /// <param name="function">n×k logits to n numbers.</param>
    /// <param name="name">What reports call it.</param>
    public static Quantity Of(Func<Tensor, Tensor> function, string name = "function") =>
        new(Interop.Quantity(name, function));

    internal static Quantity OfTarget(int? targetClass) => targetClass is { } k ? Class(k) : Predicted;

    internal static Quantity OfTarget(Model model, int? targetClass, Scale scale)
    {
        var quantity = OfTarget(targetClass);
        return scale switch
        {
            Scale.Logits => quantity,
            Scale.Probabilities => new(QuantityModule.ofProbabilitiesBy(model.Head, quantity.Core)),
            _ => throw new ArgumentOutOfRangeException(
                nameof(scale),
                scale,
                "A class's score is its logit or its probability."
            ),
        };
    }

    /// <inheritdoc/>
    public override string ToString() => Name;
}
