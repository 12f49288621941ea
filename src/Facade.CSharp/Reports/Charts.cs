using System;
using System.Collections.Generic;
using System.Globalization;
using System.Linq;
using SkiaSharp;

namespace Attribution;

/// <summary>An axis: the numbers at its ends, and what is written along it.</summary>
internal sealed record Axis(
    string Label,
    double From,
    double To,
    IReadOnlyList<(double At, string Text)> Ticks,
    bool IsLogarithmic = false
)
{
    private const int MostTicks = 6;

    /// <summary>Numbers at round steps.</summary>
    public static Axis Linear(string label, double from, double to)
    {
        var length = to > from ? to - from : 1;
        var power = Math.Pow(10, Math.Floor(Math.Log10(length / MostTicks)));
        var step = new[] { 1, 2, 5, 10 }.Select(n => n * power).First(s => length / s < MostTicks);
        var first = Math.Ceiling(from / step - 1e-9);
        return new(
            label,
            from,
            from + length,
            [
                .. Enumerable
                    .Range(0, MostTicks + 1)
                    .Select(i => (first + i) * step)
                    .Where(at => at <= from + length + 1e-9 * length)
                    .Select(at => (at, Math.Round(at, 12).ToString("0.######", CultureInfo.InvariantCulture))),
            ]
        );
    }

    /// <summary>Positive numbers by their logarithms, each of them a tick.</summary>
    public static Axis Logarithmic(string label, IReadOnlyCollection<int> values) =>
        new(
            label,
            values.Min() / 1.2,
            values.Max() * 1.2,
            [.. values.Select(v => ((double)v, v.ToString(CultureInfo.InvariantCulture)))],
            IsLogarithmic: true
        );

    /// <summary>Where a number lies: 0 at one end, 1 at the other.</summary>
    public double Place(double number) =>
        IsLogarithmic ? Math.Log(number / From) / Math.Log(To / From) : (number - From) / (To - From);
}

/// <summary>The part of a panel inside its axes.</summary>
internal readonly record struct PlotArea(SKCanvas Canvas, SKRect Frame, Axis X, Axis Y)
{
    /// <summary>Where a point of the data lies on the canvas.</summary>
    public SKPoint At(double x, double y) =>
        new(Frame.Left + (float)X.Place(x) * Frame.Width, Frame.Bottom - (float)Y.Place(y) * Frame.Height);
}

/// <summary>Draws something of the data into a panel.</summary>
internal delegate void Mark(PlotArea area);

/// <summary>Axes, and what is drawn between them.</summary>
internal sealed record Panel(string Title, Axis X, Axis Y, IReadOnlyList<Mark> Marks);

/// <summary>The points of a curve.</summary>
internal enum PointShape
{
    None,
    Circle,
    Diamond,
    Square,
    Triangle,
}

/// <summary>How a curve looks; its shape tells it apart where its colour does not.</summary>
internal sealed record CurveStyle(
    SKColor Colour,
    PointShape Shape = PointShape.None,
    float Width = 2.2f,
    bool IsDashed = false
)
{
    /// <summary>The same, to stay in the background.</summary>
    public CurveStyle Faint => new(Colour.WithAlpha(0x38), Width: 1);

    /// <summary>Draws a line through points; those that are not finite leave a gap.</summary>
    public void Line(SKCanvas canvas, IEnumerable<SKPoint> points)
    {
        using var builder = new SKPathBuilder();
        var isApart = true;
        foreach (var point in points)
        {
            var isFinite = float.IsFinite(point.Y);
            if (isFinite && isApart)
                builder.MoveTo(point);
            else if (isFinite)
                builder.LineTo(point);
            isApart = !isFinite;
        }
        using var path = builder.Detach();
        using var dashes = IsDashed ? SKPathEffect.CreateDash([6, 4], 0) : null;
        using var paint = new SKPaint
        {
            Color = Colour,
            IsAntialias = true,
            Style = SKPaintStyle.Stroke,
            StrokeWidth = Width,
            StrokeJoin = SKStrokeJoin.Round,
            PathEffect = dashes,
        };
        canvas.DrawPath(path, paint);
    }

    /// <summary>Draws a point.</summary>
    public void Point(SKCanvas canvas, SKPoint at)
    {
        using var fill = new SKPaint { Color = Colour, IsAntialias = true };
        switch (Shape)
        {
            case PointShape.Circle:
                canvas.DrawCircle(at, 3.7f, fill);
                break;
            case PointShape.Square:
                canvas.DrawRect(SKRect.Create(at.X - 3.3f, at.Y - 3.3f, 6.6f, 6.6f), fill);
                break;
            case PointShape.Diamond:
                Polygon((0, -4.8f), (4.8f, 0), (0, 4.8f), (-4.8f, 0));
                break;
            case PointShape.Triangle:
                Polygon((0, -4.6f), (4.4f, 3.2f), (-4.4f, 3.2f));
                break;
        }

        void Polygon(params (float X, float Y)[] corners)
        {
            using var builder = new SKPathBuilder();
            foreach (var (i, (x, y)) in corners.Index())
                if (i == 0)
                    builder.MoveTo(at.X + x, at.Y + y);
                else
                    builder.LineTo(at.X + x, at.Y + y);
            builder.Close();
            using var path = builder.Detach();
            canvas.DrawPath(path, fill);
        }
    }
}

/// <summary>A picture.</summary>
/// <param name="Png">The bytes of a PNG file.</param>
/// <param name="Width">Its pixels.</param>
/// <param name="Height">Its lines of them.</param>
internal sealed record Figure(byte[] Png, int Width, int Height)
{
    /// <summary>Writes it as a file.</summary>
    /// <exception cref="AttributionException">The file cannot be written.</exception>
    public void Write(string path) => AtomicFile.Write(path, file => file.Write(Png));
}

/// <summary>Figures of panels under one title and one legend, at twice the size of a screen's pixels.</summary>
internal static class Charts
{
    private const float Density = 2;
    private const float Margin = 24;
    private const float TitleSize = 17;
    private const float PanelTitleSize = 13.5f;
    private const float TextSize = 12;
    private const float TickSize = 11;

    // Room around a panel's frame: the numbers and the label of its axes, its title.
    private const float NumbersWidth = 42;
    private const float Right = 18;
    private const float Top = 26;
    private const float Bottom = 50;

    private static readonly SKSize usualFrame = new(218, 170);
    private static readonly SKColor ink = new(0x1f, 0x23, 0x28);
    private static readonly SKColor faint = new(0x59, 0x63, 0x6e);
    private static readonly SKColor line = new(0xe4, 0xe7, 0xeb);
    private static readonly SKColor axis = new(0x9a, 0xa2, 0xab);

    /// <summary>Colours that people with any colour vision can tell apart, on white.</summary>
    /// <remarks>Okabe and Ito, "Color Universal Design", 2008; without their yellow and sky blue, too light for lines.</remarks>
    public static IReadOnlyList<SKColor> Palette { get; } =
    [new(0x00, 0x72, 0xb2), new(0xcc, 0x79, 0xa7), new(0xd5, 0x5e, 0x00), new(0x00, 0x9e, 0x73), new(0xe6, 0x9f, 0x00)];

    /// <summary>What is there to compare with: a dark dashed line.</summary>
    public static CurveStyle Reference { get; } = new(ink, Width: 1.3f, IsDashed: true);

    /// <summary>A curve through points in the order of x; points that are not finite leave a gap.</summary>
    public static Mark Curve(IReadOnlyList<(double X, double Y)> points, CurveStyle style) =>
        area =>
        {
            SKPoint[] at = [.. points.Select(p => area.At(p.X, p.Y))];
            style.Line(area.Canvas, at);
            foreach (var point in at.Where(p => float.IsFinite(p.Y)))
                style.Point(area.Canvas, point);
        };

    /// <summary>A level line from one end of the panel to the other.</summary>
    public static Mark Level(double y, CurveStyle style) =>
        area => Curve([(area.X.From, y), (area.X.To, y)], style)(area);

    /// <summary>A box plot along x: the quartiles, the median, whiskers to the last number within one and a half times the
    /// box's length, and those beyond as points, as far as they lie in the frame.</summary>
    public static Mark Box(double y, BoxPlot box, SKColor colour) =>
        area =>
        {
            const float Half = 0.3f;
            var canvas = area.Canvas;
            var (upper, lower) = (area.At(box.Median, y + Half).Y, area.At(box.Median, y - Half).Y);
            float X(double number) => area.At(number, y).X;
            var middle = (upper + lower) / 2;
            using var edge = new SKPaint
            {
                Color = colour,
                StrokeWidth = 1.2f,
                IsAntialias = true,
                Style = SKPaintStyle.Stroke,
            };
            using var fill = new SKPaint { Color = colour.WithAlpha(0x38), IsAntialias = true };
            using var centre = new SKPaint
            {
                Color = ink,
                StrokeWidth = 2,
                IsAntialias = true,
            };
            var frame = SKRect.Create(X(box.Lower), upper, X(box.Upper) - X(box.Lower), lower - upper);
            canvas.DrawLine(X(box.Least), middle, frame.Left, middle, edge);
            canvas.DrawLine(frame.Right, middle, X(box.Most), middle, edge);
            canvas.DrawRect(frame, fill);
            canvas.DrawRect(frame, edge);
            canvas.DrawLine(X(box.Median), upper, X(box.Median), lower, centre);
            foreach (var number in box.Beyond.Where(n => n >= area.X.From && n <= area.X.To))
                canvas.DrawCircle(X(number), middle, 1.6f, fill);
        };

    /// <summary>Draws a figure.</summary>
    /// <param name="title">What it shows.</param>
    /// <param name="subtitle">Of what.</param>
    /// <param name="legend">What its curves are.</param>
    /// <param name="columns">How many panels stand side by side.</param>
    /// <param name="panels">The panels, row by row.</param>
    /// <param name="left">The room for what stands at the ticks of y.</param>
    /// <param name="frame">The size of a panel inside its axes; null: the usual one.</param>
    /// <param name="note">What stands below the panels; null: nothing.</param>
    public static Figure Draw(
        string title,
        string subtitle,
        IReadOnlyList<(string Name, CurveStyle Style)> legend,
        int columns,
        IReadOnlyList<Panel> panels,
        float left = NumbersWidth,
        SKSize? frame = null,
        string? note = null
    )
    {
        var inner = frame ?? usualFrame;
        var cell = new SKSize(left + inner.Width + Right, Top + inner.Height + Bottom);
        var head = Margin + TitleSize + 22 + 28;
        var rows = (panels.Count + columns - 1) / columns;
        var foot = note is null ? Margin / 2 : Margin + TextSize;
        var size = new SKSize(2 * Margin + columns * cell.Width, head + rows * cell.Height + foot);
        using var surface = SKSurface.Create(
            new SKImageInfo(
                (int)(Density * size.Width),
                (int)(Density * size.Height),
                SKColorType.Rgba8888,
                SKAlphaType.Opaque
            )
        );
        var canvas = surface.Canvas;
        canvas.Clear(SKColors.White);
        canvas.Scale(Density);
        var room = size.Width - 2 * Margin;
        var y = Margin + TitleSize;
        Text(canvas, title, new(Margin, y), TitleSize, ink, room);
        Text(canvas, subtitle, new(Margin, y += 22), TextSize, faint, room);
        Legend(canvas, legend, new(Margin, y + 26));
        foreach (var (i, panel) in panels.Index())
        {
            var origin = new SKPoint(Margin + i % columns * cell.Width, head + 10 + i / columns * cell.Height);
            Draw(canvas, panel, SKRect.Create(new(origin.X + left, origin.Y + Top), inner));
        }
        if (note is not null)
            Text(canvas, note, new(Margin, size.Height - Margin / 2), TextSize, faint, room);
        using var pixmap = surface.PeekPixels();
        using var png = pixmap.Encode(new SKPngEncoderOptions(SKPngEncoderFilterFlags.None, zLibLevel: 6))!;
        return new(png.ToArray(), pixmap.Width, pixmap.Height);
    }

    private static void Legend(SKCanvas canvas, IReadOnlyList<(string Name, CurveStyle Style)> legend, SKPoint at)
    {
        foreach (var (name, style) in legend)
        {
            var middle = at.Y - 4;
            style.Line(canvas, [new(at.X, middle), new(at.X + 26, middle)]);
            style.Point(canvas, new(at.X + 13, middle));
            at.X += 33;
            at.X += Text(canvas, name, at, TextSize, ink) + 22;
        }
    }

    private static void Draw(SKCanvas canvas, Panel panel, SKRect frame)
    {
        var area = new PlotArea(canvas, frame, panel.X, panel.Y);
        using var grid = new SKPaint
        {
            Color = line,
            StrokeWidth = 1,
            IsAntialias = true,
        };
        using var edge = new SKPaint
        {
            Color = axis,
            StrokeWidth = 1,
            IsAntialias = true,
        };
        Text(canvas, panel.Title, new(frame.Left, frame.Top - 10), PanelTitleSize, ink, frame.Width + 2 * Right);
        foreach (var (at, text) in panel.Y.Ticks)
        {
            var y = area.At(panel.X.From, at).Y;
            canvas.DrawLine(frame.Left, y, frame.Right, y, grid);
            Text(canvas, text, new(frame.Left - 7, y + 4), TickSize, faint, align: SKTextAlign.Right);
        }
        canvas.DrawLine(frame.Left, frame.Bottom, frame.Right, frame.Bottom, edge);
        using var font = Font(TickSize);
        var taken = new List<(float From, float To)>();
        // The last number says how many there are; the others stand where there is room.
        foreach (var (at, text) in panel.X.Ticks.TakeLast(1).Concat(panel.X.Ticks.SkipLast(1)))
        {
            var x = area.At(at, panel.Y.From).X;
            canvas.DrawLine(x, frame.Bottom, x, frame.Bottom + 4, edge);
            var half = font.MeasureText(text) / 2 + 3;
            if (taken.Any(t => x - half < t.To && x + half > t.From))
                continue;
            taken.Add((x - half, x + half));
            Text(canvas, text, new(x, frame.Bottom + 17), TickSize, faint, align: SKTextAlign.Center);
        }
        Text(canvas, panel.X.Label, new(frame.MidX, frame.Bottom + 35), TickSize, faint, align: SKTextAlign.Center);
        foreach (var mark in panel.Marks)
            mark(area);
    }

    private static float Text(
        SKCanvas canvas,
        string text,
        SKPoint at,
        float size,
        SKColor colour,
        float room = float.MaxValue,
        SKTextAlign align = SKTextAlign.Left
    )
    {
        using var font = Font(size);
        using var paint = new SKPaint { Color = colour, IsAntialias = true };
        var fitting = text;
        for (var length = text.Length - 1; length > 0 && font.MeasureText(fitting) > room; length--)
            fitting = $"{text.AsSpan(0, length).TrimEnd()}…";
        canvas.DrawText(fitting, at.X, at.Y, align, font, paint);
        return font.MeasureText(fitting);
    }

    private static SKFont Font(float size) => new(Fonts.Regular, size) { Subpixel = true };
}
