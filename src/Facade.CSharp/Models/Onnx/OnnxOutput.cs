namespace Attribution.Onnx;

/// <summary>One of a file's outputs.</summary>
/// <param name="Name">What the file calls it.</param>
/// <param name="Tensor">The tensor that holds its numbers: its own, or the one that a ZipMap makes a map of.</param>
/// <param name="IsReal">Whether it holds real numbers, as scores are, as far as the file says.</param>
internal sealed record OnnxOutput(string Name, string Tensor, bool IsReal)
{
    // Of names that hold one of the words, the earlier ones speak more for scores, and the last ones against them.
    private static readonly string[][] Words =
    [
        ["logit"],
        ["score"],
        ["prob", "softmax", "sigmoid"],
        ["class", "pred"],
        ["output"],
        [],
        ["aux", "embed", "feature", "hidden", "token", "attention", "attn"],
    ];

    /// <summary>The outputs of real numbers, those first whose names speak most for scores, and of equals the last.</summary>
    public static IEnumerable<OnnxOutput> ByName(IEnumerable<OnnxOutput> outputs) =>
        outputs.Where(output => output.IsReal).Reverse().OrderBy(output => Rank(output.Name.ToLowerInvariant()));

    private static int Rank(string name)
    {
        var last = Words.Length - 1;
        if (Words[last].Any(name.Contains))
            return last;
        var first = System.Array.FindIndex(Words, words => words.Any(name.Contains));
        return first >= 0 ? first : System.Array.FindIndex(Words, words => words.Length == 0);
    }
}
