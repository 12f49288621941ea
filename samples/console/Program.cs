using System;
using System.Linq;
using Attribution;
using TorchSharp;
using static TorchSharp.torch;

// A network and images that come with a package. Your own: Model.LoadOnnx("net.onnx", Preprocessing.ImageNet) and
// ImageSet.LoadImages(["cat.png"], 224).
using var model = Model.LoadVgg16(DemoNetwork.WeightsPath);
using var scenes = ConceptScenes.Draw(14);
using var x = scenes.Images.Images();

// Explain: what speaks for each scene's class?
var method = new IntegratedGrad(model);
using var maps = method.Attribute(x);

// Score: by how many per cent does the class's score drop where only what the map marks is left?
var drop = new AverageDrop(model).Evaluate(maps, x);
Console.WriteLine($"Average drop: {drop.Score:0.0} %.");

// A picture of the first scene: its image, what speaks for the class, and the image with the rest dimmed.
var picture = new ExplanationPicture(
    "integrated-gradients",
    "of the predicted class",
    "a scene",
    ClassNames.Of(ConceptScenes.ClassNames),
    scenes.Classes[0]
);
picture.Write("scene.png", x[0], maps[0]);
Console.WriteLine("The picture is in scene.png.");

// Train: how much of the saliency lies outside of the objects? Inside of Record() a map is connected to the weights, so that
// this can be trained away; in training a network of your own, add it to the loss of the classes.
foreach (var parameter in model.Parameters.Values)
    parameter.requires_grad_();
var saliency = new SaliencyMap(model);
for (var step = 0; step < 5; step++)
{
    using var scope = NewDisposeScope();
    using (Differentiation.Record())
    {
        var map = saliency.Attribute(x);
        var loss = AttributionPrior.Outside(scenes.ObjectMasks, map).sum() / map.square().sum();
        loss.backward();
        Console.WriteLine($"Step {step}: {100 * loss.ToDouble():0.0} % of the saliency, squared, is outside.");
    }
    using var quietly = no_grad();
    foreach (var parameter in model.Parameters.Values.Where(p => p.grad is not null))
    {
        parameter.sub_(5e-3 * parameter.grad!);
        parameter.grad!.zero_();
    }
}
