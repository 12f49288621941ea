using System.Runtime.InteropServices;
using TorchSharp.Modules;
using BatchNorm = TorchSharp.Modules.BatchNorm;
using Convolution = TorchSharp.Modules.Convolution;
using Module = TorchSharp.torch.nn.Module<TorchSharp.torch.Tensor, TorchSharp.torch.Tensor>;

namespace Attribution;

/// <summary>Reads TorchSharp's modules: containers and the modules that the core has an op for, and any other as a call of
/// it.</summary>
internal sealed class TorchModule(bool isConnected)
{
    /// <summary>The network of a module, on its weights themselves.</summary>
    /// <param name="module">The module.</param>
    /// <param name="isConnected">Whether gradients reach the module's parameters.</param>
    /// <exception cref="AttributionException">Its results depend on the batch, or it computes in numbers that no model
    /// has.</exception>
    public static Core.Model Read(Module module, bool isConnected = false)
    {
        RequireStatistics(module);
        using var scope = NewDisposeScope();
        (string Name, Op Op, Tensor[] Beside)[] steps = [.. new TorchModule(isConnected).Steps("", module)];
        if (steps.Length == 0)
            steps = [("logits", Op.Identity, [])];
        var input = "input";
        while (steps.Any(step => step.Name == input))
            input += "'";

        // The numbers that an op takes beside the value are nodes, as in a file.
        var nodes = steps.SelectMany(
            (step, i) =>
            {
                var beside = step.Beside.Select((_, k) => $"{step.Name}/{(k == 0 ? "weight" : "bias")}").ToArray();
                string[] inputs = [i == 0 ? input : steps[i - 1].Name, .. beside];
                return beside
                    .Zip(step.Beside, (name, numbers) => Build.Node(name, Op.NewConstant(numbers)))
                    .Append(Build.Node(step.Name, step.Op, inputs));
            }
        );
        var core = Build.Model(null, input, steps[^1].Name, nodes.Prepend(Build.Node(input, Op.Input)));
        return module.parameters().FirstOrDefault(p => p.is_floating_point()) is not { } first ? core.Opaque()
            : first.dtype is ScalarType.Float32 or ScalarType.Float64 or ScalarType.BFloat16
                ? core.Sharing(first.device, first.dtype)
            : throw new AttributionException(
                $"The module '{module.GetName()}' computes in {first.dtype}: convert it with to(torch.float32)."
            );
    }

    private static void RequireStatistics(Module module)
    {
        var lacking = module
            .named_modules()
            .Prepend(("", module))
            .FirstOrDefault(part => part.Item2 is BatchNorm { running_mean: null });
        if (lacking is (var name, { } norm))
            throw new AttributionException(
                $"The module's {norm.GetType().Name} '{name}' keeps no running statistics, so that an instance's result depends on its batch: make it with track_running_stats, or use another normalisation."
            );
    }

    // A class of the caller's may do more than what it derives from.
    private static bool IsOwn(nn.Module module) => module.GetType().Assembly == typeof(nn.Module).Assembly;

    private IEnumerable<(string Name, Op Op, Tensor[] Beside)> Steps(string name, Module module) =>
        module is Sequential sequence && IsOwn(module) && sequence.children().All(child => child is Module)
            ? sequence
                .named_children()
                .SelectMany(child => Steps(name == "" ? child.name : $"{name}.{child.name}", (Module)child.module))
            : [Step(name, module)];

    private (string Name, Op Op, Tensor[] Beside) Step(string name, Module module)
    {
        var layer = name == "" ? "logits" : name;
        if (module is LayerNorm { elementwise_affine: true, weight: not null } norm && IsOwn(module))
        {
            Tensor[] beside = [.. new[] { Shared(norm.weight), Shared(norm.bias) }.OfType<Tensor>()];
            var op = Build.LayerNorm("LayerNorm", [.. norm.normalized_shape], norm.eps, beside.Length > 1);
            return (layer, op, beside);
        }
        return (layer, (IsOwn(module) ? Typed(module) : null) ?? Called(name, module), []);
    }

    private Op? Typed(Module module) =>
        module switch
        {
            Identity or Dropout or Dropout1d or Dropout2d or Dropout3d or AlphaDropout or FeatureAlphaDropout =>
                Op.Identity,
            Conv1d or Conv2d or Conv3d => Convolved((Convolution)module),
            Linear linear => Build.Linear(Shared(linear.weight)!, Shared(linear.bias)),
            BatchNorm norm => Normalised(norm, Shared(norm.running_mean)!),
            ReLU => Op.NewActivation(Activation.Relu),
            ReLU6 => Op.NewActivation(Activation.NewClippedRelu(6)),
            LeakyReLU leaky => Op.NewActivation(Activation.NewLeakyRelu(leaky.negative_slope)),
            Sigmoid => Op.NewActivation(Activation.Sigmoid),
            Tanh => Op.NewActivation(Activation.Tanh),
            MaxPool1d p => Largest([p.kernel_size], One(p.stride), One(p.padding), One(p.dilation), p.ceil_mode),
            MaxPool2d p => Largest(p.kernel_size, p.stride, p.padding, p.dilation, p.ceil_mode),
            MaxPool3d p => Largest(p.kernel_size, p.stride, p.padding, p.dilation, p.ceil_mode),
            AvgPool1d p => Mean([p.kernel_size], One(p.stride), One(p.padding), p.ceil_mode, p.count_include_pad),
            AvgPool2d { divisor_override: null } p => Mean(
                p.kernel_size,
                p.stride,
                p.padding,
                p.ceil_mode,
                p.count_include_pad
            ),
            AvgPool3d { divisor_override: null } p => Mean(
                p.kernel_size,
                p.stride,
                p.padding,
                p.ceil_mode,
                p.count_include_pad
            ),
            // Not AdaptiveMaxPool, which gives the gradient of a tie to one place and not to all.
            AdaptiveAvgPool1d { output_size: 1 }
            or AdaptiveAvgPool2d { output_size: [1, 1] }
            or AdaptiveAvgPool3d { output_size: [1, 1, 1] } => Op.NewGlobalPool(PoolKind.NewAveragePool(true)),
            Flatten { start_dim: 1, end_dim: -1 } => Op.Flatten,
            Softmax softmax => Op.NewSoftmax(softmax.dim),
            _ => Bent(module) is { } f ? Build.Pointwise(module.GetType().Name, f) : null,
        };

    // Never in place, which would change a layer's value, and in some of these what the way back needs.
    private static Func<Tensor, Tensor>? Bent(Module module) =>
        module switch
        {
            ELU { alpha: var alpha } => x => F.elu(x, alpha),
            SELU => x => F.selu(x),
            CELU { alpha: var alpha } => x => F.celu(x, alpha),
            GELU { approximate: var approximate } => x => F.gelu(x, approximate),
            SiLU => x => F.silu(x),
            Mish => x => F.mish(x),
            Hardsigmoid => x => F.hardsigmoid(x),
            Hardswish => x => F.hardswish(x),
            Hardtanh { min_val: var low, max_val: var high } => x => F.hardtanh(x, low, high),
            Softplus { beta: var beta, threshold: var threshold } => x => F.softplus(x, beta, threshold),
            Softsign => x => F.softsign(x),
            LogSigmoid => x => F.logsigmoid(x),
            Hardshrink { lambda: var lambda } => x => F.hardshrink(x, lambda),
            Softshrink { lambda: var lambda } => x => F.softshrink(x, lambda),
            Tanhshrink => x => F.tanhshrink(x),
            Threshold { threshold: var threshold, value: var value } => x => F.threshold(x, threshold, value),
            _ => null,
        };

    // Zeros at both ends alike; null where it pads in another way.
    private Op? Convolved(Convolution c)
    {
        var padding = c.padding_type switch
        {
            null => c.padding,
            Padding.Valid => new long[c.stride.Length],
            _ => c.dilation.Zip(c.kernel_size, (step, size) => step * (size - 1)).ToArray() is var both
            && both.All(pad => pad % 2 == 0)
                ? [.. both.Select(pad => pad / 2)]
                : null,
        };
        if (padding is null || c.padding_mode != PaddingModes.Zeros)
            return null;
        var (weight, bias) = (Shared(c.weight)!, Shared(c.bias));
        return Build.Convolution(weight, bias, [.. c.stride], [.. padding], [.. c.dilation], c.groups);
    }

    private Op Normalised(BatchNorm norm, Tensor mean) =>
        Build.BatchNorm(
            mean,
            Shared(norm.running_var)!,
            Shared(norm.weight) ?? ones_like(mean),
            Shared(norm.bias) ?? zeros_like(mean),
            norm.eps
        );

    private static Op Largest(long[] kernel, long[]? stride, long[]? padding, long[]? dilation, bool ceil) =>
        Pooled(PoolKind.MaxPool, kernel, stride, padding, dilation, ceil);

    private static Op Mean(long[] kernel, long[]? stride, long[]? padding, bool ceil, bool countPadding) =>
        Pooled(PoolKind.NewAveragePool(countPadding), kernel, stride, padding, null, ceil);

    private static Op Pooled(PoolKind kind, long[] size, long[]? stride, long[]? padding, long[]? dilation, bool ceil)
    {
        long[] Each(long[]? given, long otherwise) => [.. given ?? [.. size.Select(_ => otherwise)]];
        return Build.Pool(kind, [.. size], [.. stride ?? size], Each(padding, 0), Each(dilation, 1), ceil);
    }

    private static long[]? One(long? number) => number is { } value ? [value] : null;

    // The module's own numbers under a handle of ours: the parameter itself, or one through which no gradient reaches it.
    private Tensor? Shared(Tensor? weight) => isConnected ? weight?.alias() : weight?.detach();

    private static Op Called(string name, Module module) =>
        Build.Pure(
            module.GetName(),
            inputs =>
            {
                var x = inputs[0];
                try
                {
                    return Evaluation.Run(module, x);
                }
                catch (ExternalException e) when (module.parameters().Any(p => p.is_floating_point() && !Fits(p, x)))
                {
                    throw new AttributionException(
                        $"The module '{(name == "" ? module.GetName() : name)}' cannot compute in {x.dtype} on {x.device}, where its weights are not: move the module itself, and make the model of it anew.",
                        e
                    );
                }
            }
        );

    private static bool Fits(Tensor weight, Tensor x) =>
        weight.dtype == x.dtype && weight.device_type == x.device_type && weight.device_index == x.device_index;
}
