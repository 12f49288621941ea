using System;
using System.Collections.Generic;
using System.Linq;
using Attribution;
using Expecto;
using Expecto.CSharp;
using TorchSharp;
using static TorchSharp.torch;

namespace Facade.Tests;

/// <summary>Every result of the slow float64 oracle, for two networks, to the tolerance that float32 deserves.</summary>
public static class GoldenTests
{
    private const double Tolerance = 2e-4;

    private static readonly Preprocessing Cifar10 = new(255, [0.4914, 0.4822, 0.4465], [0.2471, 0.2435, 0.2616]);

    public static Test Tests =>
        Runner.TestList("The oracle's results", [.. Of("vgg16-tiny", Vgg16), .. Of("resnet_2b", Resnet)]);

    private sealed record Case(Model Model, ImageSet Images, ImageSet MapImages, NpzFile Golden);

    private static IEnumerable<Test> Of(string name, Func<string, Case> load)
    {
        Test Agrees(string what, Action<Case> test) =>
            Check.Shared(
                $"{name}: {what}",
                ".",
                shared =>
                {
                    using var scope = NewDisposeScope();
                    var @case = load(shared);
                    test(@case);
                }
            );

        yield return Agrees("logits", c => Near(c.Model.Logits(c.MapImages), c.Golden.Read("logits"), "logits"));
        yield return Agrees("saliency", c => NearMap(new SaliencyMap(c.Model).Attribute(c.MapImages), c, "saliency"));
        yield return Agrees(
            "saliency without the input",
            c =>
                NearMap(
                    new SaliencyMap(c.Model).Attribute(c.MapImages, multiplyWithInput: false),
                    c,
                    "saliency_no_multiply"
                )
        );
        yield return Agrees(
            "integrated gradients from black, for every batch size",
            c =>
            {
                foreach (var size in new int?[] { null, 1, 7 })
                    NearMap(new IntegratedGrad(c.Model).Attribute(c.MapImages, batchSize: size), c, "ig_black");
            }
        );
        yield return Agrees(
            "integrated gradients from white",
            c => NearMap(new IntegratedGrad(c.Model).Attribute(c.MapImages, Baseline.White), c, "ig_white")
        );
        yield return Agrees(
            "integrated gradients without the input",
            c =>
                NearMap(
                    new IntegratedGrad(c.Model).Attribute(c.MapImages, multiplyWithInput: false),
                    c,
                    "ig_black_no_multiply"
                )
        );
        yield return Agrees("influence and experts", Influences);
        yield return Agrees(
            "expert attribution",
            c =>
            {
                var expert = (int)c.Golden.Read("expert_id").ToInt64();
                var explainer = new InflDirected(c.Model, DenseLayer(c), Quantity.Predicted);
                NearMap(explainer.ExpertAttribution(expert, c.MapImages), c, "expert");
                NearMap(
                    explainer.ExpertAttribution(expert, c.MapImages, multiplyWithInput: false),
                    c,
                    "expert_no_multiply"
                );
            }
        );
        yield return Agrees("metrics of the oracle's own maps", Metrics);
        yield return Agrees("pictures", Pictures);
    }

    private static Case Vgg16(string shared)
    {
        var images = ImageSet.LoadNpz($"{shared}/data/course-tiny.npz");
        return new(
            Model.LoadVgg16($"{shared}/models/vgg16-tiny.npz"),
            images,
            images,
            NpzFile.Open($"{shared}/golden/vgg16-tiny.npz")
        );
    }

    private static Case Resnet(string shared)
    {
        var images = ImageSet.LoadNpz($"{shared}/data/cifar10-real.npz");
        return new(
            Model.LoadOnnx($"{shared}/models/resnet_2b.onnx", Cifar10),
            images,
            images.Take(Enumerable.Range(0, 8)),
            NpzFile.Open($"{shared}/golden/resnet_2b.npz")
        );
    }

    private static bool IsVgg(Case c) => c.Model.Layers.Contains("fc1");

    private static string DenseLayer(Case c) => IsVgg(c) ? "fc1" : "32";

    private static void Influences(Case c)
    {
        var classes = c.Golden.ReadInts("classes");
        int a = (int)classes[0],
            b = (int)classes[1];
        // The oracle's subset is the first image's class.
        var first = (int)c.Images.TrueClasses[0];
        var ofFirst = c.Images.Where(first);
        foreach (var (layer, infix) in IsVgg(c) ? new[] { ("fc1", "fc1_"), ("fc2", "fc2_") } : [("32", "")])
        foreach (
            var (what, quantity, images) in new[]
            {
                ("class_all", Quantity.Class(a), c.Images),
                ("class_subset", Quantity.Class(first), ofFirst),
                ("margin_all", Quantity.Margin(a, b), c.Images),
                ("predicted_all", Quantity.Predicted, c.Images),
            }
        )
        {
            var key = $"influence_{infix}{what}";
            var golden = c.Golden.Read(key);
            var explainer = new InflDirected(c.Model, layer, quantity);
            foreach (var size in new int?[] { null, 3 })
                Near(explainer.Influence(images, size), golden, key);
            Expect.equal(explainer.DisInfluence(images), (int)golden.argmax().ToInt64(), $"the expert of {key}");
        }

        var interests = new Interest[]
        {
            new(Quantity.Class(first), i => c.Images.TrueClasses[i] == first),
            new(Quantity.Predicted),
        };
        var together = InflDirected.Influences(c.Model, DenseLayer(c), interests, c.Images, batchSize: 5);
        var prefix = IsVgg(c) ? "influence_fc1_" : "influence_";
        Near(together[0], c.Golden.Read(prefix + "class_subset"), "a class's own distribution, among others");
        Near(together[1], c.Golden.Read(prefix + "predicted_all"), "the whole distribution, among others");
    }

    private static void Metrics(Case c)
    {
        foreach (
            var map in new[] { "saliency", "ig_black", "expert", "opposed" }.Where(m => c.Golden.Contains($"ad_{m}"))
        )
        {
            var attributions =
                map == "opposed" ? c.Golden.Read("pixel_opposed") : c.Golden.Read(map).permute(0, 3, 1, 2);
            var drop = new AverageDrop(c.Model, onNonPositive: NonPositive.Skip).Evaluate(attributions, c.MapImages);
            Expect.isTrue(
                Math.Abs(drop.Score - c.Golden.Read($"ad_{map}").ToDouble()) <= 0.05,
                $"average drop of {map}: {drop.Score}"
            );
            foreach (var step in new[] { 1, 50, 64, 1000 }.Where(s => c.Golden.Contains($"nord{s}_{map}")))
            {
                var golden = c.Golden.Read($"nord{step}_{map}").data<double>().ToArray();
                var images = c.MapImages.Take(Enumerable.Range(0, golden.Length));
                var scores = new N_Ord(c.Model, pixelsPerStep: step).Evaluate(attributions[..golden.Length], images);
                foreach (var (score, expected) in scores.Zip(golden))
                    Expect.isTrue(
                        Math.Abs(score - expected) <= 0.01 * Math.Abs(expected) + 1e-6,
                        $"N_Ord of {map} in steps of {step}: {score}, not {expected}"
                    );
            }
        }
    }

    private static void Pictures(Case c)
    {
        foreach (
            var map in new[] { "saliency", "ig_black", "expert" }.Where(m => c.Golden.Contains($"binary_mask_{m}"))
        )
        {
            var attributions = c.Golden.Read(map).permute(0, 3, 1, 2);
            Near(Visualization.PointCloud(attributions, 0), c.Golden.Read($"point_cloud_{map}"), map);
            Near(Visualization.PointCloud(attributions), c.Golden.Read($"point_cloud_none_{map}"), map);
            Expect.isTrue(
                Differing(Visualization.BinaryMask(c.MapImages.Images(), attributions), $"binary_mask_{map}") < 1e-3,
                $"binary mask of {map}"
            );
            Expect.isTrue(
                Differing(
                    Visualization.BinaryMask(c.MapImages.Images(), attributions, blur: 2),
                    $"binary_mask_blur2_{map}"
                ) < 1e-3,
                $"blurred binary mask of {map}"
            );
        }

        double Differing(Tensor mask, string key) =>
            (mask.to(int32) - c.Golden.Read(key).to(int32)).abs().gt(1).to(float64).mean().ToDouble();
    }

    private static void NearMap(Tensor actual, Case c, string key)
    {
        if (c.Golden.Contains(key))
            Near(actual, c.Golden.Read(key).permute(0, 3, 1, 2), key);
    }

    /// <summary>No number is further away than the tolerance times the largest number of its instance.</summary>
    private static void Near(Tensor actual, Tensor expected, string what)
    {
        Check.Same(actual.shape, expected.shape);
        long rows = expected.ndim > 1 ? expected.shape[0] : 1;
        var reference = expected.to(float64).reshape(rows, -1);
        var error =
            (actual.to(float64).reshape(rows, -1) - reference).abs().amax(1) / (reference.abs().amax(1) + 1e-30);
        var worst = error.max().ToDouble();
        Expect.isTrue(worst <= Tolerance, $"{what}: relative error {worst:G3}");
    }
}
