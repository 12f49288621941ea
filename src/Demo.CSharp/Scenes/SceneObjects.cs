using System;
using SkiaSharp;

namespace Attribution;

/// <summary>Which member of a pair an object is drawn as; <see cref="Neither"/> leaves the distinguishing part out.</summary>
internal enum Member
{
    First,
    Second,
    Neither,
}

/// <summary>The seven objects; each method draws the body alike for both members and differs in the part alone.</summary>
internal static class SceneObjects
{
    internal static void Car(SceneBrush brush, SceneStyle style, Member member)
    {
        float top = -0.42f - (0.12f * style.Tall);
        if (member == Member.First)
        {
            brush.Polygon(style.Body, (-0.62f, 0.12f), (-0.36f, top), (0.30f, top), (0.56f, 0.12f));
            brush.Polygon(
                SceneStyle.Glass,
                (-0.44f, 0.06f),
                (-0.28f, top + 0.11f),
                (-0.06f, top + 0.11f),
                (-0.06f, 0.06f)
            );
            brush.Polygon(SceneStyle.Glass, (0.04f, 0.06f), (0.04f, top + 0.11f), (0.24f, top + 0.11f), (0.40f, 0.06f));
        }
        foreach (float x in (ReadOnlySpan<float>)[-0.32f, 0.10f])
        {
            brush.Box(style.DeepBody, x, -0.14f, x + 0.12f, 0.14f, 0.05f);
        }
        brush.Line(SceneStyle.Dark, 0.05f, (0.36f, 0.10f), (0.30f, -0.06f));
        brush.Box(style.Body, -0.92f, 0.06f, 0.92f, 0.48f, 0.15f);
        brush.Box(style.Accent, -0.92f, 0.24f, 0.92f, 0.32f);
        brush.Disc(SKColors.White, 0.82f, 0.16f, 0.07f);
        float wheel = 0.19f + (0.04f * style.Slim);
        foreach (float x in (ReadOnlySpan<float>)[-0.5f, 0.5f])
        {
            brush.Disc(SceneStyle.Dark, x, 0.46f, wheel);
            brush.Disc(SceneStyle.Glass, x, 0.46f, wheel * 0.45f);
        }
    }

    internal static void Cat(SceneBrush brush, SceneStyle style, Member member)
    {
        float width = 0.56f + (0.08f * style.Slim);
        float tip = 0.85f + (0.08f * style.Tall);
        foreach (float side in (ReadOnlySpan<float>)[-1, 1])
        {
            if (member == Member.First)
            {
                brush.Polygon(style.Body, (side * 0.12f, -0.22f), (side * 0.50f, -tip), (side * 0.60f, 0.06f));
                brush.Polygon(
                    style.Accent,
                    (side * 0.27f, -0.28f),
                    (side * 0.47f, 0.16f - tip),
                    (side * 0.52f, -0.10f)
                );
            }
            else if (member == Member.Second)
            {
                brush.Disc(style.Body, side * 0.50f, -0.38f, 0.25f + (0.03f * style.Tall));
                brush.Disc(style.Accent, side * 0.50f, -0.38f, 0.13f);
            }
        }
        brush.Ellipse(style.Body, 0, 0.22f, width, 0.52f);
        foreach (float side in (ReadOnlySpan<float>)[-1, 1])
        {
            brush.Disc(SKColors.White, side * 0.23f, 0.10f, 0.12f);
            brush.Disc(SceneStyle.Dark, side * 0.23f, 0.11f, 0.06f);
            brush.Line(SceneStyle.Dark, 0.035f, (side * 0.20f, 0.42f), (side * 0.72f, 0.34f));
            brush.Line(SceneStyle.Dark, 0.035f, (side * 0.20f, 0.48f), (side * 0.70f, 0.54f));
        }
        brush.Polygon(SceneStyle.Dark, (-0.09f, 0.30f), (0.09f, 0.30f), (0, 0.41f));
        brush.Line(
            SceneStyle.Dark,
            0.035f,
            (-0.14f, 0.52f),
            (-0.07f, 0.58f),
            (0, 0.52f),
            (0.07f, 0.58f),
            (0.14f, 0.52f)
        );
    }

    internal static void Boat(SceneBrush brush, SceneStyle style, Member member)
    {
        if (member == Member.First)
        {
            float peak = -0.82f - (0.10f * style.Tall);
            brush.Polygon(style.PaleAccent, (0.02f, peak), (0.02f, 0.14f), (0.58f, 0.14f));
            brush.Polygon(style.Accent, (-0.08f, peak + 0.22f), (-0.08f, 0.14f), (-0.48f, 0.14f));
            brush.Line(SceneStyle.Dark, 0.05f, (-0.03f, peak - 0.03f), (-0.03f, 0.30f));
        }
        else if (member == Member.Second)
        {
            float rim = -0.48f - (0.10f * style.Tall);
            brush.Box(style.Accent, -0.16f, rim, 0.16f, 0.30f);
            brush.Box(style.PaleAccent, -0.16f, rim + 0.14f, 0.16f, rim + 0.30f);
            brush.Disc(SceneStyle.Glass, -0.06f, rim - 0.14f, 0.12f);
            brush.Disc(SceneStyle.Glass, -0.26f, rim - 0.24f, 0.15f);
        }
        float stern = 0.52f + (0.14f * style.Slim);
        brush.Polygon(style.Body, (-0.86f, 0.26f), (0.92f, 0.26f), (stern, 0.70f), (-0.56f, 0.70f));
        brush.Polygon(style.DeepBody, (-0.66f, 0.56f), (0.64f, 0.56f), (stern, 0.70f), (-0.56f, 0.70f));
        foreach (float x in (ReadOnlySpan<float>)[-0.4f, 0, 0.4f])
        {
            brush.Disc(SceneStyle.Glass, x, 0.41f, 0.07f);
        }
    }

    internal static void Camel(SceneBrush brush, SceneStyle style, Member member)
    {
        float height = 0.44f + (0.12f * style.Tall);
        if (member == Member.First)
        {
            brush.Dome(style.Body, -0.12f, 0.04f, 0.24f, height + 0.10f);
        }
        else if (member == Member.Second)
        {
            brush.Dome(style.Body, -0.40f, 0.08f, 0.17f, height);
            brush.Dome(style.Body, 0.14f, 0.08f, 0.17f, height);
        }
        brush.Ellipse(style.Body, -0.12f, 0.14f, 0.54f, 0.22f);
        brush.Box(style.Accent, -0.28f, 0.04f, 0.04f, 0.30f);
        float foot = 0.78f - (0.06f * style.Slim);
        foreach (
            (float x, SKColor color) in (ReadOnlySpan<(float, SKColor)>)
                [(-0.42f, style.DeepBody), (0.14f, style.DeepBody), (-0.55f, style.Body), (0.28f, style.Body)]
        )
        {
            brush.Line(color, 0.12f, (x, 0.18f), (x, foot));
        }
        brush.Line(style.Body, 0.17f, (0.34f, 0.16f), (0.60f, 0.16f), (0.68f, -0.40f));
        brush.Ellipse(style.Body, 0.77f, -0.44f, 0.20f, 0.12f);
        brush.Disc(SceneStyle.Dark, 0.74f, -0.47f, 0.035f);
        brush.Line(style.DeepBody, 0.05f, (-0.64f, 0.10f), (-0.78f, 0.38f));
    }

    internal static void Flower(SceneBrush brush, SceneStyle style, Member member)
    {
        const float bloom = -0.46f;
        brush.Line(SceneStyle.Leaf, 0.09f, (0, bloom + 0.14f), (0, 0.40f));
        float leaf = 0.34f + (0.10f * style.Slim);
        brush.Polygon(SceneStyle.Leaf, (0, 0.28f), (-leaf, 0.16f), (-leaf - 0.08f, -0.08f), (-0.10f, 0.06f));
        brush.Polygon(SceneStyle.Leaf, (0, 0.28f), (leaf, 0.16f), (leaf + 0.08f, -0.08f), (0.10f, 0.06f));
        brush.Polygon(style.Body, (-0.38f, 0.40f), (0.38f, 0.40f), (0.28f, 0.92f), (-0.28f, 0.92f));
        brush.Box(style.DeepBody, -0.44f, 0.34f, 0.44f, 0.50f, 0.03f);
        if (member == Member.First)
        {
            float tip = bloom - 0.36f - (0.08f * style.Tall);
            brush.Polygon(
                style.Accent,
                (-0.32f, tip),
                (-0.13f, tip + 0.24f),
                (0, tip - 0.02f),
                (0.13f, tip + 0.24f),
                (0.32f, tip),
                (0.28f, bloom + 0.08f),
                (0.12f, bloom + 0.24f),
                (-0.12f, bloom + 0.24f),
                (-0.28f, bloom + 0.08f)
            );
        }
        else if (member == Member.Second)
        {
            float reach = 0.28f + (0.04f * style.Tall);
            for (int petal = 0; petal < 8; petal++)
            {
                (float sin, float cos) = MathF.SinCos(petal * MathF.PI / 4);
                brush.Disc(style.PaleAccent, reach * cos, bloom + (reach * sin), 0.13f);
            }
            brush.Disc(style.Accent, 0, bloom, 0.18f);
        }
    }

    internal static void Mug(SceneBrush brush, SceneStyle style, Member member)
    {
        float reach = 0.28f + (0.06f * style.Tall);
        if (member == Member.First)
        {
            brush.Arc(style.Body, 0.14f, 0.36f, 0.04f, reach + 0.14f, 0.36f, -90, 180);
        }
        float side = 0.40f + (0.06f * style.Slim);
        brush.Box(style.Body, -0.10f - side, -0.52f, side - 0.02f, 0.66f, 0.10f);
        brush.Box(style.Accent, -0.10f - side, -0.12f, side - 0.02f, 0.22f);
        brush.Ellipse(style.DeepBody, -0.06f, -0.52f, side + 0.04f, 0.14f);
        brush.Ellipse(SceneStyle.Dark, -0.06f, -0.51f, side - 0.05f, 0.08f);
    }

    internal static void Snowman(SceneBrush brush, SceneStyle style, Member member)
    {
        float belly = 0.40f + (0.06f * style.Slim);
        foreach (float side in (ReadOnlySpan<float>)[-1, 1])
        {
            brush.Line(SceneStyle.Dark, 0.06f, (side * 0.34f, 0.36f), (side * 0.76f, 0.10f));
        }
        brush.Disc(style.PaleBody, 0, 0.96f - belly, belly);
        brush.Disc(style.PaleBody, 0, -0.10f, 0.30f);
        brush.Box(style.Accent, -0.27f, 0.12f, 0.27f, 0.23f, 0.05f);
        brush.Box(style.Accent, 0.08f, 0.16f, 0.19f, 0.44f, 0.03f);
        brush.Disc(SceneStyle.Dark, -0.11f, -0.16f, 0.05f);
        brush.Disc(SceneStyle.Dark, 0.11f, -0.16f, 0.05f);
        brush.Polygon(SceneStyle.Carrot, (-0.03f, -0.08f), (0.03f, 0.02f), (0.26f, 0.02f));
        brush.Disc(SceneStyle.Dark, -0.04f, 0.42f, 0.05f);
        brush.Disc(SceneStyle.Dark, -0.04f, 0.62f, 0.05f);
        if (member == Member.First)
        {
            brush.Box(style.Body, -0.26f, -0.86f - (0.06f * style.Tall), 0.26f, -0.32f, 0.03f);
            brush.Box(style.Accent, -0.26f, -0.52f, 0.26f, -0.42f);
            brush.Box(style.Body, -0.44f, -0.42f, 0.44f, -0.30f, 0.03f);
        }
        else if (member == Member.Second)
        {
            float tip = -0.66f - (0.06f * style.Tall);
            brush.Polygon(style.Body, (-0.31f, -0.30f), (-0.24f, -0.48f), (0, tip), (0.24f, -0.48f), (0.31f, -0.30f));
            brush.Disc(style.Accent, 0, tip - 0.05f, 0.14f);
            brush.Box(style.PaleAccent, -0.35f, -0.38f, 0.35f, -0.25f, 0.06f);
        }
    }
}
