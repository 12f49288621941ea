using System;
using System.Collections.Generic;
using System.Globalization;
using System.Linq;
using System.Text.RegularExpressions;

namespace Attribution;

/// <summary>The documentation of every attribution method and metric, in Markdown, from their registries.</summary>
/// <remarks>Its pictures are those of <see cref="MethodPictures"/>.</remarks>
public static partial class MethodDocs
{
    private static readonly Dictionary<MethodSetting, string> options = new()
    {
        [MethodSetting.Steps] = "`--steps`, `--rule`",
        [MethodSetting.Baseline] = "`--baseline`",
        [MethodSetting.Multiply] = "`--no-multiply`",
        [MethodSetting.Samples] = "`--samples`, `--seed`",
        [MethodSetting.Layer] = "`--map-layer`",
        [MethodSetting.Noise] = "`--noise`",
        [MethodSetting.Window] = "`--window`, `--stride`",
        [MethodSetting.MaxPool] = "`--max-pool`",
    };

    private const string AboutMethods = """
        # Attribution methods

        An attribution method says, of one image, which pixels made the network say what it said. Its answer is a map: a number
        for each pixel, positive where it speaks for the class, negative where it speaks against it. Methods differ in what they
        count as "made", and so do their maps; what a map is worth is measured by [metrics](metrics.md).

        ![The maps of every method for the same three scenes](pictures/methods.png)

        The scenes are those of the [demo](concept-scenes.md), the network is [its own](demo-network.md), and it is right on all
        three. A map is drawn as a point cloud: the mean over colours, black where nothing speaks for the class, white at the
        map's maximum, however large or small that is. Each method's own picture has the car's and the camel's, each beside the scene seen through it: what is
        above a fifth of the maximum, on black. This page and its pictures are made by the program,
        `attribution methods --out docs`, in a few minutes.

        ```
        attribution explain --model MODEL.onnx --images photos/ --method METHOD --out FOLDER
        attribution explain --demo --method all --out FOLDER
        ```

        In formulas, x is the image (pixels from 0 to 255, before any preprocessing, which is the network's first step), f(x) the
        network's logits, one a class, q the quantity that is explained, b a baseline, ∇ₓ the gradient with respect to x, and ⊙
        the product number by number. The quantity is the logit of the predicted class unless `--quantity` says otherwise:
        `predicted`, `true`, `class:K`, `margin:A,B`, the logit of A less that of B, and others that `--help` lists. From C#, a quantity is the second
        argument: `new SaliencyMap(model, Quantity.Margin(3, 5))`.
        """;

    private const string AboutInfluence = """
        The methods below ask which pixels matter. This one asks first which of the network's *concepts* matter, and only then
        where in the image they are. It needs more than an image: it explains what a network does over many.

        **The question** has two parts. The *quantity of interest* q says what is to be explained: the logit of a class, f_k; or
        what tells two classes apart, f_a - f_b, which is another question with another answer. The *distribution of interest* D
        says over which images: all of them, those of one class, or a single one. An influence over all cars is about what makes
        a car; an influence over one image is about that image.

        **The answer** is found by cutting the network at a layer, f = g ∘ h: h makes of an image the layer's values z = h(x), and
        g makes of these the logits. The influence of the layer's units is how much the quantity rises with each of them, on
        average over the distribution:

        ```
        I = (1/|D|) Σ_{x ∈ D} ∂q(g(z)) / ∂z  at z = h(x)
        ```

        There is no factor for how active a unit was, unless `--times-activation` asks for it: that is what tells influence from
        activity. It is taken at the images themselves, or with `--around` at points near each: on the line from a baseline, or
        with noise. Where a path goes around the
        layer, as in residual networks, it is held fixed. A convolutional layer's unit is a channel, and its influence the sum of
        its positions' (`--units` says otherwise).

        **The expert** is the unit with the largest influence, i = argmax I, the first on ties. The number is signed: a unit that
        strongly speaks against the class is no expert for it. What the expert sees in an image is the saliency map of its value,

        ```
        A(x) = x ⊙ ∇ₓ h_i(x)
        ```

        and where a gradient is too noisy, integrated gradients of the same: `new IntegratedGrad(model, layer, unit)`.

        ![What the experts of three pairs of classes see](pictures/influence-directed.png)

        In each row the network was asked what tells two classes apart which differ in one part alone, over the scenes of both. The
        influence names one unit of 128. Below the scene stands the unit's value, which falls when the same scene is drawn as the
        other class; below the maps, how much of what is positive lies on the part, over the first class's scenes, as a multiple of the part's
        share of the image. For the roof and the hat the unit is active on the one class and hardly ever on the other. The humps are the
        hardest pair: their unit is active on both, and only how much tells them apart.

        **Dead experts.** After a ReLU a unit may never be above 0 on any image, and still have the largest influence, since the
        derivative of q by the unit's value does not ask whether that value is ever more than 0. Such an expert explains nothing:
        its map is black. So every expert comes with how often it is active on the distribution and on each class, and with its
        *selectivity*, the area under the ROC curve of its value as a detector of the one class against the other (1 tells them
        apart, 0.5 tells nothing), and the program says plainly where an expert is dead. The remedy is to cut before the
        activation, where the gradient passes its gate: where no layer is named, that is what is done.

        ```
        attribution experts --demo --quantity margin:6,7 --distribution own --out FOLDER
        attribution explain --demo --method influence-directed --quantity margin:6,7 --distribution own --out FOLDER
        ```
        """;

    private const string InfluenceCode = """
        ```csharp
        var explainer = new InflDirected(model, layer: "fc1l", Quantity.Margin(6, 7));
        int expert = explainer.DisInfluence(images.Where(6, 7));
        var maps = explainer.ExpertAttribution(expert, images);
        ```
        """;

    private const string AboutMetrics = """
        # Metrics

        A map always looks like an explanation. A metric asks whether it is one, and gives a number for each image. No metric
        answers for all: some ask whether the pixels that a map ranks first are *needed* by the network, others whether they
        *suffice*, whether numbers are fair, whether the map depends on the network at all. What [methods](methods.md) there are
        is another page.

        ![Six methods by every metric](pictures/metrics.png)

        Each panel shows six methods on the same 28 scenes of the [demo](concept-scenes.md), the best median on top
        (to be quick, RISE has 50 masks, and integrated gradients 16 steps). It is the figure
        that `attribution study` draws of your own model and images. This page and its pictures are made by the program:
        `attribution methods --out docs`.

        ```
        attribution evaluate --model MODEL.onnx --dataset images.npz --methods METHOD,… --metrics METRIC,… --out FOLDER
        attribution study --demo --metrics all --out FOLDER
        ```

        In formulas, x is the image (pixels from 0 to 255), A its map, f_c the logit of the class c that is explained, the
        predicted one unless `--quantity class:K` says otherwise, and p_c its probability: the softmax's, or σ of a single logit
        ([scores](scores.md)). A pixel's attribution is the mean over its colours, and a pixel is hidden in all its colours at once. "0" as an image is black.

        Most metrics hide pixels in the order of the map and look at what becomes of the score:

        ![One scene while its pixels are removed, or put into black, in the order of a map](pictures/metrics-order.png)

        Metrics that remove pixels or put them back take a score after every M of them. `--pixels-per-step` says how many; without
        it M is 1000 for images of 224×224 or larger, as large a share of smaller ones (15 for 28×28), and less where a map would have
        fewer than 25 steps. Tables, figures and files say what was taken.

        **Maps with nothing to compare.** A map that is zero everywhere, the same number everywhere, without a positive pixel or not
        finite is not sound. By most definitions it is the best there is: an empty map's necessity ordering is 0, and a constant
        map keeps the whole image. So its score stands in the files as it is defined, but takes part in no mean, rank, comparison or
        test, and every table, figure and file says how many of a method's maps are such. A method that has a sound map for fewer
        than half of the images takes no rank: it would take the images away from the others. The rule is one for all metrics, also
        for those that could rank a map without positive pixels, so that all of them compare methods on the same images.
        """;

    private const string AboutDerivatives = """
        # Derivatives

        Every [method](methods.md) and every [metric](metrics.md) is a function of tensors, and a map or a score can be
        differentiated again: by the image, by the map that is scored, and by the network's parameters. From C#, that is
        TorchSharp's own `backward()`, inside `Differentiation.Record()`. So a network can be trained to have maps that a metric
        likes:

        ```csharp
        using var model = Model.FromModule(module);
        var explain = AttributionMethod.Find("saliency").Create(model, new());
        optimizer.zero_grad();
        using (Differentiation.Record())
            Complexity.Scores(explain(images)).mean().backward();    // fills the .grad of module's parameters
        optimizer.step();
        ```

        `AttributionMetric.Find(name).Scores(model, settings)` is a function from maps and images to scores, and every class of a
        metric has `Scores` beside `Evaluate`. A model from a file gives its parameters under their names, `model.Parameters`.
        Outside of `Record` nothing is recorded, and nothing costs more.

        A derivative that is *smooth* exists everywhere, as often as one likes, and one *almost everywhere* is exact but at kinks
        and ties, such as where a number that is cut off at 0 crosses it. A score is *piecewise constant* in what it reads as an
        order, a count or a side, or does not read at all, and its derivative is 0; *none* stands where the argument does not
        exist.

        That is said of a network that is smooth itself: through ReLUs and max pools what is smooth is so almost everywhere.
        What a metric decides by an order or a threshold can be relaxed, by `MetricSettings.Relaxation` or a class's `relaxation`:
        `Relaxation.Soft(τ)` puts a σ of width τ in place of each threshold, τ a share of the map's largest magnitude, and
        `Relaxation.StraightThrough(τ)` leaves the score as it is and takes the soft one's derivative. The last column names the
        arguments in which a score then has a derivative, almost everywhere, where the exact one has 0.
        """;

    /// <summary>The method that is in no registry, since it takes a question and not an image alone: by the same
    /// columns.</summary>
    public static (string Name, string Title, string Formula, string Source) InfluenceDirected { get; } =
        (
            "influence-directed",
            "Influence-directed explanation",
            "x ⊙ ∇ₓ h_i(x), unit i having the largest mean of ∂q(g(z))/∂z, z = h(x), over the distribution",
            "Leino, Sen, Datta, Fredrikson and Li, arXiv 1802.03788"
        );

    /// <summary>The page of the methods.</summary>
    public static string Methods() =>
        Page([
            AboutMethods,
            Table(
                ["Method", "Name", "Formula", "Source"],
                [
                    Row(InfluenceDirected),
                    .. AttributionMethod.All.Select(m => Row((m.Name, m.Title, m.Formula, m.Source))),
                ]
            ),
            Heading(InfluenceDirected.Name, InfluenceDirected.Title),
            AboutInfluence,
            InfluenceCode,
            Facts([
                ("Name", Code(InfluenceDirected.Name)),
                (
                    "Options",
                    "`--layer`, `--units`, `--quantity`, `--distribution`, `--around`, `--times-activation`, `--no-multiply`"
                ),
                ("Source", Linked(InfluenceDirected.Source)),
            ]),
            .. AttributionMethod.All.SelectMany(Section),
        ]);

    /// <summary>The page of the metrics.</summary>
    public static string Metrics() =>
        Page([
            AboutMetrics,
            Table(
                ["Metric", "Name", "Better", "In short", "Source"],
                AttributionMetric.All.Select(m =>
                    (IReadOnlyList<string>)
                        [
                            $"[{m.Title}](#{Anchor(m.Name)})",
                            Code(m.Name),
                            Lower(m.Better),
                            InShort(m.Name),
                            Linked(m.Source),
                        ]
                )
            ),
            .. AttributionMetric.All.SelectMany(Section),
        ]);

    /// <summary>The page of what can be differentiated by what.</summary>
    public static string Derivatives() =>
        Page([
            AboutDerivatives,
            "## Methods",
            Table(
                ["Method", Name(Argument.Image), Name(Argument.Parameters)],
                AttributionMethod.All.Select(m =>
                    (IReadOnlyList<string>)
                        [
                            $"[{m.Title}](methods.md#{Anchor(m.Name)})",
                            Word(m.Smoothness(Argument.Image)),
                            Word(m.Smoothness(Argument.Parameters)),
                        ]
                )
            ),
            "## Metrics",
            Table(
                ["Metric", .. Enum.GetValues<Argument>().Select(Name), "Relaxed"],
                AttributionMetric.All.Select(m =>
                    (IReadOnlyList<string>)
                        [
                            $"[{m.Title}](metrics.md#{Anchor(m.Name)})",
                            .. Enum.GetValues<Argument>().Select(argument => Word(m.Smoothness(argument))),
                            string.Join(", ", Relaxed(m).Select(Name)),
                        ]
                )
            ),
        ]);

    private static IReadOnlyList<Argument> Relaxed(AttributionMetric metric) =>
        [
            .. Enum.GetValues<Argument>()
                .Where(argument => metric.Smoothness(argument, Relaxation.Soft(1)) != metric.Smoothness(argument)),
        ];

    private static string Told(
        Func<Argument, Smoothness> smoothness,
        IEnumerable<Argument> arguments,
        IReadOnlyList<Argument>? relaxed = null
    ) =>
        string.Join("; ", arguments.Select(argument => $"by {Name(argument)}: {Word(smoothness(argument))}"))
        + (
            relaxed is { Count: > 0 }
                ? $"; relaxed, almost everywhere by {string.Join(", ", relaxed.Select(Name))}"
                : ""
        );

    private static string Name(Argument argument) =>
        argument switch
        {
            Argument.Image => "x",
            Argument.Map => "map",
            _ => "parameters",
        };

    private static string Word(Smoothness smoothness) =>
        smoothness switch
        {
            Smoothness.Smooth => "smooth",
            Smoothness.AlmostEverywhere => "almost everywhere",
            Smoothness.PiecewiseConstant => "piecewise constant",
            _ => "none",
        };

    private static IEnumerable<string> Section(AttributionMethod method)
    {
        var note = MethodNotes.Methods[method.Name];
        return
        [
            Heading(method.Name, method.Title),
            note.What,
            Fenced(method.Formula),
            $"![{method.Title}: the maps of a car and a camel, each beside the scene seen through it](pictures/{MethodPictures.FileOf(method)})",
            Facts([
                ("Name", Code(method.Name)),
                ("Options", Options(method.Uses)),
                ("[Derivative](derivatives.md)", Told(method.Smoothness, [Argument.Image, Argument.Parameters])),
                ("Sums to", note.Sum ?? "nothing in particular"),
                ("C#", Code(note.Code)),
                ("Source", Linked(method.Source)),
            ]),
        ];
    }

    private static IEnumerable<string> Section(AttributionMetric metric)
    {
        var note = MethodNotes.Metrics[metric.Name];
        return
        [
            Heading(metric.Name, metric.Title),
            note.What,
            Fenced(metric.Formula),
            $"*Where* {note.Where}",
            $"*Chosen.* {note.Chosen}",
            Facts([
                ("Name", Code(metric.Name)),
                ("Better", Lower(metric.Better)),
                ("Range", metric.Range),
                ("Hidden pixels", metric.Blank == "-" ? "none are" : metric.Blank),
                ("Over", metric.Over == Scale.Map ? "the map alone" : Lower(metric.Over)),
                ("[Derivative](derivatives.md)", Told(metric.Smoothness, Enum.GetValues<Argument>(), Relaxed(metric))),
                ("C#", Code(note.Code)),
                ("Source", Linked(metric.Source)),
            ]),
        ];
    }

    // A metric's first sentence, or question.
    private static string InShort(string name)
    {
        var what = MethodNotes.Metrics[name].What;
        return FirstSentence().Match(what).Value;
    }

    private static string Options(MethodSetting uses)
    {
        string[] some =
        [
            .. Enum.GetValues<MethodSetting>().Where(u => u != 0 && uses.HasFlag(u)).Select(u => options[u]),
        ];
        return some.Length > 0 ? string.Join(", ", some) : "none but those of every method, such as `--quantity`";
    }

    private static IReadOnlyList<string> Row((string Name, string Title, string Formula, string Source) row) =>
        [$"[{row.Title}](#{Anchor(row.Name)})", Code(row.Name), Code(row.Formula), Linked(row.Source)];

    // A heading's own anchor depends on who renders it.
    private static string Heading(string name, string title) => $"<a id=\"{Anchor(name)}\"></a>\n\n## {title}";

    private static string Anchor(string name) => name.Replace("+", "-plus", StringComparison.Ordinal);

    private static string Code(string text) => $"`{text.Replace("|", "\\|", StringComparison.Ordinal)}`";

    private static string Fenced(string formula) => $"```\n{formula}\n```";

    private static string Lower<T>(T value)
        where T : struct, Enum => value.ToString().ToLower(CultureInfo.InvariantCulture);

    private static string Linked(string source) => Paper().Replace(source, "[arXiv $1](https://arxiv.org/abs/$1)");

    private static string Facts((string Name, string Value)[] facts) =>
        Table(["", ""], facts.Select(fact => (IReadOnlyList<string>)[fact.Name, fact.Value]));

    private static string Table(IReadOnlyList<string> heads, IEnumerable<IReadOnlyList<string>> rows) =>
        string.Join(
            '\n',
            rows.Prepend([.. heads.Select(_ => "---")]).Prepend(heads).Select(row => $"| {string.Join(" | ", row)} |")
        );

    private static string Page(IEnumerable<string> parts) => string.Join("\n\n", parts).ReplaceLineEndings("\n") + "\n";

    [GeneratedRegex(@"arXiv (\d{4}\.\d{4,5})")]
    private static partial Regex Paper();

    [GeneratedRegex(@"^.*?[.?](?= |$)")]
    private static partial Regex FirstSentence();
}
