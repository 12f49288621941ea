namespace Attribution;

/// <summary>Guided integrated gradients, Σₖ ∇ₓ q(f(xₖ)) ⊙ (xₖ₊₁ - xₖ): a path from a baseline on which the numbers of least gradient move
/// first, so that it keeps out of where the quantity bends. Complete as the steps grow.</summary>
/// <remarks>Kapishnikov et al., arXiv 2106.09788. In each step the tenth of the numbers that have the least gradient moves, no further than
/// a fiftieth of the way from the straight line.</remarks>
/// <param name="model">The classifier.</param>
/// <param name="quantity">What is explained; null: the score of the class predicted for each instance.</param>
/// <param name="baseline">Where paths begin; null: <see cref="Baseline.Black"/>.</param>
/// <param name="numSteps">The steps of a path.</param>
/// <exception cref="ArgumentOutOfRangeException">numSteps is less than 1.</exception>
public sealed class GuidedIntegratedGrad(
    Model model,
    Quantity? quantity = null,
    Baseline? baseline = null,
    int numSteps = 50
)
    : MapMethod(
        model,
        quantity,
        Pass.Gradient,
        _ => 1L + numSteps,
        x =>
        {
            ArgumentOutOfRangeException.ThrowIfLessThan(numSteps, 1);
            var start = Baseline.For(baseline, x);
            return (target, batch) => Core.GuidedIntegratedGradients.attribute(numSteps, start, target, batch);
        }
    );

/// <summary>Blur integrated gradients, Σₖ ∇ₓ q(f(x̃ₖ)) ⊙ (xₖ₊₁ - xₖ): the image comes into focus, and each pixel is credited with what its
/// own change did. Complete as the steps grow: from q of the image at its most blurred.</summary>
/// <remarks>Xu, Venugopalan and Sundararajan, arXiv 2004.03383. The blur's standard deviation falls in equal steps from 22 % of the longer
/// side, the authors' 50 pixels of 224; gradients are taken in the middle of each.</remarks>
/// <param name="model">The classifier.</param>
/// <param name="quantity">What is explained; null: the score of the class predicted for each instance.</param>
/// <param name="numSteps">The steps of a path.</param>
/// <exception cref="ArgumentOutOfRangeException">numSteps is less than 1.</exception>
public sealed class BlurIntegratedGrad(Model model, Quantity? quantity = null, int numSteps = 50)
    : MapMethod(
        model,
        quantity,
        Pass.Gradient,
        _ => 1L + numSteps,
        _ =>
        {
            ArgumentOutOfRangeException.ThrowIfLessThan(numSteps, 1);
            return (target, batch) => Core.BlurIntegratedGradients.attribute(numSteps, target, batch);
        }
    );

/// <summary>XRAI: regions of the image, ranked by how much attribution each adds for its area; n×h×w, each pixel the mean attribution of
/// what its region added.</summary>
/// <remarks>Kapishnikov et al., arXiv 1906.02825: integrated gradients from black and from white, over segments of five scales; these are
/// SLIC's superpixels, where the paper's are Felzenszwalb's.</remarks>
/// <param name="model">The classifier.</param>
/// <param name="quantity">What is explained; null: the score of the class predicted for each instance.</param>
/// <param name="numSteps">The points on either path.</param>
/// <param name="rule">Where they lie.</param>
/// <exception cref="ArgumentOutOfRangeException">numSteps is less than 1.</exception>
public sealed class Xrai(
    Model model,
    Quantity? quantity = null,
    int numSteps = 50,
    IntegrationRule rule = IntegrationRule.RightHand
)
    : MapMethod(
        model,
        quantity,
        Pass.Gradient,
        _ => 2L * (1 + numSteps),
        x =>
        {
            ArgumentOutOfRangeException.ThrowIfLessThan(numSteps, 1);
            var nodes = QuadratureModule.nodes(rule.InCore(), numSteps);
            var white = BaselineModule.white(x.Peak);
            return (target, batch) => Core.Xrai.attribute(nodes, white, target, batch);
        }
    );
