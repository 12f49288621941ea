namespace Attribution;

/// <summary>Brightness that changes across the picture, and the camera's noise.</summary>
internal sealed class SceneLight(SceneRandom random)
{
    private const float Middle = SceneStudio.Size / 2f;

    private readonly float level = random.Between(0.5f, 1.1f);
    private readonly float across = random.Between(-0.12f, 0.12f) / Middle;
    private readonly float down = random.Between(-0.12f, 0.12f) / Middle;
    private readonly float noise = random.Between(2, 28);

    /// <summary>The factor by which a pixel is lit.</summary>
    internal float Shade(int x, int y) => level + (across * (x - Middle)) + (down * (y - Middle));

    /// <summary>What the camera adds to one channel of one pixel.</summary>
    internal float Noise(SceneRandom random) => random.Between(-noise, noise);
}
