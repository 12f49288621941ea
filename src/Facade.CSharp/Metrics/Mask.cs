using System;
using System.Threading;
using Attribution.Core;
using static TorchSharp.torch;

namespace Attribution;

/// <summary>What a mask M(x) keeps of an image's pixels.</summary>
public enum Mask
{
    /// <summary>Those of positive attribution, whole; the others become black.</summary>
    Hard,

    /// <summary>Each in proportion to its positive attribution, x ⊙ max(A, 0) / max A: the image's largest is kept whole.</summary>
    Soft,
}

/// <summary>What becomes of instances' scores when only what a mask keeps is seen.</summary>
internal sealed class MaskedMetric(
    Model model,
    Quantity quantity,
    Mask mask,
    Func<Core.Mask, Target, Tensor, Batch, Tensor> change
)
{
    private readonly Core.Mask mask = mask switch
    {
        Mask.Hard => Core.Mask.Hard,
        Mask.Soft => Core.Mask.Soft,
        _ => throw new ArgumentOutOfRangeException(nameof(mask), mask, "There is no such mask."),
    };

    public double[] Of(
        Tensor attributions,
        Instances x,
        int? batchSize,
        IProgress<Progress>? progress,
        CancellationToken cancellation
    )
    {
        Maps.RequireOneEach(attributions, x);
        var target = x.TargetOf(quantity, model.Working(batchSize, 2L * x.Count, progress, cancellation));
        return x.Core.Collect(
            target,
            Pass.Forward,
            batch =>
                TensorModule.toArray<double>(
                    change(mask, target, batch.RowsOf(attributions), batch).to(ScalarType.Float64)
                )
        );
    }
}
