using System.Runtime.CompilerServices;

namespace Attribution;

/// <summary>What a method works on: a tensor (n×…, for images n×c×h×w, 0-255) or an <see cref="ImageSet"/>, which is read a
/// batch at a time. Both convert by themselves, so pass either.</summary>
public readonly struct Instances
{
    private const double White = 255;

    private readonly Memory? memory;

    private Instances(Core.Instances core, double peak, Memory? memory = null, Core.Instances? whole = null) =>
        (Core, Peak, this.memory, Whole) = (core, peak, memory, whole ?? core);

    internal Core.Instances Core { get; }

    /// <summary>The set that these are a part of, or they themselves.</summary>
    internal Core.Instances Whole { get; }

    /// <summary>The number that stands for white: 255, or 1 for an <see cref="ImageSet"/> stored in 0-1.</summary>
    public double Peak { get; }

    /// <summary>The number of instances.</summary>
    public int Count => Core.Count;

    /// <summary>The same instances for several calls: the logits that one of them computes on its way, the next ones take
    /// over. For models whose weights stay as they are meanwhile, and one call at a time.</summary>
    public Instances Remembered() => new(Core, Peak, new(Count, [], row => row), Whole);

    /// <summary>Some of these instances that are in memory already; what is known of these is known of them.</summary>
    /// <param name="start">The position of the first.</param>
    /// <param name="x">They themselves: n×….</param>
    public Instances Part(int start, Tensor x) =>
        new(InstancesModule.part(start, x, Core), Peak, memory?.Of(row => start + row), Whole);

    /// <summary>All of these instances, then all of them again, and so on: for several attributions of each.</summary>
    public Instances Repeated(int times)
    {
        var count = Count;
        return new(InstancesModule.repeat(times, Core), Peak, memory?.Of(row => row % count), Whole);
    }

    /// <summary>Others in their place, of which nothing is known.</summary>
    internal Instances With(Core.Instances core) => new(core, Peak, null, Whole);

    /// <summary>A quantity of interest of these instances.</summary>
    internal Target TargetOf(Quantity quantity, Core.Model model)
    {
        var target = TargetModule.ofQuantity(quantity.Core, model);
        // A unit's target ends at its layer: its outputs are not the network's.
        return target.Remembering(memory?.By(target.Model.Graph));
    }

    /// <summary>What is known of instances, by the network that computed it; `place` gives where.</summary>
    private sealed record Memory(int Count, ConditionalWeakTable<Graph, OutputCache> Table, Func<int, int> Place)
    {
        public Memory Of(Func<int, int> which)
        {
            var place = Place;
            return this with { Place = row => place(which(row)) };
        }

        public OutputCache By(Graph graph) => Table.GetValue(graph, _ => new OutputCache(Count)).Of(Place);
    }

    /// <summary>The rows of a tensor.</summary>
    public static implicit operator Instances(Tensor x) => new(InstancesModule.ofTensor(x), White);

    /// <summary>The images of a set.</summary>
    public static implicit operator Instances(ImageSet set) =>
        new(Interop.Instances(set.Count, (start, length) => set.Images(start..(start + length))), set.Peak);
}
