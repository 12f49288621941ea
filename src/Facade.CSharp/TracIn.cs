namespace Attribution;

/// <summary>A training image, and how much its own steps have lowered the loss of another.</summary>
/// <param name="Index">Its position among the training images.</param>
/// <param name="Influence">Positive where they have lowered it: a proponent; negative where they have raised it: an opponent.</param>
public readonly record struct TrainingImage(int Index, double Influence);

/// <summary>
/// TracIn: which training images made the model say so? The influence of a training image z' on another z is
/// Σ η ⟨∇ℓ(z), ∇ℓ(z')⟩ over checkpoints of the training, ℓ the cross-entropy and ∇ its gradient in the weights of the last dense layers:
/// what a step of stochastic gradient descent on z' with the rate η has taken from the loss of z.
/// </summary>
/// <remarks>Pruthi, Liu, Kale and Sundararajan, arXiv 2002.08484. A class's scores are its labels': of a model of one logit, both
/// classes'.</remarks>
public sealed class TracIn
{
    private readonly (Model Model, double Rate)[] checkpoints;
    private readonly string[] layers;

    /// <summary>By the model alone, as its training left it.</summary>
    /// <param name="model">The classifier: a module of <see cref="TorchSharp.Modules.Sequential"/>, an npz file, an ONNX file.</param>
    /// <param name="layers">How many of the last dense layers.</param>
    /// <exception cref="ArgumentOutOfRangeException">layers is less than 1.</exception>
    /// <exception cref="AttributionException">The model has not so many that can be seen.</exception>
    public TracIn(Model model, int layers = 1)
        : this([(model, 1.0)], layers) { }

    /// <summary>By several checkpoints of a training.</summary>
    /// <param name="checkpoints">The model after some of the training, and its learning rate η there.</param>
    /// <param name="layers">How many of the last dense layers.</param>
    /// <exception cref="ArgumentOutOfRangeException">layers is less than 1.</exception>
    /// <exception cref="AttributionException">There is no checkpoint, or a model has not so many layers that can be seen.</exception>
    public TracIn(IEnumerable<(Model Model, double Rate)> checkpoints, int layers = 1)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(layers, 1);
        this.checkpoints = [.. checkpoints];
        if (this.checkpoints.Length == 0)
            throw new AttributionException("TracIn follows a training by its checkpoints, but there is none.");
        string[] found = [.. TrainingInfluence.layers(this.checkpoints[0].Model.Core)];
        if (found.Length == 0)
            throw new AttributionException(
                "TracIn looks at the last dense layers, and the model has none that can be seen: make the module a Sequential of its parts, or load the model from ONNX."
            );
        if (found.Length < layers)
            throw new AttributionException(
                $"TracIn was asked for the last {layers} dense layers, but the model has {found.Length}: {string.Join(", ", found)}."
            );
        this.layers = found[..layers];
    }

    /// <summary>The layers whose gradients are compared, the last one first.</summary>
    public IReadOnlyList<string> Layers => layers;

    /// <summary>The influence of each training image on each explained one: n×m, in 64-bit floats.</summary>
    /// <param name="explained">n images.</param>
    /// <param name="training">m training images, with their true classes.</param>
    /// <param name="classes">The label of each explained image; null: the class that is predicted for it, so that the question is which
    /// images made the model say so.</param>
    /// <param name="cancellation">Stops the work.</param>
    /// <exception cref="AttributionException">The training images' true classes are not known, or the model lacks one.</exception>
    public Tensor Influence(
        Instances explained,
        ImageSet training,
        IEnumerable<long>? classes = null,
        CancellationToken cancellation = default
    ) => Influence(explained, training, training.TrueClasses, classes, cancellation);

    /// <summary>The same of training images in memory.</summary>
    /// <param name="explained">n images.</param>
    /// <param name="training">m training images.</param>
    /// <param name="labels">The true class of each training image.</param>
    /// <param name="classes">The label of each explained image; null: the class that is predicted for it.</param>
    /// <param name="cancellation">Stops the work.</param>
    /// <exception cref="ArgumentException">There is not a class for each image.</exception>
    /// <exception cref="AttributionException">The model lacks a class.</exception>
    public Tensor Influence(
        Instances explained,
        Instances training,
        IEnumerable<long> labels,
        IEnumerable<long>? classes = null,
        CancellationToken cancellation = default
    )
    {
        using var scope = NewDisposeScope();
        var last = checkpoints[^1].Model;
        long[] asked = [.. classes ?? Predicted(last, explained, cancellation)];
        long[] known = [.. labels];
        Require(asked, explained.Count, "explained");
        Require(known, training.Count, "training");
        var sum = zeros(explained.Count, training.Count, dtype: ScalarType.Float64);
        foreach (var (model, rate) in checkpoints)
        {
            using var step = NewDisposeScope();
            cancellation.ThrowIfCancellationRequested();
            var working = model.Working(null, 0, null, cancellation);
            var ours = explained.Core.LossGradients(working, layers, asked);
            var theirs = training.Core.LossGradients(working, layers, known);
            sum.add_(TrainingInfluence.products(ours, theirs).cpu(), Number.Of(rate));
        }
        return sum.MoveToOuterDisposeScope();
    }

    /// <summary>The training images of largest influence on an explained one.</summary>
    /// <param name="influence">What <see cref="Influence(Instances, ImageSet, IEnumerable{long}?, CancellationToken)"/> gave.</param>
    /// <param name="explained">The position of the explained image.</param>
    /// <param name="count">How many.</param>
    public static IReadOnlyList<TrainingImage> Proponents(Tensor influence, int explained, int count) =>
        [.. Ranked(influence, explained).Take(count)];

    /// <summary>Those of least, the most negative first.</summary>
    /// <inheritdoc cref="Proponents"/>
    public static IReadOnlyList<TrainingImage> Opponents(Tensor influence, int explained, int count) =>
        [.. Ranked(influence, explained).Reverse().Take(count)];

    private static IEnumerable<TrainingImage> Ranked(Tensor influence, int explained) =>
        Maps.Numbers(influence[explained].clone())
            .Select((value, index) => new TrainingImage(index, value))
            .OrderByDescending(image => image.Influence);

    private static long[] Predicted(Model model, Instances x, CancellationToken cancellation) =>
        TensorModule.toArray<long>(model.ClassScores(x, cancellation: cancellation).argmax(1));

    private void Require(long[] classes, int count, string which)
    {
        if (classes.Length != count)
            throw new ArgumentException(
                $"There must be a class for each of the {count} {which} images, but there are {classes.Length}."
            );
        if (classes.FirstOrDefault(c => c < 0, 0) is < 0 and var wrong)
            throw new AttributionException($"There is no class {wrong}.");
    }
}
