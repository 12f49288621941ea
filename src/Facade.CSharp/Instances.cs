using System.Runtime.CompilerServices;
using Attribution.Core;
using static TorchSharp.torch;

namespace Attribution;

/// <summary>
/// What a method works on: a tensor (n×…, for images n×c×h×w, 0-255) or an <see cref="ImageSet"/>, which is read a batch
/// at a time. Both convert by themselves, so pass either.
/// </summary>
public readonly struct Instances
{
    private const double White = 255;

    private readonly ConditionalWeakTable<Graph, Known>? known;

    private Instances(Core.Instances core, double peak, ConditionalWeakTable<Graph, Known>? known = null) =>
        (Core, Peak, this.known) = (core, peak, known);

    internal Core.Instances Core { get; }

    /// <summary>The number that stands for white: 255, or 1 for an <see cref="ImageSet"/> stored in 0-1.</summary>
    public double Peak { get; }

    /// <summary>The number of instances.</summary>
    public int Count => Core.Count;

    /// <summary>
    /// The same instances for several calls: the logits that one of them computes on its way, the next ones take over. For
    /// models whose weights stay as they are meanwhile, and one call at a time.
    /// </summary>
    public Instances Remembered() => new(Core, Peak, []);

    /// <summary>A quantity of interest of these instances.</summary>
    internal Target TargetOf(Quantity quantity, Core.Model model)
    {
        var count = Count;
        return TargetModule
            .ofQuantity(quantity.Core, model)
            .Knowing(known?.GetValue(model.Graph, _ => new Known(count)));
    }

    /// <summary>The rows of a tensor.</summary>
    public static implicit operator Instances(Tensor x) => new(InstancesModule.ofTensor(x), White);

    /// <summary>The images of a set.</summary>
    public static implicit operator Instances(ImageSet set) =>
        new(Interop.Instances(set.Count, (start, length) => set.Images(start..(start + length))), set.Peak);
}
