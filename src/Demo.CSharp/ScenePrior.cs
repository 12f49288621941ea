using System.Collections.Generic;
using static TorchSharp.torch;

namespace Attribution;

/// <summary>Where in a scene the evidence may lie, as a network is told while it is trained.</summary>
public enum ScenePrior
{
    /// <summary>Anywhere: it is told nothing.</summary>
    None,

    /// <summary>In the object.</summary>
    Object,

    /// <summary>In the part that tells the object's two classes apart.</summary>
    Part,
}

/// <summary>The loss of a prior over scenes.</summary>
internal static class ScenePriors
{
    /// <summary>The mean over scenes of <see cref="AttributionPrior.Outside"/>, of expected gradients of the true class's logit: a pass
    /// with a baseline each. Inside <see cref="Differentiation.Record"/>.</summary>
    /// <param name="model">The network that is trained.</param>
    /// <param name="x">Scenes: n×3×64×64, 0-255.</param>
    /// <param name="classes">The class of each.</param>
    /// <param name="inside">Where the evidence may lie: n×64×64 of booleans.</param>
    /// <param name="others">What baselines are drawn from: scenes, none of which is among these.</param>
    /// <param name="draw">Decides on what is drawn.</param>
    public static Tensor Loss(Model model, Tensor x, IEnumerable<long> classes, Tensor inside, Tensor others, long draw)
    {
        var maps = new ExpectedGradients(model, Quantity.TrueClass(classes), others, samples: 1, seed: draw).Attribute(
            x
        );
        return AttributionPrior.Outside(inside, maps).mean();
    }
}
