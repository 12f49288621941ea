using System;
using System.Collections.Generic;
using System.Linq;
using Attribution;
using Expecto;
using Expecto.CSharp;
using TorchSharp;
using static Facade.Tests.Check;
using static TorchSharp.torch;
using Module = TorchSharp.torch.nn.Module<TorchSharp.torch.Tensor, TorchSharp.torch.Tensor>;

namespace Facade.Tests;

/// <summary>Derivatives of maps and scores as a program takes them, by <c>backward()</c>.</summary>
public static class DifferentiationTests
{
    private const int Count = 4;
    private const int Side = 6;

    public static Test Tests =>
        Runner.TestList(
            "Differentiation",
            [
                .. AttributionMethod.All.SelectMany(Method),
                .. AttributionMetric.All.SelectMany(Metric),
                InScope("outside a record no result asks for a gradient", Outside),
                InScope("logits and class scores are connected to images and parameters", Scores),
                InScope("a module of the caller's own is connected too", Opaque),
                InScope("a training step on a loss of maps lowers it", Training),
                Check.InFolder("a model from a file is connected to its parameters, and follows them", FromFile),
                InScope("models that share weights share their parameters, and others do not", Shared),
                InScope("a derivative leaves no tensors behind", Frees),
                InScope(
                    "what each metric relaxes has a derivative, and a straight-through score is the exact one",
                    Relaxed
                ),
                InScope("the derivative of a map is differentiated again", Nested),
                Runner.TestCase("a width is a positive number", Widths),
            ]
        );

    private static Tensor Images(int count = Count) => (Random(7, count, 2, Side, Side) * 40 + 128).clamp(0, 255);

    private static Module Network(Func<Module> bend)
    {
        var module = nn.Sequential(
            ("conv", nn.Conv2d(2, 3, 3, padding: 1L)),
            ("bend1", bend()),
            ("flat", nn.Flatten()),
            ("dense", nn.Linear(3 * Side * Side, 5)),
            ("bend2", bend()),
            ("logits", nn.Linear(5, 3))
        );
        module.to(float64);
        using (no_grad())
            foreach (var (parameter, i) in module.parameters().Select((p, i) => (p, i)))
            {
                var fan = Math.Max(1, parameter.numel() / parameter.shape[0]);
                // Images are in the hundreds.
                parameter.copy_(Random(20 + i, parameter.shape) / Math.Sqrt(fan) / (i == 0 ? 100 : 1));
            }
        return module;
    }

    private static Module Tanh => Network(() => nn.Tanh());
    private static Module Relu => Network(() => nn.ReLU());

    private static MethodSettings Few =>
        new()
        {
            Steps = 4,
            Samples = 4,
            // More of them, and a difference is none: what is found then depends on the last digit.
            Iterations = 2,
        };

    private static Tensor Leaf(Tensor x) => x.detach().clone().requires_grad_();

    /// <summary>The gradient of f by x along v, by central differences; x changes in place, and is what it was afterwards.</summary>
    private static double Difference(Func<double> f, Tensor x, Tensor v, double h)
    {
        using var _ = no_grad();
        using var before = x.clone();
        double At(double by)
        {
            x.copy_(before + by * v);
            return f();
        }
        var difference = (At(h) - At(-h)) / (2 * h);
        x.copy_(before);
        return difference;
    }

    private static void Near(double found, double expected, double allowed, string what) =>
        Expect.isTrue(Math.Abs(found - expected) <= allowed, $"{what}: {found} is {expected}");

    /// <summary>The gradient that backward() filled is the directional derivative, along a few numbers and all at once.</summary>
    private static void Checked(Func<double> f, Tensor x, string what)
    {
        var gradient = x.grad ?? zeros_like(x);
        // So short a step crosses no kink, and is long enough for what rounding leaves of it.
        var h = 1e-6 * x.detach().abs().max().ToDouble();
        var rounding = 1e-13 * Math.Abs(f()) / h;
        var flat = gradient.reshape(-1);
        Tensor Unit(long place) => zeros_like(flat).index_fill_(0, tensor(new[] { place }), 1).reshape(x.shape);
        var directions = new[] { 0, flat.numel() / 2, flat.numel() - 1 }
            .Distinct()
            .Select(Unit)
            .Append(Random(3, x.shape) / Math.Sqrt(flat.numel()));
        foreach (var v in directions)
        {
            var found = (gradient * v).sum().ToDouble();
            var allowed = 1e-4 * gradient.norm().ToDouble() + rounding;
            Near(found, Difference(f, x, v, h), allowed, what);
        }
    }

    private static IEnumerable<Test> Method(AttributionMethod method) =>
        from network in new[] { (Name: "tanh", Make: (Func<Module>)(() => Tanh)), (Name: "ReLU", Make: () => Relu) }
        select InScope(
            $"{method.Name} of a {network.Name} network is differentiated by images and parameters",
            () =>
            {
                using var module = network.Make();
                using var model = Model.FromModule(module);
                if (!method.AppliesTo(model))
                {
                    Refuses(() => method.Create(model, Few), "is about", network.Name == "tanh" ? "" : "attention");
                    return;
                }
                var explain = method.Create(model, Few);
                // Weights that are shares of 1 make nothing positive of what is negative everywhere.
                var x = Leaf(method.Name == "score-cam" ? -Images() : Images());
                double Loss() => explain(x).square().sum().ToDouble();
                using (Differentiation.Record())
                    explain(x).square().sum().backward();
                // Where a ReLU network's gradient is constant, so is a map of it that is not multiplied with x.
                if (network.Name == "tanh")
                    Expect.isTrue(x.grad?.abs().sum().ToDouble() > 0, "the images have a gradient");
                Checked(Loss, x, "images");
                foreach (var (name, parameter) in module.named_parameters())
                    Checked(Loss, parameter, name);
                Expect.isTrue(
                    module.parameters().Any(p => p.grad?.abs().sum().ToDouble() > 0),
                    "some parameter has a gradient"
                );
            }
        );

    private static MetricSettings Asked(Relaxation relaxation) =>
        new()
        {
            TargetClass = 0,
            Samples = 3,
            PixelsPerStep = 5,
            Relaxation = relaxation,
            Explain = (model, quantity) => new SaliencyMap(model, quantity).Attribute2,
        };

    private static Tensor Attribute2(
        this SaliencyMap method,
        Instances x,
        int? batchSize = null,
        IProgress<Attribution.Progress>? progress = null,
        System.Threading.CancellationToken cancellation = default
    ) => method.Attribute(x, batchSize, true, progress, cancellation);

    /// <summary>A network whose first logit is positive, and higher for images than for black, so that no score is
    /// undefined.</summary>
    private static Module Scored(Func<Module> make)
    {
        using var _ = no_grad();
        var module = make();
        var parts = ((TorchSharp.Modules.Sequential)module).children().OfType<Module>().ToArray();
        Tensor Hidden(Tensor x) => parts[..^1].Aggregate(x, (value, part) => part.call(value));
        var x = Images();
        var differences = Hidden(x) - Hidden(zeros_like(x));
        var last = (TorchSharp.Modules.Linear)parts[^1];
        last.weight![0].copy_(differences.mean([0]));
        last.bias!.copy_(tensor(new[] { 2, 2.5, 1.5 }));
        Expect.isTrue(differences.matmul(last.weight[0]).min().ToDouble() > 0, "images raise the score");
        return module;
    }

    // Half of them good, half of them bad, so that some scores rise and some fall.
    private static Tensor Maps(Model model, Tensor x)
    {
        using var good = new SaliencyMap(model, 0).Attribute(x);
        var bad = Random(5, good.shape) * good.std();
        return cat([good[..(Count / 2)], bad[(Count / 2)..]]);
    }

    private static IEnumerable<Test> Metric(AttributionMetric metric)
    {
        var relaxations = new[] { Relaxation.Exact, Relaxation.Soft(0.1) };
        foreach (var relaxation in relaxations)
            yield return InScope(
                $"{metric.Name}{(relaxation == Relaxation.Exact ? "" : ", softly,")} has the derivatives that its row says",
                () =>
                {
                    using var module = Scored(() => Tanh);
                    using var model = Model.FromModule(module);
                    var x = Leaf(Images());
                    var maps = Leaf(Maps(model, x));
                    var score = metric.Scores(model, Asked(relaxation));
                    double Loss() => score(maps, x).sum().ToDouble();
                    using (Differentiation.Record())
                    {
                        var scores = score(maps, x);
                        Check.Same(scores.shape, Count);
                        Expect.equal(scores.dtype, ScalarType.Float64, "in 64-bit floats");
                        Expect.isTrue(scores.isfinite().all().ToBoolean(), $"defined: {scores.sum().ToDouble()}");
                        if (scores.requires_grad)
                            scores.sum().backward();
                    }
                    Has(metric.Smoothness(Argument.Image, relaxation), [x], "images");
                    Has(metric.Smoothness(Argument.Map, relaxation), [maps], "maps");
                    Has(metric.Smoothness(Argument.Parameters, relaxation), module.parameters(), "parameters");
                    Checked(Loss, x, "images");
                    Checked(Loss, maps, "maps");
                    foreach (var (name, parameter) in module.named_parameters())
                        Checked(Loss, parameter, name);
                }
            );
    }

    private static void Has(Smoothness smoothness, IEnumerable<Tensor> arguments, string what)
    {
        var isThere = arguments.Any(a => a.grad is { } gradient && gradient.ne(0).any().ToBoolean());
        var isSaid = smoothness is Smoothness.Smooth or Smoothness.AlmostEverywhere;
        Expect.equal(isThere, isSaid, $"a derivative by {what}, which is said to be {smoothness}");
    }

    private static void Outside()
    {
        using var module = Scored(() => Tanh);
        using var model = Model.FromModule(module);
        var x = Leaf(Images());
        var maps = Leaf(Maps(model, x));
        foreach (var method in AttributionMethod.All.Where(method => method.AppliesTo(model)))
            Expect.isFalse(method.Create(model, Few)(x).requires_grad, method.Name);
        foreach (var metric in AttributionMetric.All)
            Expect.isFalse(metric.Scores(model, Asked(Relaxation.Exact))(maps, x).requires_grad, metric.Name);
        Expect.isFalse(model.Logits(x).requires_grad, "logits");
    }

    private static void Scores()
    {
        using var module = Tanh;
        using var model = Model.FromModule(module);
        var x = Leaf(Images());
        double Loss() => model.Logits(x).square().sum().ToDouble();
        using (Differentiation.Record())
            (model.Logits(x).square().sum() + 0 * model.ClassScores(x).sum()).backward();
        Checked(Loss, x, "images");
        foreach (var (name, parameter) in module.named_parameters())
            Checked(Loss, parameter, name);
        Check.Same(model.Parameters.Keys.Order(), [.. module.named_parameters().Select(p => p.name).Order()]);
    }

    private sealed class Wrapped : Module
    {
        private readonly Module inner;

        public Wrapped(Module inner)
            : base("wrapped")
        {
            this.inner = inner;
            RegisterComponents();
        }

        public override Tensor forward(Tensor x) => inner.call(x);
    }

    private static void Opaque()
    {
        using var module = new Wrapped(Tanh);
        using var model = Model.FromModule(module);
        var explain = AttributionMethod.Find("saliency").Create(model, new());
        var x = Images();
        using (Differentiation.Record())
            explain(x).square().sum().backward();
        foreach (var (name, parameter) in module.named_parameters())
            Checked(() => explain(x).square().sum().ToDouble(), parameter, name);
        module.zero_grad();
        using (Differentiation.Record())
            model.Logits(x).sum().backward();
        Expect.isTrue(module.parameters().All(p => p.grad!.ne(0).any().ToBoolean()), "though no image asks for one");
    }

    private static void Training()
    {
        using var module = Relu;
        using var model = Model.FromModule(module);
        var explain = AttributionMethod.Find("saliency").Create(model, new() { Quantity = Quantity.Class(1) });
        var x = Images(4);
        double Loss() => Complexity.Evaluate(explain(x)).Average();
        var before = Loss();
        using var optimizer = optim.Adam(module.parameters(), 1e-3);
        for (var step = 0; step < 10; step++)
            using (Differentiation.Record())
            {
                optimizer.zero_grad();
                Complexity.Scores(explain(x)).mean().backward();
                optimizer.step();
            }
        Expect.isTrue(Loss() < before - 1e-3, $"{before} falls to {Loss()}");
    }

    private static void FromFile(string folder)
    {
        using var scope = NewDisposeScope();
        using var model = Model.LoadOnnx(Networks.All["residual"](folder)).To("cpu", Precision.Float64);
        var x = (Random(4, Count, 3, 32, 32) * 40 + 128).clamp(0, 255);
        var explain = AttributionMethod.Find("saliency").Create(model, new() { Quantity = Quantity.Class(0) });
        double Loss() => explain(x).square().sum().ToDouble();
        var before = Loss();
        Expect.isTrue(model.Parameters.Count > 4, "it has parameters");
        Near(Loss(), before, 1e-9 * before, "their handles change nothing");
        foreach (var parameter in model.Parameters.Values)
            parameter.requires_grad_();
        using (Differentiation.Record())
            explain(x).square().sum().backward();
        var (name, weights) = model
            .Parameters.Where(p => p.Value.ndim == 4)
            .MaxBy(p => p.Value.grad!.norm().ToDouble());
        Expect.isTrue(weights.grad!.norm().ToDouble() > 0, $"{name} has a gradient");
        var along = weights.grad / weights.grad.norm();
        var difference = Difference(Loss, weights, along, 1e-6 * weights.norm().ToDouble());
        Near(weights.grad.norm().ToDouble(), difference, 1e-4 * difference, name);
        using (no_grad())
            weights.sub_(along * 1e-3 * weights.norm());
        Expect.isTrue(Loss() < before, "a step against it lowers the loss");
    }

    private static void Shared()
    {
        using var model = Model.LoadVgg16(DemoNetwork.WeightsPath);
        Expect.isTrue(ReferenceEquals(model.Parameters, model.Within(1 << 30).Parameters), "with less memory");
        Expect.isTrue(ReferenceEquals(model.Parameters, model.WithScores(ScoreKind.Logits).Parameters), "other scores");
        using var random = model.Randomised();
        Check.Same(random.Parameters.Keys.Order(), [.. model.Parameters.Keys.Order()]);
        var name = model.Parameters.Keys.First(key => key.EndsWith("weight"));
        Expect.isFalse(random.Parameters[name].eq(model.Parameters[name]).all().ToBoolean(), "weights of its own");
        using var functions = Model.FromLayers(("flat", x => x.flatten(1)));
        Expect.equal(functions.Parameters.Count, 0, "functions keep theirs");
    }

    private static void Frees()
    {
        using var module = Scored(() => Relu);
        using var model = Model.FromModule(module);
        var explain = AttributionMethod.Find("integrated-gradients").Create(model, Few);
        var score = AttributionMetric.Find("insertion").Scores(model, Asked(Relaxation.Soft(0.1)));
        var x = Images();
        void Step()
        {
            using var scope = NewDisposeScope();
            module.zero_grad();
            using (Differentiation.Record())
                score(explain(x), x).sum().backward();
        }
        Step();
        var before = DisposeScopeManager.Statistics.ThreadTotalLiveCount;
        Step();
        Step();
        Expect.equal(DisposeScopeManager.Statistics.ThreadTotalLiveCount, before, "live tensors");
    }

    private static void Relaxed()
    {
        using var module = Scored(() => Tanh);
        using var model = Model.FromModule(module);
        var x = Images();
        var maps = Maps(model, x);
        foreach (var metric in AttributionMetric.All)
        {
            var exact = metric.Scores(model, Asked(Relaxation.Exact))(maps, x);
            Tensor Softly(Relaxation relaxation, Tensor a) => metric.Scores(model, Asked(relaxation))(a, x);
            Near(
                (Softly(Relaxation.StraightThrough(0.1), maps) - exact).abs().max().ToDouble(),
                0,
                1e-9 * (1 + exact.abs().max().ToDouble()),
                metric.Name
            );
            var hasEffect = metric.Smoothness(Argument.Map, Relaxation.Soft(0.1)) != metric.Smoothness(Argument.Map);
            var a = Leaf(maps);
            using (Differentiation.Record())
            {
                var scores = Softly(Relaxation.StraightThrough(0.1), a).sum();
                if (scores.requires_grad)
                    scores.backward();
            }
            if (hasEffect)
                Expect.isTrue(a.grad?.ne(0).any().ToBoolean() ?? false, $"{metric.Name} has a derivative by the map");
        }
    }

    private static void Nested()
    {
        // f = Σ x³: the saliency without the factor x is 3x², and the gradient of its sum 6x.
        using var model = Model.FromLayers(("cubes", x => x.pow(3).sum([1, 2, 3]).unsqueeze(1)));
        var x = Leaf(Random(2, Count, 1, 3, 3));
        using (Differentiation.Record())
        {
            var map = new SaliencyMap(model, 0).Attribute(x, multiplyWithInput: false);
            var first = autograd.grad([map.square().sum()], [x], retain_graph: true, create_graph: true)[0];
            first.sum().backward();
        }
        // Σ (3x²)² has the gradient 36x³, and that the derivative 108x².
        Expect.isTrue((x.grad! - 108 * x.square()).abs().max().ToDouble() < 1e-9, "the second derivative");
    }

    private static void Widths()
    {
        foreach (var tau in new[] { 0, -1, double.NaN, double.PositiveInfinity })
        foreach (var make in new Func<double, Relaxation>[] { Relaxation.Soft, Relaxation.StraightThrough })
            try
            {
                make(tau);
                throw new InvalidOperationException($"{tau} is no width.");
            }
            catch (ArgumentOutOfRangeException e)
            {
                Expect.equal(e.ParamName, "tau", "the argument");
            }
        Expect.equal(Relaxation.Soft(0.5), Relaxation.Soft(0.5), "equal where τ is");
        Expect.notEqual(Relaxation.Soft(0.5), Relaxation.StraightThrough(0.5), "and the kind");
    }
}
