using System;

namespace Attribution;

/// <summary>Progress by stages.</summary>
internal static class Stages
{
    /// <summary>Progress that is told as that of a stage.</summary>
    public static IProgress<Progress>? In(this IProgress<Progress>? progress, string stage) =>
        progress is null ? null : new Staged(progress, stage);

    /// <summary>Progress that is told as that of a stage, unless whoever reports it says more.</summary>
    public static IProgress<Progress>? InOrMore(this IProgress<Progress>? progress, string stage) =>
        progress is null ? null : new Staged(progress, stage, true);

    private sealed class Staged(IProgress<Progress> whole, string stage, bool orMore = false) : IProgress<Progress>
    {
        public void Report(Progress part) => whole.Report(part with { Stage = orMore ? part.Stage ?? stage : stage });
    }
}
