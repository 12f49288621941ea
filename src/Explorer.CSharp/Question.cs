using Microsoft.AspNetCore.Http;

namespace Attribution;

/// <summary>A question as the page's address spells it; what it names is not looked at yet.</summary>
internal sealed record Question
{
    /// <summary>The longest address that is read.</summary>
    public const int MostText = 16 << 10;

    /// <summary>What stands for all images.</summary>
    public const string AllImages = "all";

    private const int MostTop = 100;

    /// <summary>scores, map, curve, experts or measure.</summary>
    public string Kind { get; private init; } = "";

    /// <summary>The key of an image, or all.</summary>
    public string Image { get; private init; } = "";

    public string Method { get; private init; } = "saliency";

    public string Quantity { get; private init; } = "predicted";

    /// <summary>Where the model is cut for experts; null: where one would.</summary>
    public string? Layer { get; private init; }

    public string Units { get; private init; } = "auto";

    public string Distribution { get; private init; } = "all";

    public IReadOnlyList<string> Metrics { get; private init; } = [];

    /// <summary>How many units are listed.</summary>
    public int Top { get; private init; } = 12;

    /// <summary>The settings that the question names and that concern its method, in the order of <see cref="Setting.All"/>.</summary>
    public IReadOnlyList<(Setting Setting, string Text)> Settings { get; private init; } = [];

    /// <summary>What makes it the same question, whatever the order of its words.</summary>
    public string Key =>
        string.Join(
            '\n',
            [
                Kind,
                Image,
                Method,
                Quantity,
                Layer ?? "",
                Units,
                Distribution,
                string.Join(',', Metrics),
                $"{Top}",
                .. Settings.Select(s => $"{s.Setting.Name}={s.Text}"),
            ]
        );

    /// <summary>What a page asks when it is opened.</summary>
    public static Question First(string kind) =>
        new()
        {
            Kind = kind,
            Image = "0",
            Method = kind == "map" ? "saliency" : "",
            Quantity = kind == "map" ? "predicted" : "",
            Distribution = "",
        };

    /// <summary>Reads a question.</summary>
    /// <exception cref="AttributionException">It is none.</exception>
    public static Question Read(IQueryCollection words)
    {
        string? Word(string name) =>
            words[name] switch
            {
                [] => null,
                [{ Length: > 0 } word] => word,
                [_] => null,
                _ => throw new AttributionException($"The question says '{name}' more than once."),
            };
        var kind = Word("of") ?? "map";
        var method = Word("method") ?? "saliency";
        var isOfMethod = kind is "map" or "curve" or "measure";
        var isOfExpert = kind == "experts" || isOfMethod && method == StudyMethod.InfluenceDirected;
        var quantity = Word("quantity") ?? "predicted";
        // It would name a file of this machine.
        if (quantity.StartsWith("region:", StringComparison.Ordinal) && quantity.Contains('@'))
            throw new AttributionException(
                "The explorer reads no file of a mask: ask for region:K, or use 'attribution explain'."
            );
        return new()
        {
            Kind = kind is "scores" or "map" or "curve" or "experts" or "measure"
                ? kind
                : throw new AttributionException($"There is no question of the kind '{kind}'."),
            Image =
                kind == "experts"
                    ? AllImages
                    : Word("image") ?? throw new AttributionException("The question names no image."),
            Method = isOfMethod ? method : "",
            Quantity = kind == "scores" ? "" : quantity,
            Layer = isOfExpert ? Word("layer") : null,
            Units = Word("units") ?? "auto",
            Distribution = isOfExpert ? Word("distribution") ?? "all" : "",
            Metrics =
                kind == "measure" ? (Word("metrics") ?? "").Split(',', StringSplitOptions.RemoveEmptyEntries) : [],
            Top =
                kind == "experts"
                && int.TryParse(Word("top"), NumberStyles.None, CultureInfo.InvariantCulture, out var top)
                    ? Math.Clamp(top, 1, MostTop)
                    : 12,
            Settings = isOfMethod
                ?
                [
                    .. from setting in Setting.All
                    where Uses(method).HasFlag(setting.Of)
                    let text = Word(setting.Name)
                    where text is not null && text != setting.Default
                    select (setting, text),
                ]
                : [],
        };
    }

    /// <summary>Which settings concern a method.</summary>
    public static MethodSetting Uses(string method) =>
        method == StudyMethod.InfluenceDirected ? MethodSetting.Multiply : AttributionMethod.Find(method).Uses;
}
