using System.Runtime.InteropServices;

namespace Attribution;

/// <summary>Turns what can go wrong with a file into one sentence that names it.</summary>
internal static class FileErrors
{
    /// <summary>Runs a step of reading; a <see cref="FormatException"/> says what is wrong with the contents.</summary>
    public static T Reading<T>(string name, Func<T> step)
    {
        try
        {
            return step();
        }
        catch (Exception e) when (IsSystems(e) || IsContents(e))
        {
            var why = e switch
            {
                FileNotFoundException or DirectoryNotFoundException => "it does not exist; check the path",
                EndOfStreamException => "it is cut short; copy it again from its source",
                FormatException => e.Message,
                ArgumentException when name is "''" => "the path is empty; give a file's name",
                _ when IsContents(e) => "it is damaged, or of another format; copy it again from its source",
                _ => $"{Clause(e)}; check that it is a file that you may read",
            };
            throw new AttributionException($"Cannot read {name}: {why}.", e);
        }
    }

    /// <summary>Runs a step of writing.</summary>
    public static void Writing(string name, Action step)
    {
        try
        {
            step();
        }
        catch (Exception e) when (IsSystems(e))
        {
            throw new AttributionException(
                $"Cannot write {name}: {Clause(e)}; check the permissions and the space left.",
                e
            );
        }
    }

    private static bool IsSystems(Exception e) => e is IOException or UnauthorizedAccessException;

    // What .NET's zip reader and libtorch throw at contents that lie.
    private static bool IsContents(Exception e) =>
        e
            is FormatException
                or InvalidDataException
                or NotSupportedException
                or ArgumentException
                or OverflowException
                or ExternalException;

    private static string Clause(Exception e) => e.Message.TrimEnd('.');
}
