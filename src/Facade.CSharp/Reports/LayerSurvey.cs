using System;
using System.Collections.Generic;
using System.Linq;
using System.Threading;
using Attribution.Core;
using TorchSharp;
using static TorchSharp.torch;

namespace Attribution;

/// <summary>A question of influence: the score of a class, or its margin over another, over all images or over those of the
/// classes that it names.</summary>
internal readonly record struct Question(int Class, int? Against, bool IsOverOwnImages)
{
    public Quantity Quantity => Against is { } other ? Quantity.Margin(Class, other) : Quantity.Class(Class);

    public bool Holds(long label) => !IsOverOwnImages || label == Class || label == Against;

    /// <summary>The margin the other way round.</summary>
    public Question Reversed => new(Against!.Value, Class, IsOverOwnImages);
}

/// <summary>The influences on all questions at one layer, of one run; and the values of all experts, of another.</summary>
internal sealed class LayerSurvey
{
    private readonly Dictionary<Question, double[]> influences;
    private readonly Dictionary<int, double[]> values;
    private readonly IReadOnlyList<long> labels;

    private LayerSurvey(
        string layer,
        IReadOnlyList<long> labels,
        Dictionary<Question, double[]> influences,
        Dictionary<int, double[]> values
    ) => (Layer, this.labels, this.influences, this.values) = (layer, labels, influences, values);

    public string Layer { get; }

    public static LayerSurvey Take(
        Model model,
        string layer,
        ImageSet images,
        IReadOnlyList<long> labels,
        IReadOnlyCollection<Question> questions,
        int? batchSize,
        Func<long, IProgress<Progress>> stage,
        CancellationToken cancellation
    )
    {
        using var scope = NewDisposeScope();
        // A margin's influence the other way round is its negative.
        Question[] asked =
        [
            .. questions.Where(q => !(q.Against < q.Class && questions.Contains(q.Reversed))).Distinct(),
        ];
        var found = InflDirected.Influences(
            model,
            layer,
            [.. asked.Select(q => new Interest(q.Quantity, row => q.Holds(labels[row])))],
            images,
            batchSize,
            stage(2L * images.Count),
            cancellation
        );
        var influences = asked
            .Zip(found, (q, influence) => (q, values: Doubles(influence)))
            .ToDictionary(pair => pair.q, pair => pair.values);
        foreach (var q in questions.Where(q => !influences.ContainsKey(q)).Distinct().ToArray())
            influences[q] = Array.ConvertAll(influences[q.Reversed], value => -value);

        int[] units = [.. influences.Values.Select(First).Distinct().Order()];
        var working = model.Working(batchSize, images.Count, stage(images.Count), cancellation);
        var activations = Influence.activations(units, layer, working, ((Instances)images).Core);
        var values = units
            .Select((unit, column) => (unit, values: Doubles(activations.select(1, column))))
            .ToDictionary(pair => pair.unit, pair => pair.values);
        return new(layer, labels, influences, values);
    }

    /// <summary>The influence of every unit.</summary>
    public double[] Influences(Question question) => influences[question];

    /// <summary>The expert of a question.</summary>
    public int Expert(Question question) => First(influences[question]);

    /// <summary>An expert's value for every image.</summary>
    public double[] Values(int unit) => values[unit];

    /// <summary>The answer to a question, compared with another class.</summary>
    public ReportExpert Answer(Question question, int sibling, int top = 10)
    {
        var influence = influences[question];
        // A stable sort keeps the first of equals in front, as an expert is the first on ties.
        UnitInfluence[] best =
        [
            .. Enumerable
                .Range(0, influence.Length)
                .OrderByDescending(unit => influence[unit])
                .Take(top)
                .Select(unit => new UnitInfluence(unit, influence[unit])),
        ];
        var value = values[best[0].Unit];
        double[] On(Func<long, bool> isWanted) => [.. value.Where((_, row) => isWanted(labels[row]))];
        var (own, others) = (On(y => y == question.Class), On(y => y == sibling));
        return new()
        {
            Layer = Layer,
            Class = question.Class,
            Against = question.Against,
            Sibling = sibling,
            IsOverOwnImages = question.IsOverOwnImages,
            Instances = On(question.Holds).Length,
            Top = best,
            ActiveShare = Active(On(question.Holds)),
            ActiveOnClass = Active(own),
            ActiveOnSibling = Active(others),
            Selectivity = Influence.selectivity(own, others),
        };
    }

    private static double Active(double[] values) => values.Average(v => v > 0 ? 1.0 : 0.0);

    private static int First(double[] influence) => Array.IndexOf(influence, influence.Max());

    private static double[] Doubles(Tensor values) =>
        TensorModule.toArray<double>(values.flatten().to(ScalarType.Float64));
}
