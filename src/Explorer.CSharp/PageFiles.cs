using System.Reflection;
using System.Text;

namespace Attribution;

/// <summary>The files of the page: its HTML, and its styles and its program, each put together of parts in the order of their names.</summary>
internal static class PageFiles
{
    private static readonly Assembly own = typeof(PageFiles).Assembly;

    /// <summary>Paths, types and contents.</summary>
    public static IReadOnlyList<(string Path, string Type, byte[] Content)> All { get; } =
    [
        ("/", "text/html; charset=utf-8", Encoding.UTF8.GetBytes(Joined(".html"))),
        ("/explorer.css", "text/css; charset=utf-8", Encoding.UTF8.GetBytes(Joined(".css"))),
        (
            "/explorer.js",
            "text/javascript; charset=utf-8",
            Encoding.UTF8.GetBytes($"(() => {{\n\"use strict\";\n{Joined(".js")}}})();\n")
        ),
        ("/favicon.ico", "image/svg+xml", Encoding.UTF8.GetBytes(Joined(".svg"))),
    ];

    private static string Joined(string extension) =>
        string.Concat(
            own.GetManifestResourceNames()
                .Where(name => name.EndsWith(extension, StringComparison.Ordinal))
                .Order(StringComparer.Ordinal)
                .Select(Read)
        );

    private static string Read(string name)
    {
        using StreamReader reader = new(own.GetManifestResourceStream(name)!);
        return reader.ReadToEnd();
    }
}
