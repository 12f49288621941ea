namespace Attribution;

/// <summary>A setting of methods that a question may have, spelled as the command line spells it.</summary>
/// <param name="Name">As in the question's address, and behind -- on the command line.</param>
/// <param name="Title">For people.</param>
/// <param name="Kind">integer, number, choice, boolean or layer.</param>
/// <param name="Default">As it is where a question does not say.</param>
/// <param name="Of">Which methods it concerns.</param>
/// <param name="Set">The settings with it.</param>
/// <param name="Code">What sets it in a program.</param>
internal sealed record Setting(
    string Name,
    string Title,
    string Kind,
    string Default,
    MethodSetting Of,
    Func<MethodSettings, string, MethodSettings> Set,
    Func<string, string> Code
)
{
    /// <summary>What there is to choose among; null of a number.</summary>
    public string[]? Choices { get; init; }

    /// <summary>What the methods that it concerns say of it.</summary>
    public string UsedBy => Of.ToString().ToLowerInvariant();

    /// <summary>All of them.</summary>
    public static IReadOnlyList<Setting> All { get; } =
    [
        Integer("steps", "Points on a path", "50", MethodSetting.Steps, 5000, (s, n) => s with { Steps = n }, "Steps"),
        Choice(
            "rule",
            "Where they lie",
            ["right", "midpoint", "trapezoid", "gauss-legendre"],
            MethodSetting.Steps,
            (s, text) => s with { Rule = Spelled.Rule(text) },
            text => $"Rule = Spelled.Rule(\"{text}\")"
        ),
        Choice(
            "baseline",
            "Baseline: what a missing pixel is",
            ["black", "white", "random", "blur:8"],
            MethodSetting.Baseline,
            (s, text) => s with { Baseline = Spelled.Baseline(text) },
            text => $"Baseline = Spelled.Baseline(\"{text}\")"
        ),
        Choice(
            "multiply",
            "Gradients times the image",
            ["yes", "no"],
            MethodSetting.Multiply,
            (s, text) => s with { MultiplyWithInput = text == "yes" },
            text => $"MultiplyWithInput = {(text == "yes" ? "true" : "false")}"
        ) with
        {
            Kind = "boolean",
        },
        Integer(
            "samples",
            "Random samples",
            "",
            MethodSetting.Samples,
            20_000,
            (s, n) => s with { Samples = n },
            "Samples"
        ),
        Integer(
            "seed",
            "Decides on them",
            "1",
            MethodSetting.Samples,
            int.MaxValue,
            (s, n) => s with { Seed = n },
            "Seed"
        ),
        Number(
            "noise",
            "Noise, as a share of the range",
            "0.15",
            MethodSetting.Noise,
            (s, x) => s with { Noise = x },
            "Noise"
        ),
        Integer(
            "window",
            "Side of the hiding square",
            "",
            MethodSetting.Window,
            4096,
            (s, n) => s with { WindowSize = n },
            "WindowSize"
        ),
        Integer(
            "stride",
            "Pixels to the next",
            "",
            MethodSetting.Window,
            4096,
            (s, n) => s with { Stride = n },
            "Stride"
        ),
        Choice(
            "features",
            "What is hidden as one",
            ["usual", "superpixels:20", "superpixels:100", "grid:8", "grid:16"],
            MethodSetting.Features,
            (s, text) => s with { Features = Named(text) },
            text =>
                text.Split(':') is [var kind, var count]
                    ? $"Features = Features.{(kind == "grid" ? "Grid" : "Superpixels")}({count})"
                    : "Features = Features.Usual"
        ),
        Choice(
            "max-pool",
            "What a max pool hands on",
            ["rescale", "last-window", "gradient"],
            MethodSetting.MaxPool,
            (s, text) => s with { MaxPool = Spelled.MaxPool(text) },
            text => $"MaxPool = Spelled.MaxPool(\"{text}\")"
        ),
        Integer(
            "iterations",
            "Steps of the optimisation",
            "50",
            MethodSetting.Iterations,
            5000,
            (s, n) => s with { Iterations = n },
            "Iterations"
        ),
        Number("area", "Share that the mask covers", "0.1", MethodSetting.Area, (s, x) => s with { Area = x }, "Area"),
        new(
            "map-layer",
            "Layer that the map looks at",
            "layer",
            "",
            MethodSetting.Layer,
            (s, text) => s with { Layer = text },
            text => $"Layer = \"{text}\""
        ),
        Integer(
            "smooth",
            "Noisy copies to average over",
            "",
            MethodSetting.Nothing,
            1000,
            (s, n) => s with { Smooth = n },
            "Smooth"
        ),
    ];

    private static Features Named(string text) =>
        text.Split(':') switch
        {
            ["grid", var count] => Features.Grid(int.Parse(count, CultureInfo.InvariantCulture)),
            ["superpixels", var count] => Features.Superpixels(int.Parse(count, CultureInfo.InvariantCulture)),
            _ => Features.Usual,
        };

    /// <summary>The words by which a method says which settings concern it.</summary>
    public static IReadOnlyList<string> UsedBys(MethodSetting uses) =>
        [
            .. All.Select(setting => setting.Of)
                .Distinct()
                .Where(of => uses.HasFlag(of))
                .Select(of => of.ToString().ToLowerInvariant()),
        ];

    private static Setting Integer(
        string name,
        string title,
        string standard,
        MethodSetting of,
        int most,
        Func<MethodSettings, int, MethodSettings> set,
        string property
    ) =>
        new(
            name,
            title,
            "integer",
            standard,
            of,
            (settings, text) =>
                int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var n) && n >= 1 && n <= most
                    ? set(settings, n)
                    : throw new AttributionException(
                        $"{title}: give a whole number from 1 to {most}, and not '{text}'."
                    ),
            text => $"{property} = {text}"
        );

    private static Setting Number(
        string name,
        string title,
        string standard,
        MethodSetting of,
        Func<MethodSettings, double, MethodSettings> set,
        string property
    ) =>
        new(
            name,
            title,
            "number",
            standard,
            of,
            (settings, text) =>
                double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var x) && double.IsFinite(x)
                    ? set(settings, x)
                    : throw new AttributionException($"{title}: give a number, and not '{text}'."),
            text => $"{property} = {text}"
        );

    private static Setting Choice(
        string name,
        string title,
        string[] choices,
        MethodSetting of,
        Func<MethodSettings, string, MethodSettings> set,
        Func<string, string> code
    ) => new(name, title, "choice", choices[0], of, set, code) { Choices = choices };
}
