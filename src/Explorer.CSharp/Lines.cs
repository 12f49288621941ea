namespace Attribution;

/// <summary>What a question is on the command line and in a program, which give the same numbers.</summary>
/// <param name="Command">A line of a shell.</param>
/// <param name="Csharp">C#.</param>
/// <param name="Fsharp">F#.</param>
internal sealed record Lines(string Command, string Csharp, string Fsharp)
{
    // Where a picture that was added lies on the person's disk is not known here.
    private const string Picture = "PICTURE";

    public static Lines Of(Question question, ExplorerOptions options) =>
        new(
            Shell(question, options),
            new Code(question, options, Dialect.Csharp).Text,
            new Code(question, options, Dialect.Fsharp).Text
        );

    private static string Shell(Question question, ExplorerOptions options)
    {
        string Option(string name, string text) => $" --{name} {Word(text)}";
        string Cut(string name, string text, string standard) =>
            text == standard || text == "" ? "" : Option(name, text);
        var isAdded = question.Image != Question.AllImages && !Pictures.IsOfSet(question.Image);
        // What names the images comes last.
        var model = options.Given.Split([" --images ", " --dataset "], StringSplitOptions.None)[0];
        var given = isAdded ? $"{model} --images {Picture}" : options.Given;
        var chosen = Pictures.IsOfSet(question.Image) ? $" --indices {question.Image}" : "";
        var settings = string.Concat(
            question.Settings.Select(s =>
                s.Setting.Name == "multiply" ? " --no-multiply" : Option(s.Setting.Name, s.Text)
            )
        );
        var asked =
            Option("quantity", question.Quantity)
            + settings
            + Cut("layer", question.Layer ?? "", "")
            + Cut("units", question.Units, "auto")
            + Cut("distribution", question.Distribution, "all");
        return question.Kind switch
        {
            "experts" => $"attribution experts {given}{asked} --top {question.Top} --out experts",
            "measure" =>
                $"attribution evaluate {given}{chosen} --methods {question.Method} --metrics {string.Join(',', question.Metrics)}{asked} --out scores",
            _ => $"attribution explain {given}{chosen} --method {question.Method}{asked} --out maps",
        };
    }

    /// <summary>A word of a POSIX shell.</summary>
    internal static string Word(string text) =>
        text.Length > 0 && text.All(c => char.IsAsciiLetterOrDigit(c) || "-_./:,=+@%".Contains(c))
            ? text
            : $"'{text.Replace("'", "'\\''")}'";

    /// <summary>How a language spells what both say.</summary>
    private sealed record Dialect(
        string Open,
        Func<string, string, string> Let,
        Func<string, string, string> Own,
        Func<string, string, string> Make,
        Func<string, string, string> With,
        Func<string, string, string> Named,
        Func<string, string> Call,
        Func<IEnumerable<string>, string> List,
        string Number
    )
    {
        public static Dialect Csharp { get; } =
            new(
                "using Attribution;",
                (name, value) => $"var {name} = {value};",
                (name, value) => $"using var {name} = {value};",
                (type, values) => $"new {type}({values})",
                (type, values) => $"new {type} {{ {values} }}",
                (name, value) => $"{name}: {value}",
                of => $"(model, settings)({of})",
                items => $"[{string.Join(", ", items)}]",
                "int.Parse"
            );

        public static Dialect Fsharp { get; } =
            new(
                "open Attribution",
                (name, value) => $"let {name} = {value}",
                (name, value) => $"let {name} = {value}",
                (type, values) => $"{type}({values})",
                (type, values) => $"{type}({values})",
                (name, value) => $"{name} = {value}",
                of => $"(model, settings).Invoke({of})",
                items => $"[| {string.Join("; ", items)} |]",
                "System.Int32.Parse"
            );
    }

    private sealed class Code(Question question, ExplorerOptions options, Dialect say)
    {
        public string Text =>
            string.Join(
                '\n',
                [
                    say.Open,
                    "",
                    say.Own("model", options.ModelCode),
                    say.Own("all", options.ImagesCode),
                    say.Let("x", Chosen),
                    say.Let("quantity", Quantity),
                    .. Asked,
                ]
            );

        private IEnumerable<string> Asked
        {
            get
            {
                var cut = say.Make("InflDirected", $"model, {Layer}, quantity{Units}");
                var isExperts = question.Kind == "experts";
                if (isExperts || question.Method == StudyMethod.InfluenceDirected)
                {
                    var alone = question.Settings.Any(s => s.Setting.Name == "multiply")
                        ? $", {say.Named("multiplyWithInput", "false")}"
                        : "";
                    yield return say.Let("cut", cut);
                    yield return isExperts
                        ? say.Let("influence", $"cut.Influence({Among})")
                        : say.Let("maps", $"cut.ExpertAttribution(cut.DisInfluence({Among}), x{alone})");
                    yield break;
                }
                var method = $"AttributionMethod.Find({Quoted(question.Method)})";
                yield return say.Let("settings", say.With("MethodSettings", Settings));
                yield return question.Kind == "measure"
                    ? say.Let(
                        "study",
                        $"Study.Run(model, x, {say.List([say.Make("StudyMethod", $"{method}, settings")])}, {say.List(question.Metrics.Select(metric => $"AttributionMetric.Find({Quoted(metric)})"))}{Target})"
                    )
                    : say.Let("maps", $"{method}.Create{say.Call("x")}");
            }
        }

        private string Chosen =>
            question.Image == Question.AllImages ? "all"
            : Pictures.IsOfSet(question.Image) ? $"all.Take([{question.Image}])"
            : $"ImageSet.LoadImages([\"{Picture}\"], model)";

        private string Layer => question.Layer is { } layer ? Quoted(layer) : "Cuts.Default(model)";

        private string Units => question.Units == "auto" ? "" : $", Spelled.Units({Quoted(question.Units)})";

        // The class whose score metrics measure, where it is not the predicted one.
        private string Target =>
            Spelled.Quantity(question.Quantity).Class is { } k
                ? $", {say.With("StudyOptions", $"Metrics = {say.With("MetricSettings", $"TargetClass = {Number(k)}")}")}"
                : "";

        // The images over which units are ranked.
        private string Among =>
            Spelled.Distribution(question.Distribution) switch
            {
                { IsOwn: true } => $"all.Where({Numbers(Spelled.Quantity(question.Quantity).Classes)})",
                { Classes: { } some } => $"all.Where({Numbers(some)})",
                _ => "all",
            };

        private string Settings =>
            string.Join(
                ", ",
                [
                    "Quantity = quantity",
                    // It compares with all images, whichever is explained.
                    .. question.Method == "expected-gradients" ? new[] { "Background = all" } : [],
                    .. question.Settings.Select(s => s.Setting.Code(s.Text)),
                ]
            );

        private string Quantity
        {
            get
            {
                var (kind, rest) = question.Quantity.IndexOf(':') is var cut and > 0
                    ? (question.Quantity[..cut], question.Quantity[(cut + 1)..])
                    : (question.Quantity, "");
                return (kind, rest.Split(',')) switch
                {
                    ("predicted", _) => "Quantity.Predicted",
                    ("true", _) => "Quantity.TrueClass(x.TrueClasses)",
                    ("class", [var k]) => $"Quantity.Class({Number(k)})",
                    ("one-vs-rest", [var k]) => $"Quantity.OneVsRest({Number(k)})",
                    ("margin", [var a, var b]) when !rest.Contains('+') => $"Quantity.Margin({Number(a)}, {Number(b)})",
                    ("unit", [.. { Length: > 0 } layer, var unit]) =>
                        $"Quantity.Unit({Quoted(string.Join(',', layer))}, {unit}{Units})",
                    _ => $"Spelled.Quantity({Quoted(question.Quantity)}).For(model, x, {say.Number})",
                };
            }
        }

        private string Number(string text) =>
            int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var k)
                ? $"{k}"
                : $"{options.Names.NumberOf(text)}";

        private string Numbers(IEnumerable<string> classes) => string.Join(", ", classes.Select(Number));

        private static string Quoted(string text) => $"\"{text.Replace("\\", "\\\\").Replace("\"", "\\\"")}\"";
    }
}
