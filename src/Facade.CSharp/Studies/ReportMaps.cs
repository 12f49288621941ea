using System;
using System.Collections.Generic;
using System.Linq;
using TorchSharp;
using static TorchSharp.torch;

namespace Attribution;

/// <summary>Pixel attributions of images, each computed once.</summary>
internal sealed class ReportMaps(ImageSet images) : IDisposable
{
    private readonly Dictionary<(string Name, int Row), Tensor> maps = [];
    private readonly Dictionary<int, IdealImages> ideals = [];

    /// <summary>What a unit wants to see, which is looked for once.</summary>
    public IdealImages Ideal(int unit, Func<IdealImages> find)
    {
        if (ideals.TryGetValue(unit, out var known))
            return known;
        var found = find();
        found.Images.DetachFromDisposeScope();
        return ideals[unit] = found;
    }

    /// <summary>The pixel attributions of some images (h×w each), of which `attribute` computes what is missing.</summary>
    /// <param name="name">What makes them.</param>
    /// <param name="rows">Which images.</param>
    /// <param name="attribute">Images to attributions.</param>
    public Tensor[] Of(string name, IReadOnlyList<int> rows, Func<ImageSet, Tensor> attribute)
    {
        int[] missing = [.. rows.Distinct().Where(row => !maps.ContainsKey((name, row)))];
        if (missing.Length > 0)
        {
            using var scope = NewDisposeScope();
            using var computed = attribute(images.Take(missing)).mean([1]);
            foreach (var (i, row) in missing.Index())
                maps[(name, row)] = computed[i].clone().DetachFromDisposeScope();
        }
        return [.. rows.Select(row => maps[(name, row)])];
    }

    /// <summary>Frees the maps.</summary>
    public void Dispose()
    {
        foreach (var map in maps.Values)
            map.Dispose();
        foreach (var ideal in ideals.Values)
            ideal.Dispose();
    }
}
