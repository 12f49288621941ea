namespace Attribution.Onnx;

/// <summary>What a file's scores are: logits, or probabilities, and where the logits of those are.</summary>
/// <param name="Logits">What to explain in place of the scores; null: the scores.</param>
/// <param name="Scores">What that is.</param>
/// <param name="Note">What a person should know of it.</param>
/// <param name="IsOneProbability">Whether the scores are each image's one probability, of which no logit is to be found.</param>
internal sealed record OnnxHead(Value? Logits, ScoreKind Scores, string? Note, bool IsOneProbability = false)
{
    /// <summary>What a model of one logit is taken for.</summary>
    public const string OneLogitNote =
        "The model has one logit z: it is taken for two classes, 1 with the score z and the probability σ(z), and 0 with the score -z.";

    private const string Bounded = "between 0 and 1, whatever the image, and no logits of that are to be found:",
        Remedy = "Gradients are near 0 where one is near 0 or 1; export the model without its final sigmoid.";

    // Rounding of float32, of sums and of what a logarithm makes of it.
    private const double Rounding = 1e-5,
        LeastSure = 1e-4,
        Relative = 1e-3;

    /// <summary>Scores that nothing is known of.</summary>
    public static readonly OnnxHead Plain = new(null, ScoreKind.Logits, null);

    /// <summary>The node that a file ends with, where it makes probabilities of logits.</summary>
    /// <param name="node">A softmax, its logarithm, or a sigmoid.</param>
    /// <param name="isLast">Whether nothing follows it.</param>
    public static OnnxHead Of(OnnxNode node, bool isLast) =>
        new(
            node.Input(0),
            node.Op == "Sigmoid" ? ScoreKind.IndependentLogits : ScoreKind.Logits,
            $"The final {node.Op} ({OnnxFault.Quoted(node.Output)}) {(isLast ? "is" : "and what follows it are")} left out, since scores are logits."
        );

    /// <summary>What scores are by their values: a softmax, its logarithm or a sigmoid, however it is spelled, of a tensor that
    /// they follow from.</summary>
    /// <param name="scores">The name of the scores' node in the graph.</param>
    /// <param name="model">The network that leads to them.</param>
    /// <param name="image">The shape of an image.</param>
    /// <param name="tensors">The tensors of the file that have a node, by its name.</param>
    public static OnnxHead Of(string scores, Core.Model model, long[] image, IReadOnlyDictionary<string, Value> tensors)
    {
        if (IsLinear(scores, model.Graph))
            return Plain;
        using var scope = NewDisposeScope();
        (string Name, Tensor Value)[] values;
        try
        {
            values =
            [
                .. from pair in Interop.LikeOutput(model.Graph, Varied(image))
                select (pair.Item1, pair.Item2.to(ScalarType.Float64)),
            ];
        }
        // Whoever uses the network is told what is wrong with it.
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            return Plain;
        }
        var before = values.TakeWhile(value => value.Name != scores).Where(value => tensors.ContainsKey(value.Name));
        return values.FirstOrDefault(value => value.Name == scores).Value is { } p
            ? Of(
                p,
                IsBounding(model.Graph.Nodes.Single(node => node.Name == scores).Op),
                [.. before.Select(value => (tensors[value.Name], value.Value))]
            )
            : Plain;
    }

    /// <summary>What scores of varied images are (n×k, float64), of which nothing else is known.</summary>
    public static OnnxHead Of(Tensor scores) => Of(scores, true, []);

    // What is pooled, or positive, may be below 1 by chance.
    private static bool IsBounding(Op op) =>
        !(op.IsPool || op.IsGlobalPool || op is Op.Activation { Item: { IsRelu: true } or { IsLeakyRelu: true } });

    private static OnnxHead Of(Tensor p, bool isBounded, IReadOnlyList<(Value Tensor, Tensor Value)> before)
    {
        // What no image that there can be drives out of 0 to 1, something bounds.
        var beyond = p[Images..];
        isBounded &= AreBetween(beyond, -Rounding, 1 + Rounding).logical_or(beyond.isnan()).IsAll();
        p = p[..Images];
        before = [.. before.Select(pair => (pair.Tensor, pair.Value[..Images]))];
        var isSame = (p - p[0]).abs().max().ToNumber() < Rounding;
        if (isSame || !p.isfinite().IsAll())
            return Plain;
        var (least, most) = (p.min().ToNumber(), p.max().ToNumber());
        var (isUnit, isOneOfMany) = (least >= -Rounding && most <= 1 + Rounding, p.shape[1] > 1);
        bool IsNear(Tensor sums, double to) => sums.Plus(-to).abs().max().ToNumber() < LeastSure;

        // The earliest: what a softmax takes away, such as the largest logit, does not change it.
        Value? First(Func<Tensor, bool> fits, long? count = null) =>
            before
                .FirstOrDefault(pair =>
                    pair.Value.shape[1] == (count ?? p.shape[1]) && pair.Value.isfinite().IsAll() && fits(pair.Value)
                )
                .Tensor;

        // Of two probabilities 1 - σ(z) and σ(z) the logit is z.
        var ofSecond = p.narrow(1, p.shape[1] - 1, 1);
        if (
            isUnit
            && p.shape[1] == 2
            && IsNear(p.sum(1), 1)
            && First(z => Agree(ofSecond, z.sigmoid(), z, LogOdds(ofSecond)), 1) is { } single
        )
            return new(single, ScoreKind.IndependentLogits, InItsPlace("1 - p and p, p a sigmoid", single));
        if (isUnit && isOneOfMany && IsNear(p.sum(1), 1))
            return First(z => Agree(p, z.softmax(1), z.log_softmax(1), p.log())) is { } logits
                ? new(logits, ScoreKind.Logits, InItsPlace("a softmax", logits))
                : new(
                    null,
                    ScoreKind.Probabilities,
                    "The scores are probabilities (between 0 and 1, and each image's sum to 1), and their logits are not to be found: gradients are near 0 where a class is all but certain. Export the model without its final softmax."
                );
        if (most <= Rounding && isOneOfMany && IsNear(p.logsumexp(1), 0))
            return First(z => IsNear((z.log_softmax(1) - p) / p.abs().Plus(1), 0)) is { } logits
                ? new(logits, ScoreKind.Logits, InItsPlace("the logarithm of a softmax", logits))
                : new(
                    null,
                    ScoreKind.Logits,
                    "The scores are logarithms of probabilities, and their logits are not to be found: gradients are near 0 where a class is all but certain. Export the model without its final softmax."
                );
        if (!isUnit)
            return Plain;
        return First(z => Agree(p, z.sigmoid(), z, LogOdds(p))) is { } each
                ? new(each, ScoreKind.IndependentLogits, InItsPlace("a sigmoid", each))
            : !isBounded ? Plain
            : isOneOfMany
                ? new(
                    null,
                    ScoreKind.Probabilities,
                    $"The scores lie {Bounded} they are taken for probabilities, each for itself. {Remedy}"
                )
            : new(
                null,
                ScoreKind.Logits,
                $"The score lies {Bounded} its log-odds, log(p / (1 - p)), are explained in its place. {Remedy}",
                true
            );
    }

    private static string InItsPlace(string what, Value logits) =>
        $"The output is {what} of {OnnxFault.Quoted(logits.Name)}, which is explained in its place, since scores are logits.";

    // Equal, and as logits too where a probability tells them: for several images, so that it cannot be for chance.
    private static bool Agree(Tensor p, Tensor made, Tensor logits, Tensor expected)
    {
        var tells = AreBetween(p, LeastSure, 1 - LeastSure);
        if ((p - made).abs().max().ToNumber() > Rounding || tells.any(1).sum().ToNumber() < 2)
            return false;
        var difference = (logits - expected).abs() / expected.abs().Plus(1);
        return difference.masked_fill(tells.logical_not(), Number.Of(0.0)).max().ToNumber() < Relative;
    }

    private static Tensor AreBetween(Tensor t, double least, double most) =>
        t.ge(Number.Of(least)).logical_and(t.le(Number.Of(most)));

    private static Tensor LogOdds(Tensor p) => p.log() - TensorModule.complement(p).log();

    // Whether a linear step gives the scores, whose values have no bounds then.
    private static bool IsLinear(string scores, Graph graph)
    {
        var nodes = graph.Nodes.ToDictionary(node => node.Name);
        for (var node = nodes[scores]; ; )
        {
            if (node.Op.IsLinear || node.Op.IsConvolution || node.Op.IsBatchNorm || node.Op.IsInput)
                return true;
            var inputs = node.Inputs.Select(name => nodes[name]).Where(input => !input.Op.IsConstant).ToArray();
            var isKept = node.Op.IsFlatten || node.Op.IsReshape || node.Op.IsPermute || node.Op.IsIdentity;
            var isMoved = node.Op.IsAdd || node.Op.IsSubtract || node.Op.IsMultiply || node.Op.IsDivide;
            if (!isKept && !isMoved || inputs is not [var only])
                return false;
            // By a constant; a constant divided by it is another thing.
            if (node.Op.IsDivide && node.Inputs.Head != only.Name)
                return false;
            node = only;
        }
    }

    // Those in pixels' range.
    private const int Images = 8;

    /// <summary>Images that no network takes for one: black, white, ramps and noise, from strong to faint; and two of numbers far
    /// beyond a pixel's.</summary>
    public static Tensor Varied(long[] image)
    {
        const double White = 255,
            Beyond = 1e6;
        using var generator = new Generator(1);
        var ramp = linspace(0, White, image.Aggregate(1L, (a, b) => a * b)).reshape(image);
        Tensor Noise(double size) => rand(image, generator: generator) * Number.Of(size);
        return stack([
            zeros(image),
            full(image, Number.Of(White)),
            ramp,
            ramp.neg().Plus(White),
            Noise(White),
            Noise(White / 16).Plus(White / 2),
            Noise(White / 16),
            Noise(1),
            Noise(Beyond),
            -Noise(Beyond),
        ]);
    }
}
