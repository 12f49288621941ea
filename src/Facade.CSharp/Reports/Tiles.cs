using System.Collections.Generic;
using System.Linq;
using SkiaSharp;
using static TorchSharp.torch;

namespace Attribution;

/// <summary>A small picture.</summary>
/// <param name="Pixels">h×w×c bytes.</param>
/// <param name="Caption">What stands below it, line by line.</param>
internal sealed record Tile(Tensor Pixels, params IReadOnlyList<string> Caption);

/// <summary>Tiles side by side, under a title.</summary>
internal sealed record TileGroup(string Title, IReadOnlyList<Tile> Tiles);

/// <summary>Figures of groups of tiles, at twice the size of a screen's pixels.</summary>
internal static class Tiles
{
    private const float Margin = 24;
    private const float Gap = 6;
    private const float GroupGap = 26;
    private const float TitleLine = 20;
    private const float CaptionLine = 16;

    /// <summary>Draws a figure.</summary>
    /// <param name="title">What it shows, above everything; null: nothing.</param>
    /// <param name="subtitle">Of what.</param>
    /// <param name="columns">How many groups, of as many tiles each, stand side by side.</param>
    /// <param name="side">A tile's.</param>
    /// <param name="groups">The groups, row by row.</param>
    public static Figure Draw(string? title, string subtitle, int columns, float side, IReadOnlyList<TileGroup> groups)
    {
        var head = title is null ? 0 : Margin + Charts.TitleSize + 22 + 18;
        var edge = title is null ? 0 : Margin;
        var count = groups.Max(group => group.Tiles.Count);
        var lines = groups.Max(group => group.Tiles.Max(tile => tile.Caption.Count));
        var titleLine = groups.Any(group => group.Title.Length > 0) ? TitleLine : 0;
        var cell = new SKSize(count * side + (count - 1) * Gap, titleLine + side + lines * CaptionLine);
        var rows = (groups.Count + columns - 1) / columns;
        var size = new SKSize(
            2 * edge + columns * cell.Width + (columns - 1) * GroupGap,
            head + rows * cell.Height + (rows - 1) * GroupGap / 2 + edge
        );
        using var surface = SKSurface.Create(
            new SKImageInfo(
                (int)(Charts.Density * size.Width),
                (int)(Charts.Density * size.Height),
                SKColorType.Rgba8888,
                SKAlphaType.Opaque
            )
        );
        var canvas = surface.Canvas;
        canvas.Clear(SKColors.White);
        canvas.Scale(Charts.Density);
        if (title is not null)
        {
            var (at, room) = (new SKPoint(Margin, Margin + Charts.TitleSize), size.Width - 2 * Margin);
            Charts.Text(canvas, title, at, Charts.TitleSize, Charts.Ink, room);
            Charts.Text(canvas, subtitle, new(at.X, at.Y + 22), Charts.TextSize, Charts.Faint, room);
        }
        foreach (var (i, group) in groups.Index())
        {
            var at = new SKPoint(
                edge + i % columns * (cell.Width + GroupGap),
                head + i / columns * (cell.Height + GroupGap / 2)
            );
            Charts.Text(canvas, group.Title, new(at.X, at.Y + 13), Charts.PanelTitleSize, Charts.Ink, cell.Width);
            foreach (var (k, tile) in group.Tiles.Index())
                Draw(canvas, tile, SKRect.Create(at.X + k * (side + Gap), at.Y + titleLine, side, side));
        }
        return Charts.Finish(surface);
    }

    private static void Draw(SKCanvas canvas, Tile tile, SKRect frame)
    {
        using var image = ExplanationPicture.Bitmap(tile.Pixels);
        // Every pixel of a small image stays a crisp square.
        canvas.DrawImage(image, frame, new SKSamplingOptions(SKFilterMode.Nearest));
        foreach (var (line, text) in tile.Caption.Index())
            Charts.Text(
                canvas,
                text,
                new(frame.Left, frame.Bottom + (line + 1) * CaptionLine - 2),
                Charts.TickSize,
                Charts.Faint,
                frame.Width
            );
    }
}
