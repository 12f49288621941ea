using System;
using System.Collections.Generic;
using SkiaSharp;

namespace Attribution;

/// <summary>Small shapes that are no class's part, behind the object and clear of both forms of its part.</summary>
internal sealed class SceneClutter
{
    private readonly float[] columns;
    private readonly float[] rows;

    internal SceneClutter(ReadOnlySpan<bool> partMask)
    {
        var positions = new List<int>();
        for (var at = 0; at < partMask.Length; at++)
            if (partMask[at])
                positions.Add(at);
        columns = [.. positions.ConvertAll(at => (float)(at % SceneStudio.Size))];
        rows = [.. positions.ConvertAll(at => (float)(at / SceneStudio.Size))];
    }

    /// <summary>Draws two to five shapes, but none where it would touch the part.</summary>
    internal void Scatter(SceneRandom random, SKCanvas canvas, SceneBrush brush)
    {
        var count = 2 + random.Below(4);
        for (var shape = 0; shape < count; shape++)
        {
            var radius = random.Between(3, 5.5f);
            var x = random.Between(radius, SceneStudio.Size - radius);
            var y = random.Between(radius, SceneStudio.Size - radius);
            var turn = SKMatrix.CreateRotationDegrees(random.Between(0, 90));
            var colour = random.Colour(20, 100, 45, 100);
            var kind = random.Below(4);
            if (TouchesPart(x, y, radius + 2))
                continue;
            var scaled = SKMatrix.CreateScale(radius, radius).PostConcat(turn);
            canvas.SetMatrix(scaled.PostConcat(SKMatrix.CreateTranslation(x, y)));
            Draw(kind, colour, brush);
        }
    }

    private bool TouchesPart(float x, float y, float reach)
    {
        for (var i = 0; i < rows.Length; i++)
            if (MathF.Abs(columns[i] - x) < reach && MathF.Abs(rows[i] - y) < reach)
                return true;
        return false;
    }

    private static void Draw(int kind, SKColor colour, SceneBrush brush)
    {
        switch (kind)
        {
            case 0:
                brush.Box(colour, -0.9f, -0.25f, 0.9f, 0.25f);
                brush.Box(colour, -0.25f, -0.9f, 0.25f, 0.9f);
                break;
            case 1:
                brush.Line(colour, 0.3f, (-0.6f, -0.6f), (0.6f, -0.6f), (0.6f, 0.6f), (-0.6f, 0.6f), (-0.6f, -0.6f));
                break;
            case 2:
                brush.Line(colour, 0.35f, (-0.8f, 0.3f), (-0.4f, -0.3f), (0, 0.3f), (0.4f, -0.3f), (0.8f, 0.3f));
                break;
            default:
                brush.Line(colour, 0.3f, (-0.8f, -0.3f), (0.8f, -0.3f));
                brush.Line(colour, 0.3f, (-0.8f, 0.3f), (0.8f, 0.3f));
                break;
        }
    }
}
