namespace Attribution;

/// <summary>Explanation continuity, max (‖A(x') - A(x)‖₁ / ‖A(x)‖₁) / ‖x' - x‖₂, x' the image moved by a pixel in each of eight
/// directions, its edges repeated: the strongest variation of the map. 0 or more; lower is better.</summary>
/// <remarks>Montavon, Samek and Müller, Methods for interpreting and understanding deep neural networks, Digital Signal Processing 73,
/// 2018, whose ‖A(x') - A(x)‖₁ / ‖x' - x‖₂ compares no methods of different units: so maps are shares of ‖A(x)‖₁, and images in
/// units of white, unless scaled is false. The explained class stays that of x. NaN where every x' is x, and where the map is 0, if
/// it is scaled.</remarks>
public sealed class Continuity : ExplainingBatchMetric
{
    /// <summary>The continuity of a method's maps of a class's score.</summary>
    /// <param name="model">The classifier.</param>
    /// <param name="explain">How the maps are made of a model's quantity.</param>
    /// <param name="targetClass">The class; null: the one predicted for each instance.</param>
    /// <param name="pixels">How far the image moves at the most, down, up and to both sides.</param>
    /// <param name="scaled">Whether maps are relative to their own norm, and changes to white; false: the definition itself, in the
    /// units of both.</param>
    /// <exception cref="ArgumentOutOfRangeException">pixels is less than 1.</exception>
    public Continuity(
        Model model,
        Func<Model, Quantity, Explainer> explain,
        int? targetClass = null,
        int pixels = 1,
        bool scaled = true
    )
        : base(
            model,
            explain,
            targetClass,
            1 + 3 * ((2.0 * pixels + 1) * (2.0 * pixels + 1) - 1),
            (white, maps) =>
                (target, attributions, batch) =>
                    Core.Continuity.scores(scaled, white, pixels, Interop.Curried(maps), target, attributions, batch)
        ) => ArgumentOutOfRangeException.ThrowIfLessThan(pixels, 1);
}
