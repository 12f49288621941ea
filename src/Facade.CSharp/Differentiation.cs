namespace Attribution;

/// <summary>Derivatives of maps and of scores, by TorchSharp's own <c>backward()</c>.</summary>
/// <remarks>A training step: a loss of maps, lowered in the parameters of a module.
/// <code>
/// using (Differentiation.Record())
/// {
///     optimizer.zero_grad();
///     Complexity.Scores(explain(x)).mean().backward();
///     optimizer.step();
/// }
/// </code></remarks>
public static class Differentiation
{
    /// <summary>Until what it gives is disposed of, the tensors that this thread is given are connected to all that they depend
    /// on: maps, logits and scores to images that require a gradient, to the maps that are scored, and to
    /// <see cref="Model.Parameters"/>. Outside, nothing is recorded.</summary>
    /// <remarks>What is recorded takes memory: that of one pass and its way back for each batch of images. Passes at further
    /// points (a path's, removed pixels') keep their images alone where there are several, and run again on the way back; of a
    /// model of functions, or of a quantity that is one, all are kept. Results that are plain numbers (<c>Evaluate</c>, <c>Curves</c>) are connected to
    /// nothing: ask for <c>Scores</c>. Change parameters after <c>backward()</c>: where one was changed in between, it fails,
    /// or the gradients are NaN, and why is raised where the recording ends.</remarks>
    /// <exception cref="AttributionException">When the recording ends: a way back failed.</exception>
    public static IDisposable Record() => Recording.Record();
}
