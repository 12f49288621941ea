using System;
using System.Collections.Generic;
using System.Linq;
using System.Threading;
using Attribution.Core;

namespace Attribution;

/// <summary>A question of influence: the score of a class, or its margin over another, over all images or over those of the
/// classes that it names.</summary>
internal readonly record struct Question(int Class, int? Against, bool IsOverOwnImages)
{
    public Quantity Quantity => Against is { } other ? Quantity.Margin(Class, other) : Quantity.Class(Class);

    public bool Holds(long label) => !IsOverOwnImages || label == Class || label == Against;
}

/// <summary>The influences on all questions at a layer, and the values of their experts.</summary>
internal sealed class LayerSurvey
{
    private readonly InfluenceSurvey survey;
    private readonly Question[] questions;
    private readonly IReadOnlyList<long> labels;

    private LayerSurvey(string layer, InfluenceSurvey survey, Question[] questions, IReadOnlyList<long> labels) =>
        (Layer, this.survey, this.questions, this.labels) = (layer, survey, questions, labels);

    public string Layer { get; }

    public Units Units => survey.Units(Layer);

    /// <summary>All questions at all layers, of one pass over the images.</summary>
    public static IReadOnlyDictionary<string, LayerSurvey> Take(
        Model model,
        IReadOnlyList<string> layers,
        ImageSet images,
        IReadOnlyList<long> labels,
        IEnumerable<Question> questions,
        Units units,
        int? batchSize,
        IProgress<Progress> progress,
        CancellationToken cancellation
    )
    {
        Question[] asked = [.. questions.Distinct()];
        var survey = InfluenceSurvey.Take(
            model,
            new(layers, [.. asked.Select(q => new Interest(q.Quantity, row => q.Holds(labels[row])))], units)
            {
                BatchSize = batchSize,
            },
            images,
            progress,
            cancellation
        );
        return layers.Distinct().ToDictionary(layer => layer, layer => new LayerSurvey(layer, survey, asked, labels));
    }

    /// <summary>The influence of every unit.</summary>
    public double[] Influences(Question question) => survey.Influence(Layer, Array.IndexOf(questions, question));

    /// <summary>The expert of a question.</summary>
    public int Expert(Question question)
    {
        var influence = Influences(question);
        return Array.IndexOf(influence, influence.Max());
    }

    /// <summary>An expert's value for every image.</summary>
    public double[] Values(int unit) => survey.Values(Layer, unit);

    /// <summary>The answer to a question, compared with another class.</summary>
    public ReportExpert Answer(Question question, int sibling, int top = 10)
    {
        var influence = Influences(question);
        // A stable sort keeps the first of equals in front, as an expert is the first on ties.
        UnitInfluence[] best =
        [
            .. Enumerable
                .Range(0, influence.Length)
                .OrderByDescending(unit => influence[unit])
                .Take(top)
                .Select(unit => new UnitInfluence(unit, influence[unit])),
        ];
        var value = Values(best[0].Unit);
        double[] On(Func<long, bool> isWanted) => [.. value.Where((_, row) => isWanted(labels[row]))];
        var (own, others) = (On(y => y == question.Class), On(y => y == sibling));
        return new()
        {
            Layer = Layer,
            Units = Units,
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
}
