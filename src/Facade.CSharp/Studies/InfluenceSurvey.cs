using System;
using System.Collections.Generic;
using System.Linq;
using System.Threading;
using Attribution.Core;
using TorchSharp;
using static TorchSharp.torch;

namespace Attribution;

/// <summary>The influences on some interests at some layers, and the values of the units with the most and with the least of
/// it, for every instance: of one pass over the instances, where the layers' values have room in memory meanwhile, and
/// else of one more.</summary>
internal sealed class InfluenceSurvey
{
    private const long MostKept = 512L << 20;

    private readonly Dictionary<(string Layer, int Interest), double[]> influences = [];
    private readonly Dictionary<(string Layer, int Unit), double[]> values = [];
    private readonly Dictionary<string, Units> readings = [];

    private InfluenceSurvey() { }

    /// <summary>What a unit of a layer is.</summary>
    public Units Units(string layer) => readings[layer];

    /// <summary>The influence of each unit.</summary>
    public double[] Influence(string layer, int interest) => influences[(layer, interest)];

    /// <summary>The value for each instance of a unit that has the most or the least influence on one of the interests.</summary>
    public double[] Values(string layer, int unit) => values[(layer, unit)];

    public static InfluenceSurvey Take(
        Model model,
        IReadOnlyList<string> layers,
        IReadOnlyList<Interest> interests,
        Units units,
        Instances x,
        int? batchSize,
        IProgress<Progress>? progress,
        CancellationToken cancellation,
        Neighbourhood? around = null,
        bool timesActivation = false
    )
    {
        around ??= Neighbourhood.Itself;
        using var scope = NewDisposeScope();
        layers = [.. layers.Select(model.RequireLayer).Distinct()];
        var found = new InfluenceSurvey();
        var kept = new Dictionary<string, Tensor>();
        var room = MostKept;

        void Keep(string layer, Batch batch, Tensor values)
        {
            var reading = ModelModule.reading(units.InCore(), layer, model.Core, values.shape);
            found.readings[layer] = reading.FromCore();
            var rows = UnitsModule.read(reading, values.detach());
            if (batch.Rows[0].item<long>() == 0 && (room -= 4L * x.Count * rows.shape[1]) >= 0)
                scope.Attach(kept[layer] = zeros(x.Count, rows.shape[1]).DetachFromDisposeScope());
            if (kept.TryGetValue(layer, out var all))
                all.index_copy_(0, batch.Rows, rows.to(ScalarType.Float32, CPU));
        }

        var influences = Interop.Survey(
            around.For(x),
            timesActivation,
            interests.Select(interest => interest.Core),
            units.InCore(),
            layers,
            model.Working(batchSize, (long)x.Count * around.Passes, progress, cancellation),
            x.Core,
            Keep
        );
        foreach (var layer in layers)
        {
            for (var i = 0; i < interests.Count; i++)
                found.influences[(layer, i)] = Doubles(influences[layer][i]);
            int[] asked =
            [
                .. Enumerable
                    .Range(0, interests.Count)
                    .Select(i => found.influences[(layer, i)])
                    .SelectMany(influence =>
                        new[] { influence.Max(), influence.Min() }.Select(v => Array.IndexOf(influence, v))
                    )
                    .Distinct(),
            ];
            var activations = kept.TryGetValue(layer, out var all)
                ? all.index_select(1, tensor(Array.ConvertAll(asked, unit => (long)unit)))
                : Attribution.Core.Influence.activations(
                    asked,
                    units.InCore(),
                    layer,
                    model.Working(batchSize, x.Count, progress, cancellation),
                    x.Core
                );
            foreach (var (column, unit) in asked.Index())
                found.values[(layer, unit)] = Doubles(activations.select(1, column));
        }
        return found;
    }

    private static double[] Doubles(Tensor numbers) =>
        TensorModule.toArray<double>(numbers.flatten().to(ScalarType.Float64));
}
