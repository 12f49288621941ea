using System;

namespace Attribution;

/// <summary>How a cluster is reached and used.</summary>
public sealed record ClusterOptions
{
    /// <summary>The file of credentials that the server's own tools write (.creds); null: none.</summary>
    public string? Credentials { get; init; }

    /// <summary>The file of the authority that signed the server's certificate (.pem); null: the system's.</summary>
    public string? CertificateAuthority { get; init; }

    /// <summary>The file of this client's certificate (.pem), with <see cref="Key"/>; null: none.</summary>
    public string? Certificate { get; init; }

    /// <summary>The file of the certificate's key (.pem).</summary>
    public string? Key { get; init; }

    /// <summary>After how long without a sign of life a unit is given to another worker. All that use a cluster have to agree on it: the
    /// first one decides.</summary>
    public TimeSpan Lease { get; init; } = TimeSpan.FromSeconds(20);

    /// <summary>How often workers may be lost over a unit before it is taken for the cause.</summary>
    public int MostLosses { get; init; } = 5;

    /// <summary>Told of what a person should know, a sentence each.</summary>
    public Action<string>? Said { get; init; }
}

/// <summary>A file that work reads, or a folder of files.</summary>
/// <param name="Path">Where it is here.</param>
public sealed record ClusterFile(string Path)
{
    /// <summary>Files of the same folder that belong to it, by their places there.</summary>
    public System.Collections.Generic.IReadOnlyList<string> Beside { get; init; } = [];
}

/// <summary>Work as it is told to workers that have only the library: the words of a command line, and the files that they name.</summary>
/// <param name="Words">The words; the i-th file stands among them as <see cref="Token"/>.</param>
/// <param name="Files">The files, in their order.</param>
public sealed record ClusterJob(
    System.Collections.Generic.IReadOnlyList<string> Words,
    System.Collections.Generic.IReadOnlyList<ClusterFile> Files
)
{
    /// <summary>What stands for a file among the words.</summary>
    public static string Token(int file) => $"file#{file}";
}
