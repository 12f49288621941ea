namespace Attribution;

/// <summary>Attention rollout: the share of each pixel in the output through all layers of attention, the row of Π (½A + ½I) that the
/// output is read from, A the mean of the heads' softmax(QKᵀ/√d). None is negative, and an image's sum to 1 at most: what class tokens
/// keep, no pixel has. It is of no class.</summary>
/// <remarks>Abnar and Zuidema, arXiv 2005.00928, carried back through the network itself, so that windows, merged patches and
/// convolutions count as what they are.</remarks>
/// <param name="model">The classifier.</param>
/// <param name="quantity">Where the way back begins: at the scores, or at a unit's layer (<see cref="Quantity.Unit"/>).</param>
/// <exception cref="AttributionException">The model has no attention that can be seen.</exception>
public sealed class AttentionRollout(Model model, Quantity? quantity = null)
    : MapMethod(
        RequireAttention("Attention rollout", model),
        quantity,
        Pass.Rules,
        _ => 1,
        _ => (target, batch) => Core.AttentionRollout.attribute(target, batch)
    )
{
    internal static Model RequireAttention(string name, Model model) =>
        model.Require(
            $"{name} is about attention, a softmax of a product QKᵀ times V",
            graph => !AttentionModule.find(graph).IsEmpty
        );
}

/// <summary>Gradient × attention relevance: how much each pixel matters to a quantity through all layers of attention, the row of
/// Π (I + Ā) - I that the output is read from, Ā the mean over heads of max(∇A ⊙ A, 0), ∇A the quantity's gradient by the
/// attention A. None is negative.</summary>
/// <remarks>Chefer, Gur and Wolf, arXiv 2103.15679, carried back through the network itself.</remarks>
/// <param name="model">The classifier.</param>
/// <param name="quantity">What is explained; null: the score of the class predicted for each instance.</param>
/// <exception cref="AttributionException">The model has no attention that can be seen.</exception>
public sealed class AttentionRelevance(Model model, Quantity? quantity = null)
    : MapMethod(
        AttentionRollout.RequireAttention("Gradient × attention relevance", model),
        quantity,
        Pass.Rules,
        _ => 3,
        _ => (target, batch) => Core.AttentionRelevance.attribute(target, batch)
    );
