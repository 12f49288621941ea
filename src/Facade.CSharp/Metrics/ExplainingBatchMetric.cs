namespace Attribution;

/// <summary>How a metric of the core makes maps of its own: of a target, and of a batch.</summary>
internal delegate BatchScore ExplainingScore(double white, Func<Target, Batch, Tensor> explain);

/// <summary>A metric that makes maps of its own, as those that it is given were made, batch by batch.</summary>
public abstract class ExplainingBatchMetric : MapMetric
{
    private readonly Model model;
    private readonly Func<Model, Quantity, Explainer> explain;
    private readonly Quantity quantity;
    private readonly double passes;
    private readonly ExplainingScore score;

    private protected ExplainingBatchMetric(
        Model model,
        Func<Model, Quantity, Explainer> explain,
        int? targetClass,
        double passes,
        ExplainingScore score
    ) =>
        (this.model, this.explain, quantity, this.passes, this.score) = (
            model,
            explain,
            Quantity.OfTarget(targetClass),
            passes,
            score
        );

    private protected override Tensor Score(MapsAsked asked)
    {
        var count = asked.Count(passes * asked.X.Count);
        var target = asked.Target(model, quantity, count);
        var scoreOf = score(asked.X.Peak, asked.Explaining(model, explain, count));
        return asked.X.Core.Score(target, batch => scoreOf(target, batch.RowsOf(asked.Maps), batch));
    }
}
