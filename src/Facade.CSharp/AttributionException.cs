using System;

namespace Attribution;

/// <summary>What a caller can put right: the message names the file, argument or instance, and says what to do.</summary>
public sealed class AttributionException : Exception
{
    /// <summary>An error with its one-sentence message.</summary>
    public AttributionException(string message)
        : base(message) { }

    /// <summary>An error with its one-sentence message and what caused it.</summary>
    public AttributionException(string message, Exception inner)
        : base(message, inner) { }
}
