namespace Attribution;

/// <summary>How far a long operation is: passes of single instances through the model, done and in all.</summary>
/// <param name="Done">Passes done.</param>
/// <param name="Total">Passes in all.</param>
public readonly record struct Progress(long Done, long Total);
