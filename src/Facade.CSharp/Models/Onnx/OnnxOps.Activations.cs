using System;
using System.Linq;
using Attribution.Core;
using TorchSharp;
using static TorchSharp.Modules.GELU;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace Attribution.Onnx;

// Functions of each number by itself that networks are bent with.
internal sealed partial class OnnxOps
{
    // Scalars that closures hold, since TorchSharp may free a temporary one while native code reads it.
    private static readonly Scalar Zero = 0.0,
        Half = 0.5,
        One = 1.0;

    private Value? Activations(OnnxNode node)
    {
        double Alpha(double otherwise) => node.Float("alpha", otherwise);
        return node.Op switch
        {
            "Relu" => Elementwise(node, Op.NewActivation(Activation.Relu)),
            "LeakyRelu" => LeakyRelu(node, Alpha(0.01)),
            "Sigmoid" => Elementwise(node, Op.NewActivation(Activation.Sigmoid)),
            "Tanh" => Elementwise(node, Op.NewActivation(Activation.Tanh)),
            "PRelu" => PRelu(node),
            "Elu" => Elu(node, Alpha(1)),
            "Selu" => Elu(node, Alpha(1.6732632423543772), node.Float("gamma", 1.0507009873554805)),
            "Celu" => Celu(node, Alpha(1)),
            "Gelu" => Gelu(node, node.Text("approximate", "none") == "tanh" ? Approximate.tanh : Approximate.none),
            "Mish" => Pointwise(node, x => F.mish(x)),
            "HardSigmoid" => HardSigmoid(node, Alpha(0.2), node.Float("beta", 0.5)),
            "HardSwish" => Pointwise(node, x => F.hardswish(x)),
            "ThresholdedRelu" => ThresholdedRelu(node, Alpha(1)),
            "Softplus" => Pointwise(node, x => x.softplus()),
            "Softsign" => Pointwise(node, x => F.softsign(x)),
            "Clip" => Clip(node),
            _ => null,
        };
    }

    private Value Pointwise(OnnxNode node, Func<Tensor, Tensor> f)
    {
        RequireReal(node);
        return Elementwise(node, Build.Pointwise(node.Op, f));
    }

    private Value LeakyRelu(OnnxNode node, double slope) =>
        Elementwise(node, Op.NewActivation(Activation.NewLeakyRelu(slope)));

    private Value Elu(OnnxNode node, double alpha, double gamma = 1)
    {
        Scalar scale = gamma;
        return Pointwise(node, gamma == 1 ? x => F.elu(x, alpha) : x => F.elu(x, alpha).mul(scale));
    }

    private Value Celu(OnnxNode node, double alpha) =>
        alpha != 0 ? Pointwise(node, x => F.celu(x, alpha)) : throw node.Fault("has alpha 0");

    private Value Gelu(OnnxNode node, Approximate kind) => Pointwise(node, x => x.gelu(kind));

    private Value HardSigmoid(OnnxNode node, double alpha, double beta)
    {
        Scalar a = alpha,
            b = beta;
        return Pointwise(node, x => x.mul(a).add(b).clamp(Zero, One));
    }

    private Value ThresholdedRelu(OnnxNode node, double alpha) => Pointwise(node, x => F.threshold(x, alpha, 0));

    private Value PRelu(OnnxNode node)
    {
        var (x, slope) = (node.Input(0), node.Input(1));
        return slope.IsConstant && slope.First.numel() == 1 && slope.Rank <= x.Rank
            ? LeakyRelu(node, slope.First.to(ScalarType.Float64).item<double>())
            : Broadcasting(node, Kind.Elementwise, t => t[0].relu() - t[1] * (-t[0]).relu());
    }

    private Value Clip(OnnxNode node)
    {
        if (node.Input(0).IsReal)
        {
            var floor = node.Number("min", 1) ?? double.NegativeInfinity;
            var ceiling = node.Number("max", 2) ?? double.PositiveInfinity;
            if (floor == 0 && ceiling > 0)
                return Elementwise(
                    node,
                    Op.NewActivation(double.IsFinite(ceiling) ? Activation.NewClippedRelu(ceiling) : Activation.Relu)
                );
            Scalar low = floor,
                high = ceiling;
            return Pointwise(node, x => x.clamp(low, high));
        }
        var (lowest, highest) = (node.Optional(1), node.Optional(2));
        return graph.Pure(
            node.Output,
            node.Op,
            t =>
            {
                var atLeast = lowest is null ? t[0] : t[0].maximum(t[1]);
                return highest is null ? atLeast : atLeast.minimum(t[^1]);
            },
            null,
            [.. node.Given]
        );
    }
}
