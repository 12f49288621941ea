using System;
using System.Collections.Concurrent;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Security.Cryptography;

namespace Attribution;

/// <summary>Files by what is in them.</summary>
public static class Content
{
    // A file that has kept its length and time since is not read again.
    private static readonly ConcurrentDictionary<(string, long, DateTime), string> known = new();

    /// <summary>The SHA-256 of a file, in hexadecimal digits.</summary>
    /// <exception cref="AttributionException">It cannot be read.</exception>
    public static string Hash(string file)
    {
        FileInfo info = new(file);
        return FileErrors.Reading(
            $"'{file}'",
            () =>
                known.GetOrAdd(
                    (info.FullName, info.Length, info.LastWriteTimeUtc),
                    _ =>
                    {
                        using var stream = info.OpenRead();
                        return Convert.ToHexStringLower(SHA256.HashData(stream));
                    }
                )
        );
    }

    /// <summary>What stands for a file: its name and content; for a folder, for those of the files in it, in order. The rest of
    /// the path is no part of it.</summary>
    public static IEnumerable<string> Of(string path) =>
        File.Exists(path) ? [$"{Path.GetFileName(path)} {Hash(path)}"]
        : Directory.Exists(path)
            ? Directory
                .GetFiles(path, "*", SearchOption.AllDirectories)
                .Order(StringComparer.Ordinal)
                .Select(file => $"{Path.GetRelativePath(path, file).Replace('\\', '/')} {Hash(file)}")
        : [path];
}
