namespace Attribution;

/// <summary>The numbers that a network computes in.</summary>
public enum Precision
{
    /// <summary>32-bit floats.</summary>
    Float32,

    /// <summary>16-bit floats with the range of 32: faster, and coarser.</summary>
    BFloat16,

    /// <summary>64-bit floats.</summary>
    Float64,
}

/// <summary>What a model's scores are, and so how probabilities are made of them, for the metrics that take some.</summary>
public enum ScoreKind
{
    /// <summary>Logits of classes of which one is right: p = softmax(s). Of a single logit p = σ(s).</summary>
    Logits,

    /// <summary>Logits of classes that are there or not, each for itself: p = σ(s) of each.</summary>
    IndependentLogits,

    /// <summary>Probabilities: p = s.</summary>
    Probabilities,
}

/// <summary>A place where a model can be cut.</summary>
/// <param name="Name">The name to ask for it by.</param>
/// <param name="Operation">What computes it, for people.</param>
/// <param name="Shape">The shape of one instance's values; empty where the model's input shape is unknown.</param>
/// <param name="Reading">What a unit of it is where nobody says; see <see cref="Units.Auto"/>.</param>
/// <param name="Aliases">Other names to ask for it by: the path of the module that an ONNX file was exported from, its node's name.</param>
/// <param name="Note">Why one may want to cut there: "dense", "last convolution", "default cut", or several of them; of attention
/// "12 heads", and of tokens how they lie in the image; else empty.</param>
public sealed record Layer(
    string Name,
    string Operation,
    IReadOnlyList<long> Shape,
    Units Reading,
    IReadOnlyList<string> Aliases,
    string Note
)
{
    /// <summary>The number of units: channels or heads where <see cref="Reading"/> says so.</summary>
    public long Units { get; internal init; } = Shape.Aggregate(1L, (product, size) => product * size);

    /// <summary>The layers that it is computed of; none for the images.</summary>
    public IReadOnlyList<string> Inputs { get; internal init; } = [];

    /// <summary>How the layer's positions lie in the image: "14×14", or "14×14 and 1 beside" with a class token; empty where they
    /// are none, or not known.</summary>
    public string Positions { get; internal init; } = "";
}
