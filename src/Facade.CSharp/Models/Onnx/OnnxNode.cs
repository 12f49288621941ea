namespace Attribution.Onnx;

/// <summary>A node of the file with its inputs' values: typed access to both, where whatever is missing says so.</summary>
internal sealed class OnnxNode(
    string path,
    NodeProto proto,
    IReadOnlyList<Value?> inputs,
    long opset,
    TensorReader tensors,
    bool isStacked = false
)
{
    private const int MostListed = 4096;

    private readonly Dictionary<string, AttributeProto> attributes = proto
        .Attribute.GroupBy(a => a.Name)
        .ToDictionary(group => group.Key, group => group.First());

    public string Op => proto.OpType;

    /// <summary>The version of the operator set that the file was written for.</summary>
    public long Opset => opset;

    /// <summary>The name of the node's value.</summary>
    public string Output => proto.Output[0];

    public IReadOnlyList<string> Outputs => proto.Output;

    public IReadOnlyList<Value> Inputs => [.. inputs.Select((_, i) => Input(i))];

    /// <summary>The inputs, null where one is left out.</summary>
    public IReadOnlyList<Value?> Optionals => inputs;

    /// <summary>The inputs that are there.</summary>
    public IEnumerable<Value> Given => inputs.OfType<Value>();

    public Value Input(int i) => Optional(i) ?? throw Fault($"lacks input {i + 1}");

    public Value? Optional(int i) => i < inputs.Count ? inputs[i] : null;

    /// <summary>The known numbers of an input.</summary>
    public Tensor Constant(int i)
    {
        var value = Input(i);
        return value.IsConstant
            ? value.First
            : throw Fault($"takes '{value.Name}', which must be a constant of the file");
    }

    private AttributeProto? Attribute(string name) => attributes.GetValueOrDefault(name);

    public bool Has(string attribute) => attributes.ContainsKey(attribute);

    public long Int(string attribute, long otherwise) => Attribute(attribute)?.I ?? otherwise;

    /// <summary>Whether an attribute says so, in a whole number; where it is left out, it does not.</summary>
    public bool Is(string attribute) => Int(attribute, 0) != 0;

    public double Float(string attribute, double otherwise) => Attribute(attribute)?.F ?? otherwise;

    public string Text(string attribute, string otherwise) => Attribute(attribute)?.S.ToStringUtf8() ?? otherwise;

    public float[]? Floats(string attribute) => Attribute(attribute)?.Floats.ToArray();

    public long[]? Ints(string attribute) =>
        Attribute(attribute) is not { } found ? null
        : found.Ints.Count <= MostListed ? [.. found.Ints]
        : throw Fault($"lists {found.Ints.Count} {attribute}");

    public ScalarType TypeOf(long dataType) => tensors.TypeOf(dataType, $"a value of node {OnnxFault.Quoted(Name)}");

    public Tensor? Tensor(string attribute) =>
        Attribute(attribute)?.T is { } tensor
            ? tensors.Read(tensor, $"the constant of node {OnnxFault.Quoted(Name)}")
            : null;

    public GraphProto Graph(string attribute) => Attribute(attribute)?.G ?? throw Fault($"lacks its {attribute}");

    /// <summary>Whole numbers that were an attribute in older operator sets and are an input in newer ones.</summary>
    public long[]? Ints(string attribute, int input) =>
        Ints(attribute) ?? (Optional(input) is null ? null : List(Constant(input)));

    /// <summary>A number that was an attribute in older operator sets and is an input in newer ones.</summary>
    public double? Number(string attribute, int input)
    {
        if (Has(attribute))
            return Float(attribute, 0);
        if (Optional(input) is null)
            return null;
        var constant = Constant(input);
        return constant.numel() == 1
            ? constant.ToNumber()
            : throw Fault($"takes '{Input(input).Name}', which must be one number");
    }

    /// <summary>The whole numbers of a small tensor.</summary>
    public long[] List(Tensor numbers) =>
        numbers.numel() <= MostListed
            ? numbers.to(ScalarType.Int64).contiguous().data<long>().ToArray()
            : throw Fault($"takes a list of {numbers.numel()} whole numbers");

    /// <summary>The dimension that an attribute names, counted from the start, of a value that has so many.</summary>
    public int Axis(long axis, int rank)
    {
        var own = rank - Leading;
        return axis >= -own && axis < own
            ? (int)(axis < 0 ? axis + rank : axis + Leading)
            : throw Fault($"names dimension {axis} of a value that has {own}");
    }

    /// <summary>How many dimensions stand in front of those that the file knows: the instances' own, if it is there.</summary>
    public int Leading => isStacked ? 1 : 0;

    /// <summary>The node with other inputs.</summary>
    /// <param name="inputs">The inputs' values.</param>
    /// <param name="isStacked">Whether what images give has the instances in a dimension of their own.</param>
    public OnnxNode With(IEnumerable<Value?> inputs, bool isStacked) =>
        new(path, proto, [.. inputs], opset, tensors, isStacked);

    public string Name => proto.Name.Length > 0 ? proto.Name : string.Join(", ", proto.Output);

    public AttributionException Fault(string problem, Exception? cause = null) =>
        OnnxFault.Of($"'{path}': operator '{Op}' (node '{Name}') {problem}.", cause);
}
