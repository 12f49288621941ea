using System.Text;
using static TorchSharp.torch;

namespace Attribution;

/// <summary>What is downloaded: numbers as text that spreadsheets read, and files that the library writes.</summary>
internal static class Downloads
{
    /// <summary>The bytes of a file that something writes.</summary>
    public static byte[] Written(Action<string> write)
    {
        var path = Path.Combine(Path.GetTempPath(), $"attribution-{Guid.NewGuid():N}");
        try
        {
            write(path);
            return File.ReadAllBytes(path);
        }
        finally
        {
            File.Delete(path);
        }
    }

    /// <summary>A map, a line a row of pixels: the mean over its channels.</summary>
    public static byte[] OfMap(Tensor maps)
    {
        using var scope = NewDisposeScope();
        var map = maps[0].to(ScalarType.Float64).mean([0]);
        var rows = map.data<double>().ToArray().Chunk((int)map.shape[1]);
        return Text(rows.Select(row => string.Join(',', row.Select(Number))));
    }

    private static string Number(double value) => value.ToString("R", CultureInfo.InvariantCulture);

    private static byte[] Text(IEnumerable<string> lines) => Encoding.UTF8.GetBytes(string.Join('\n', lines) + "\n");
}
