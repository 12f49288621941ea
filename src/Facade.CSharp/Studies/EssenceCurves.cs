using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Text;

namespace Attribution;

/// <summary>How well classes are recognised by the first units of rankings of a layer, as a function of their number.</summary>
public sealed class EssenceCurves
{
    /// <summary>What stands for a ranking where all units are left.</summary>
    public const string WholeModel = "whole-model";

    private const int MostTop = 20;

    private readonly IReadOnlyList<UnitRanking> rankings;
    private readonly IReadOnlyDictionary<int, int> images;
    private readonly ILookup<(int Class, string Ranking), EssencePoint> curves;

    internal EssenceCurves(
        string layer,
        Units units,
        int unitCount,
        bool isSilencing,
        IReadOnlyList<UnitRanking> rankings,
        IReadOnlyDictionary<int, int> images,
        IReadOnlyList<EssencePoint> points
    )
    {
        (Layer, Units, UnitCount, IsSilencing) = (layer, units, unitCount, isSilencing);
        (this.rankings, this.images, Points) = (rankings, images, points);
        curves = points.ToLookup(p => (p.Class, p.Ranking));
        Classes = [.. rankings.Select(r => r.Class).Distinct()];
        Rankings = [.. rankings.Select(r => r.Name).Distinct()];
        Counts = [.. points.Where(p => p.Ranking != WholeModel).Select(p => p.Units).Distinct().Order()];
    }

    /// <summary>The layer.</summary>
    public string Layer { get; }

    /// <summary>What a unit of the layer is.</summary>
    public Units Units { get; }

    /// <summary>How many units the layer has.</summary>
    public int UnitCount { get; }

    /// <summary>Whether the first k units are silenced; else they alone are kept.</summary>
    public bool IsSilencing { get; }

    /// <summary>The classes, in the order in which they were asked for.</summary>
    public IReadOnlyList<int> Classes { get; }

    /// <summary>The names of the rankings.</summary>
    public IReadOnlyList<string> Rankings { get; }

    /// <summary>Every k, in order.</summary>
    public IReadOnlyList<int> Counts { get; }

    /// <summary>Every point of every curve; a class's first is the whole model's.</summary>
    public IReadOnlyList<EssencePoint> Points { get; }

    /// <summary>The number of images, of all classes.</summary>
    public int ImageCount => images.Values.Sum();

    /// <summary>The number of a class's images.</summary>
    public int Images(int @class) => images.GetValueOrDefault(@class);

    /// <summary>What the whole model makes of a class.</summary>
    public EssencePoint Whole(int @class) => curves[(@class, WholeModel)].Single();

    /// <summary>A ranking's curve for a class, in the order of k.</summary>
    public IReadOnlyList<EssencePoint> Curve(int @class, string ranking) => [.. curves[(@class, ranking)]];

    /// <summary>The mean over the classes of a score, where it is defined; NaN where it is for none.</summary>
    /// <param name="ranking">The ranking, or <see cref="WholeModel"/>.</param>
    /// <param name="units">k.</param>
    /// <param name="score">Such as <c>p => p.Recall</c>.</param>
    public double Mean(string ranking, int units, Func<EssencePoint, double> score) =>
        Mean(Classes, ranking, units, score);

    /// <summary>The mean over some classes of a score, where it is defined; NaN where it is for none.</summary>
    /// <param name="classes">Which.</param>
    /// <param name="ranking">The ranking, or <see cref="WholeModel"/>.</param>
    /// <param name="units">k.</param>
    /// <param name="score">Such as <c>p => p.Recall</c>.</param>
    public double Mean(IReadOnlyList<int> classes, string ranking, int units, Func<EssencePoint, double> score) =>
        classes
            .SelectMany(k => curves[(k, ranking)])
            .Where(p => p.Units == units)
            .Select(score)
            .Where(double.IsFinite)
            .DefaultIfEmpty(double.NaN)
            .Average();

    /// <summary>The fewest units, of the numbers measured, that decide on a class: kept, they reach 90 % of the whole model's F1;
    /// silenced, less than half of it is left. Null where none do.</summary>
    public int? Decisive(int @class, string ranking)
    {
        var whole = Whole(@class).F1;
        return curves[(@class, ranking)]
            .FirstOrDefault(p => IsSilencing ? p.F1 < whole / 2 : whole > 0 && p.F1 >= 0.9 * whole)
            ?.Units;
    }

    /// <summary>Writes <c>class,ranking,mode,k,recall,precision,accuracy,f1</c>; what is undefined is left empty.</summary>
    /// <exception cref="AttributionException">The file cannot be written.</exception>
    public void WriteCsv(string path) =>
        AtomicFile.Write(
            path,
            stream =>
            {
                using var writer = new StreamWriter(stream, new UTF8Encoding(false), leaveOpen: true)
                {
                    NewLine = "\n",
                };
                writer.WriteLine("class,ranking,mode,k,recall,precision,accuracy,f1");
                foreach (var p in Points)
                    writer.WriteLine(
                        $"{p.Class},{p.Ranking},{Mode},{p.Units},{Text(p.Recall)},{Text(p.Precision)},{Text(p.Accuracy)},{Text(p.F1)}"
                    );
            }
        );

    /// <summary>Writes the layer, and for each class its images, the whole model's scores, and each ranking's curve and first
    /// units; what is undefined is left out.</summary>
    /// <exception cref="AttributionException">The file cannot be written.</exception>
    public void WriteJson(string path) =>
        Json.Write(
            path,
            new
            {
                Layer,
                Units = Units.Name(),
                UnitCount,
                Mode,
                Classes = Classes.Select(k => new
                {
                    Class = k,
                    Images = Images(k),
                    WholeModel = ForJson(Whole(k)),
                    Rankings = rankings
                        .Where(r => r.Class == k)
                        .ToDictionary(
                            r => r.Name,
                            r => new
                            {
                                r.Distribution,
                                Top = r.Orders.Count == 1 ? r.Orders[0].Take(MostTop) : null,
                                Decisive = Decisive(k, r.Name),
                                Curve = curves[(k, r.Name)].Select(ForJson),
                            }
                        ),
                }),
            }
        );

    private string Mode => IsSilencing ? "silence" : "keep";

    private static object ForJson(EssencePoint p) =>
        new
        {
            K = p.Units,
            Recall = Json.Number(p.Recall),
            Precision = Json.Number(p.Precision),
            Accuracy = Json.Number(p.Accuracy),
            F1 = Json.Number(p.F1),
        };

    private static string Text(double score) =>
        double.IsFinite(score) ? score.ToString("R", CultureInfo.InvariantCulture) : "";
}
