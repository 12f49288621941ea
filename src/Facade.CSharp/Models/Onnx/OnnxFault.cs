namespace Attribution.Onnx;

/// <summary>Errors whose words come in part from a file: one printable line of a readable length, whatever is in the
/// file.</summary>
internal static class OnnxFault
{
    private const int LongestMessage = 800,
        LongestName = 80;

    public static AttributionException Of(string message, Exception? cause = null) =>
        new(message.Length <= LongestMessage ? Printable(message) : Printable(message[..LongestMessage]) + "….", cause);

    /// <summary>A name in quotes.</summary>
    public static string Quoted(string name) =>
        $"'{Printable(name.Length <= LongestName ? name : name[..LongestName] + "…")}'";

    private static string Printable(string text) => string.Concat(text.Select(c => char.IsControl(c) ? '\uFFFD' : c));
}
