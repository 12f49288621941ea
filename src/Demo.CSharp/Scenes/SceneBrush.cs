using System;
using SkiaSharp;

namespace Attribution;

/// <summary>Draws filled shapes and strokes in an object's own coordinates (the unit disc, y downwards).</summary>
internal sealed class SceneBrush : IDisposable
{
    private readonly SKPaint paint = new()
    {
        IsAntialias = true,
        StrokeCap = SKStrokeCap.Round,
        StrokeJoin = SKStrokeJoin.Round,
    };
    private readonly SKCanvas canvas;

    internal SceneBrush(SKCanvas canvas) => this.canvas = canvas;

    public void Dispose() => paint.Dispose();

    internal void Disc(SKColor colour, float x, float y, float radius) => Ellipse(colour, x, y, radius, radius);

    internal void Ellipse(SKColor colour, float x, float y, float radiusX, float radiusY) =>
        canvas.DrawOval(x, y, radiusX, radiusY, Fill(colour));

    internal void Box(SKColor colour, float left, float top, float right, float bottom, float corner = 0) =>
        canvas.DrawRoundRect(new SKRect(left, top, right, bottom), corner, corner, Fill(colour));

    internal void Polygon(SKColor colour, params ReadOnlySpan<(float X, float Y)> corners)
    {
        using SKPath path = Path(corners, close: true);
        canvas.DrawPath(path, Fill(colour));
    }

    internal void Line(SKColor colour, float width, params ReadOnlySpan<(float X, float Y)> points)
    {
        using SKPath path = Path(points, close: false);
        canvas.DrawPath(path, Stroke(colour, width));
    }

    internal void Arc(
        SKColor colour,
        float width,
        float x,
        float y,
        float radiusX,
        float radiusY,
        float start,
        float sweep
    ) =>
        canvas.DrawArc(
            new SKRect(x - radiusX, y - radiusY, x + radiusX, y + radiusY),
            start,
            sweep,
            false,
            Stroke(colour, width)
        );

    /// <summary>The upper half of an ellipse whose flat side lies at y.</summary>
    internal void Dome(SKColor colour, float x, float y, float radiusX, float height) =>
        canvas.DrawArc(new SKRect(x - radiusX, y - height, x + radiusX, y + height), 180, 180, true, Fill(colour));

    private static SKPath Path(ReadOnlySpan<(float X, float Y)> points, bool close)
    {
        using var builder = new SKPathBuilder();
        builder.MoveTo(points[0].X, points[0].Y);
        foreach ((float x, float y) in points[1..])
        {
            builder.LineTo(x, y);
        }
        if (close)
        {
            builder.Close();
        }
        return builder.Detach();
    }

    private SKPaint Fill(SKColor colour)
    {
        paint.Style = SKPaintStyle.Fill;
        paint.Color = colour;
        return paint;
    }

    private SKPaint Stroke(SKColor colour, float width)
    {
        paint.Style = SKPaintStyle.Stroke;
        paint.StrokeWidth = width;
        paint.Color = colour;
        return paint;
    }
}
