using System.IO.Compression;
using System.Text;
using System.Text.RegularExpressions;

namespace Attribution;

/// <summary>Looks through a TorchScript file before libtorch does, which takes the file's word for what is in it: it reads past
/// the end of a damaged array, and ends the process where source names what is not there.</summary>
internal static partial class TorchScriptArchive
{
    // The member that torch.save does not write.
    private const string Mark = "/constants.pkl";

    private const string Remedy = "save the network in PyTorch with torch.jit.trace(model.eval(), images).save(FILE)";

    private static readonly string[] Namespaces = "aten prim quantized mkldnn mkldnn_prepacked prepacked".Split(' ');

    /// <summary>Requires the file to be a TorchScript module as PyTorch wrote it, of libtorch's own operators.</summary>
    /// <exception cref="FormatException">It is not.</exception>
    public static void RequireSound(string path)
    {
        try
        {
            using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0);
            if (!file.CanSeek)
                throw new FormatException("it is a pipe; save it to a file first");
            if (file.Length == 0)
                throw new FormatException("it is empty; copy it again from its source");
            using var zip = new ZipArchive(file);
            var names = zip.Entries.Select(entry => entry.FullName).ToHashSet();
            var mark =
                names.FirstOrDefault(name => name.EndsWith(Mark, StringComparison.Ordinal))
                ?? throw new FormatException(
                    $"it holds weights or other objects, as torch.save writes them, and no network; {Remedy}"
                );
            var code = mark[..^Mark.Length] + "/code/";
            // libtorch reads nothing of what is marked as a folder.
            if (zip.Entries.Any(entry => ((FileAttributes)entry.ExternalAttributes).HasFlag(FileAttributes.Directory)))
                throw new InvalidDataException();
            foreach (var entry in zip.Entries)
                RequireKnown(ZipMember.Read(entry, bytes => Text(entry, bytes)), code, names);
        }
        catch (InvalidDataException e)
        {
            throw new FormatException(
                $"it is damaged, or no TorchScript file; copy it again from its source, or {Remedy}",
                e
            );
        }
    }

    // Source, and pickled objects, with the module and the name of each one's class joined; nothing of any other member.
    private static string Text(ZipArchiveEntry entry, ByteSource bytes)
    {
        var kind = Path.GetExtension(entry.FullName);
        if (kind is ".py" or ".pkl")
        {
            var text = Encoding.Latin1.GetString(bytes.Take(checked((int)bytes.Remaining)));
            return kind == ".py" ? text : text.Replace('\n', '.');
        }
        bytes.Skip();
        return "";
    }

    private static void RequireKnown(string text, string code, HashSet<string> names)
    {
        foreach (var (foreign, op) in Operators().Matches(text).Select(m => (m.Groups[1].Value, m.Groups[2].Value)))
            if (!Namespaces.Contains(foreign))
                throw new FormatException(
                    $"it uses the operator {foreign}::{op}, which libtorch does not have; save a network without it, or export the model to ONNX"
                );
        // A name may be that of a class, or of something in it; its file is named as what comes before.
        foreach (var name in Classes().Matches(text).Select(m => m.Value).Distinct())
        {
            var parts = name.Split('.');
            string File(int last) => $"{code}{string.Join('/', parts.SkipLast(last))}.py";
            if (!Enumerable.Range(1, 3).Select(File).Any(names.Contains))
                throw new InvalidDataException();
        }
    }

    [GeneratedRegex(@"(?<![\w.])ops\.(\w+)\.(\w+)\(")]
    private static partial Regex Operators();

    [GeneratedRegex(@"__torch__(?:\.\w+)+")]
    private static partial Regex Classes();
}
