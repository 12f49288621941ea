using System.Collections.Generic;
using System.Linq;
using SkiaSharp;
using static Attribution.Drawing;
using static TorchSharp.torch;

namespace Attribution;

/// <summary>A small picture.</summary>
/// <param name="Picture">h×w×c bytes.</param>
/// <param name="Caption">What stands below it, line by line.</param>
internal sealed record Tile(Tensor Picture, params IReadOnlyList<string> Caption);

/// <summary>Tiles side by side, under a title where there is one.</summary>
internal sealed record TileGroup(string Title, IReadOnlyList<Tile> Tiles);

/// <summary>Figures of groups of tiles, at twice the size of a screen's pixels.</summary>
internal static class Tiles
{
    private const float Density = 2;
    private const float Apart = 6;
    private const float GroupsApart = 26;
    private const float GroupTitleSize = 13.5f;
    private const float CaptionSize = 11;
    private const float CaptionLine = 16;

    /// <summary>Draws a figure as a PNG file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="heading">What it shows, and of what; null: nothing is said.</param>
    /// <param name="columns">How many groups stand side by side.</param>
    /// <param name="side">A tile's.</param>
    /// <param name="groups">The groups, of as many tiles each, row by row.</param>
    /// <exception cref="AttributionException">The file cannot be written.</exception>
    public static void Write(
        string path,
        (string Title, string Subtitle)? heading,
        int columns,
        float side,
        IReadOnlyList<TileGroup> groups
    )
    {
        var edge = heading is null ? 0 : Margin;
        var head = heading is null ? 0 : Margin + TitleSize + 2 * LineHeight;
        var above = groups.Max(group => group.Title.Length) > 0 ? LineHeight : 0;
        var below = CaptionLine * groups.Max(group => group.Tiles.Max(tile => tile.Caption.Count));
        var count = groups.Max(group => group.Tiles.Count);
        var cell = new SKSize(count * (side + Apart) - Apart, above + side + below);
        var rows = (groups.Count + columns - 1) / columns;
        var width = 2 * edge + columns * (cell.Width + GroupsApart) - GroupsApart;
        var height = head + rows * (cell.Height + GroupsApart / 2) - GroupsApart / 2 + edge;
        using var png = Png(
            Density * width,
            Density * height,
            canvas =>
            {
                canvas.Scale(Density);
                var room = width - 2 * Margin;
                Text(canvas, heading?.Title ?? "", Margin, Margin + TitleSize, room, Ink, TitleSize);
                Text(canvas, heading?.Subtitle ?? "", Margin, Margin + TitleSize + LineHeight, room, Faint, 12);
                foreach (var (i, group) in groups.Index())
                {
                    var left = edge + i % columns * (cell.Width + GroupsApart);
                    var top = head + i / columns * (cell.Height + GroupsApart / 2);
                    Text(canvas, group.Title, left, top + GroupTitleSize, cell.Width, Ink, GroupTitleSize);
                    foreach (var (k, tile) in group.Tiles.Index())
                        Draw(canvas, tile, SKRect.Create(left + k * (side + Apart), top + above, side, side));
                }
            }
        );
        AtomicFile.Write(path, png.SaveTo);
    }

    private static void Draw(SKCanvas canvas, Tile tile, SKRect place)
    {
        Pixels(canvas, tile.Picture, place);
        foreach (var (line, text) in tile.Caption.Index())
            Text(
                canvas,
                text,
                place.Left,
                place.Bottom + (line + 1) * CaptionLine - 2,
                place.Width,
                Faint,
                CaptionSize
            );
    }
}
