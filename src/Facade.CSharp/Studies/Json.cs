using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Attribution;

/// <summary>JSON files: names in snake_case, what is unknown left out.</summary>
internal static class Json
{
    private static readonly JsonSerializerOptions options = new()
    {
        WriteIndented = true,
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    public static void Write<T>(string path, T value) =>
        AtomicFile.Write(path, stream => JsonSerializer.Serialize(stream, value, options));

    /// <summary>A number that JSON can hold: null stands for NaN and infinities.</summary>
    public static double? Number(double value) => double.IsFinite(value) ? value : null;
}
