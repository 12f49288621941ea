using System.Collections.Generic;
using System.Linq;
using Attribution.Core;
using static TorchSharp.torch;

namespace Attribution;

/// <summary>A network run by a bare loop over its steps: the floor that the engine is measured against.</summary>
/// <param name="model">The classifier.</param>
/// <param name="layer">How far to run.</param>
/// <param name="isChannelsLast">Whether images keep their channels innermost, as the engine's do.</param>
internal sealed class PlainLoop(Model model, string layer, bool isChannelsLast = true)
{
    private readonly Step[] steps = Interop.Plan(model.Core.Graph, layer).Steps;

    public void Forward(Tensor x)
    {
        using var scope = NewDisposeScope();
        using var _ = inference_mode();
        Run(Placed(x));
    }

    /// <summary>The gradient of the largest value.</summary>
    public void Gradient(Tensor x)
    {
        using var scope = NewDisposeScope();
        Interop.Gradient(images => Run(images).flatten(1).amax([1]), Placed(x));
    }

    private Tensor Placed(Tensor x)
    {
        var placed = x.to(model.Core.Precision?.Value ?? x.dtype, model.Core.Device);
        return isChannelsLast ? TensorModule.channelsLast(placed) : placed;
    }

    private Tensor Run(Tensor x)
    {
        var values = new Dictionary<string, Tensor> { [model.Core.Graph.Input] = x };
        foreach (var step in steps)
        {
            values[step.Node.Name] = Build.Apply(step.Node.Op, [.. step.Node.Inputs.Select(name => values[name])]);
            foreach (var name in step.Done)
                if (values.Remove(name, out var value))
                    value.Dispose();
        }
        return values[layer];
    }
}
