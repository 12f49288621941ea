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
/// cloud of what the expert sees there, x ⊙ ∇ₓ h_i(x), and the image seen through it. Beside the expert of a margin stands
/// the opposite margin's: what tells the two sides apart.
/// </summary>
public sealed class ExpertPicture
{
    private const int LeastPanel = 128;
    private const int LargestPanel = 224;
    private const float PanelGap = 6;
    private const float ColumnGap = 32;
    private const float LabelSize = 13;
    private const int PairsOfRows = 2;

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

    private sealed record Row(string Label, Tensor[] Panels);

    private sealed record Column(string Title, string Note, Row[] Rows);

    private SKData Encode(ExpertSummary expert, int? batchSize, CancellationToken cancellation)
    {
        using var scope = NewDisposeScope();
        Row[] Rows(int unit, IReadOnlyList<ActiveImage> active) =>
            this.Rows(expert, unit, active, batchSize, cancellation);
        var rows = Rows(expert.Expert, expert.MostActive);
        var head = (
            Title: $"{expert.Noun} {expert.Expert}{Sides(expert.ClassesOf(falling: false), expert.ClassesOf(falling: true))}",
            Note: Note(expert.Top[0].Influence, expert.ActiveShare)
        );
        Column[] columns = expert.Opposite is { } other
            ?
            [
                new(head.Title, head.Note, rows),
                new(
                    $"{expert.Noun} {other.Unit}{Sides(expert.ClassesOf(falling: true), expert.ClassesOf(falling: false))}, the opposite",
                    Note(other.Influence, other.ActiveShare),
                    Rows(other.Unit, other.MostActive)
                ),
            ]
            :
            [
                .. rows.Chunk((rows.Length + PairsOfRows - 1) / PairsOfRows)
                    .Select((part, i) => i == 0 ? new Column(head.Title, head.Note, part) : new("", "", part)),
            ];

        var panel = Panel();
        var width = 3 * panel.Width + 2 * PanelGap;
        var rowHeight = LineHeight + panel.Height + Gap;
        var top = Margin + 4.5f * LineHeight + Gap;
        return Png(
            2 * Margin + 2 * width + ColumnGap,
            top + columns.Max(c => c.Rows.Length) * rowHeight + LineHeight + Margin,
            canvas =>
            {
                var room = 2 * width + ColumnGap;
                var what = columns.Length > 1 && expert.Opposite is not null ? "Experts" : "Expert";
                Text(
                    canvas,
                    $"{what} of layer {expert.Layer} on {expert.Quantity}",
                    Margin,
                    Margin + TitleSize,
                    room,
                    Ink,
                    TitleSize
                );
                Text(canvas, Settings(expert), Margin, Margin + TitleSize + LineHeight, room, Faint);
                foreach (var (i, column) in columns.Index())
                {
                    var left = Margin + i * (width + ColumnGap);
                    Text(canvas, column.Title, left, Margin + 3.5f * LineHeight, width, Ink, TitleSize - 2);
                    Text(canvas, column.Note, left, Margin + 4.5f * LineHeight, width, Faint);
                    foreach (var (j, row) in column.Rows.Index())
                    {
                        var line = top + j * rowHeight;
                        Text(canvas, row.Label, left, line + LabelSize + 3, width, Ink, LabelSize);
                        foreach (var (k, pixels) in row.Panels.Index())
                            Pixels(
                                canvas,
                                pixels,
                                SKRect.Create(
                                    new SKPoint(left + k * (panel.Width + PanelGap), line + LineHeight),
                                    panel
                                )
                            );
                    }
                    var below = top + column.Rows.Length * rowHeight - Gap + LineHeight - 4;
                    foreach (var (k, caption) in new[] { "input", "what it sees", "input, masked" }.Index())
                        Text(
                            canvas,
                            caption,
                            left + k * (panel.Width + PanelGap),
                            below,
                            panel.Width,
                            Faint,
                            LabelSize
                        );
                }
            }
        );
    }

    private Row[] Rows(
        ExpertSummary expert,
        int unit,
        IReadOnlyList<ActiveImage> active,
        int? batchSize,
        CancellationToken cancellation
    )
    {
        int[] positions = [.. active.Select(image => image.Position)];
        var part = images.Take(positions);
        var x = part.Images();
        var maps = new InflDirected(model, expert.Layer, Quantity.Predicted, expert.Units).ExpertAttribution(
            unit,
            x,
            batchSize,
            cancellation: cancellation
        );
        var clouds = Bytes(Visualization.PointCloud(maps, threshold: 0).unsqueeze(3));
        var masked = Visualization.BinaryMask(x, maps, blur: Math.Max(1, Math.Max(images.Height, images.Width) / 64.0));
        var inputs = Bytes(x.permute(0, 2, 3, 1) / images.Peak);
        return [.. active.Select((image, i) => new Row(Label(image), [inputs[i], clouds[i], masked[i]]))];
    }

    private string Label(ActiveImage image)
    {
        var truth = images.HasTrueClasses ? $" · {names[(int)images.TrueClasses[image.Position]]}" : "";
        return $"{title(image.Position)}{truth} · value {Number(image.Value)}";
    }

    // Whole factors and no smoothing: every pixel of a small image stays a crisp square.
    private SKSize Panel()
    {
        var (height, width) = (images.Height, images.Width);
        float factor = (LeastPanel + Math.Min(height, width) - 1) / Math.Min(height, width);
        factor = Math.Min(
            factor,
            Math.Max(1, factor) * LargestPanel / (float)Math.Max(LargestPanel, factor * Math.Max(height, width))
        );
        return new(width * factor, height * factor);
    }

    private string Sides(IReadOnlyList<int> classes, IReadOnlyList<int> others)
    {
        string Text(IReadOnlyList<int> some) => string.Join(" + ", some.Select(k => names[k]));
        return classes.Count == 0 ? ""
            : others.Count == 0 ? $": {Text(classes)}"
            : $": {Text(classes)} over {Text(others)}";
    }

    private static string Settings(ExpertSummary expert) =>
        $"distribution {expert.Distribution} ({expert.Instances} {(expert.Instances == 1 ? "image" : "images")})"
        + (expert.AroundSettings is { } settings ? $" · around: {expert.Around}, {settings}" : "")
        + (expert.TimesActivation ? " · times the activation" : "");

    private static string Note(double influence, double activeShare) =>
        string.Create(
            CultureInfo.InvariantCulture,
            $"influence {influence:G4} · active on {100 * activeShare:0.0} % of the distribution"
        );

    private static string Number(double value) => value.ToString("G4", CultureInfo.InvariantCulture);
}
