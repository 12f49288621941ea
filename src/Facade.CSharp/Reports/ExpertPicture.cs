using System;
using System.Collections.Generic;
using System.Globalization;
using System.Linq;
using System.Threading;
using SkiaSharp;
using TorchSharp;
using static Attribution.Drawing;
using static TorchSharp.torch;

namespace Attribution;

/// <summary>
/// The labelled picture of an expert: the images of its distribution for which it is most active, each with the point
/// cloud of what the expert sees there, x ⊙ ∇ₓ h_i(x), the image seen through it, and the heat map, on a scale that the unit's
/// images share. Beside the expert of a margin stands
/// the opposite margin's: what tells the two sides apart.
/// </summary>
public sealed class ExpertPicture
{
    private const int LeastPanel = 128;
    private const int LargestPanel = 224;
    private const float PanelGap = 6;
    private const float ColumnGap = 32;
    private const float LabelSize = 13;
    private const float BarHeight = 10;
    private const float Top = Margin + 4.5f * LineHeight + Gap;

    private static readonly string[] captions = ["input", "what it sees", "input, masked", "for and against"];

    private readonly Model model;
    private readonly ImageSet images;
    private readonly ClassNames names;
    private readonly Func<int, string> title;

    /// <summary>Pictures of experts.</summary>
    /// <param name="model">The classifier.</param>
    /// <param name="images">The images among which the experts were found.</param>
    /// <param name="names">What classes are called.</param>
    /// <param name="title">What the image at a position is called; null: "image" and its label.</param>
    public ExpertPicture(Model model, ImageSet images, ClassNames names, Func<int, string>? title = null) =>
        (this.model, this.images, this.names, this.title) = (
            model,
            images,
            names,
            title ?? (i => $"image {images.Label(i)}")
        );

    /// <summary>Draws an expert as a PNG file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="expert">An expert among the images.</param>
    /// <param name="batchSize">Images a pass; null: as many as memory allows.</param>
    /// <param name="cancellation">Stops the work.</param>
    /// <exception cref="AttributionException">The file cannot be written.</exception>
    public void Write(
        string path,
        ExpertSummary expert,
        int? batchSize = null,
        CancellationToken cancellation = default
    )
    {
        using var png = Encode(expert, batchSize, cancellation);
        AtomicFile.Write(path, png.SaveTo);
    }

    /// <summary>Draws an expert as the bytes of a PNG file.</summary>
    /// <inheritdoc cref="Write" path="/param"/>
    public byte[] Draw(ExpertSummary expert, int? batchSize = null, CancellationToken cancellation = default)
    {
        using var png = Encode(expert, batchSize, cancellation);
        return png.ToArray();
    }

    private sealed record Row(string Label, Tensor[] Panels, double Magnitude);

    private sealed record Column(string Title, string Note, Row[] Rows);

    private SKData Encode(ExpertSummary expert, int? batchSize, CancellationToken cancellation)
    {
        using var scope = NewDisposeScope();
        var columns = Columns(expert, (unit, active) => Rows(expert, unit, active, batchSize, cancellation));
        var panel = Panel();
        var width = captions.Length * panel.Width + (captions.Length - 1) * PanelGap;
        var room = 2 * width + ColumnGap;
        var heading =
            $"{(expert.Opposite is null ? "Expert" : "Experts")} of layer {expert.Layer} on {expert.Quantity}";
        return Png(
            2 * Margin + room,
            Top + columns.Max(c => c.Rows.Length) * RowHeight(panel) + 2 * LineHeight + BarHeight + Margin,
            canvas =>
            {
                Text(canvas, heading, Margin, Margin + TitleSize, room, Ink, TitleSize);
                Text(canvas, Settings(expert), Margin, Margin + TitleSize + LineHeight, room, Faint);
                foreach (var (i, column) in columns.Index())
                    Draw(canvas, column, Margin + i * (width + ColumnGap), width, panel);
            }
        );
    }

    // A margin's two experts side by side, or one expert's rows in two columns.
    private Column[] Columns(ExpertSummary expert, Func<int, IReadOnlyList<ActiveImage>, Row[]> rowsOf)
    {
        var (classes, others) = (Names(expert.ClassesOf(falling: false)), Names(expert.ClassesOf(falling: true)));
        var rows = rowsOf(expert.Expert, expert.MostActive);
        var title = $"{expert.Noun} {expert.Expert}{Over(classes, others)}";
        var note = Note(expert.Top[0].Influence, expert.ActiveShare);
        if (expert.Opposite is not { } opposite)
            return
            [
                .. rows.Chunk((rows.Length + 1) / 2)
                    .Select((part, i) => i == 0 ? new Column(title, note, part) : new("", "", part)),
            ];

        return
        [
            new(title, note, rows),
            new(
                $"{expert.Noun} {opposite.Unit}{Over(others, classes)}, the opposite",
                Note(opposite.Influence, opposite.ActiveShare),
                rowsOf(opposite.Unit, opposite.MostActive)
            ),
        ];
    }

    private Row[] Rows(
        ExpertSummary expert,
        int unit,
        IReadOnlyList<ActiveImage> active,
        int? batchSize,
        CancellationToken cancellation
    )
    {
        var x = images.Take([.. active.Select(image => image.Position)]).Images();
        var maps = new InflDirected(model, expert.Layer, Quantity.Predicted, expert.Units).ExpertAttribution(
            unit,
            x,
            batchSize,
            cancellation: cancellation
        );
        var magnitude = MapScale.Of(maps).Magnitude;
        var heat = Visualization.HeatMap(x, maps, magnitude);
        var clouds = Bytes(Visualization.PointCloud(maps, threshold: 0).unsqueeze(3));
        var masked = Visualization.BinaryMask(x, maps, blur: Math.Max(1, Math.Max(images.Height, images.Width) / 64.0));
        var inputs = Bytes(x.permute(0, 2, 3, 1) / images.Peak);

        Row Row(ActiveImage image, int i)
        {
            var isEmpty = !clouds[i].any().ToBoolean();
            var truth = images.HasTrueClasses ? $" · {names[images.TrueClasses[image.Position]]}" : "";
            var value = string.Create(CultureInfo.InvariantCulture, $" · value {image.Value:G4}");
            return new(
                $"{title(image.Position)}{truth}{value}{(isEmpty ? " · nothing seen" : "")}",
                [inputs[i], clouds[i], masked[i], heat[i]],
                magnitude
            );
        }

        return [.. active.Select(Row)];
    }

    private static void Draw(SKCanvas canvas, Column column, float left, float width, SKSize panel)
    {
        float Left(int k) => left + k * (panel.Width + PanelGap);
        Text(canvas, column.Title, left, Top - Gap - LineHeight, width, Ink, TitleSize - 2);
        Text(canvas, column.Note, left, Top - Gap, width, Faint);
        var line = Top;
        foreach (var row in column.Rows)
        {
            Text(canvas, row.Label, left, line + TextSize + 2, width, Ink, LabelSize);
            foreach (var (k, pixels) in row.Panels.Index())
                Pixels(canvas, pixels, SKRect.Create(new SKPoint(Left(k), line + LineHeight), panel));
            line += RowHeight(panel);
        }
        foreach (var (k, caption) in captions.Index())
            Text(canvas, caption, Left(k), line + LabelSize - PanelGap, panel.Width, Faint, LabelSize);
        var scale = SKRect.Create(Left(captions.Length - 1), line + LineHeight - PanelGap, panel.Width, BarHeight);
        ColourBar(canvas, scale);
        var (numbers, magnitude) = (scale.Bottom + LabelSize + 2, column.Rows[0].Magnitude);
        Text(canvas, MapScale.Number(-magnitude), scale.Left, numbers, panel.Width / 2, Ink, LabelSize);
        var largest = MapScale.Number(magnitude);
        using var font = Font(LabelSize);
        Text(canvas, largest, scale.Right - font.MeasureText(largest), numbers, panel.Width / 2, Ink, LabelSize);
    }

    private static float RowHeight(SKSize panel) => LineHeight + panel.Height + Gap;

    // Whole factors and no smoothing: every pixel of a small image stays a crisp square.
    private SKSize Panel()
    {
        var (least, most) = (Math.Min(images.Height, images.Width), Math.Max(images.Height, images.Width));
        var whole = (LeastPanel + least - 1) / least;
        var factor = whole * most > LargestPanel ? LargestPanel / (float)most : whole;
        return new(images.Width * factor, images.Height * factor);
    }

    private string Names(IEnumerable<int> classes) => string.Join(" + ", classes.Select(k => names[k]));

    private static string Over(string classes, string others) =>
        classes == "" ? ""
        : others == "" ? $": {classes}"
        : $": {classes} over {others}";

    private static string Settings(ExpertSummary expert) =>
        $"distribution {expert.Distribution} ({Words.Count(expert.Instances, "image")})"
        + (expert.AroundSettings is { } settings ? $" · around: {expert.Around}, {settings}" : "")
        + (expert.TimesActivation ? " · times the activation" : "");

    private static string Note(double influence, double activeShare) =>
        string.Create(
            CultureInfo.InvariantCulture,
            $"influence {influence:G4} · active on {100 * activeShare:0.0} % of the distribution"
        );
}
