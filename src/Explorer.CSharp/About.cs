using System.Security.Cryptography;
using System.Text;

namespace Attribution;

/// <summary>What the page is told first: the model and its layers, the images, the classes, and all that can be chosen.</summary>
/// <param name="Subject">What changes when the model, the images or the choices do.</param>
/// <param name="Data">JSON.</param>
internal sealed record About(string Subject, byte[] Data)
{
    public static About Of(Model model, ImageSet images, IReadOnlyList<double> first, ExplorerOptions options)
    {
        var told = Told(model, images, first.Count, options);
        // A few digits of a few, since rounding differs where the number of threads does.
        var scores = string.Join(
            ' ',
            first.Take(8).Select(score => score.ToString("G3", CultureInfo.InvariantCulture))
        );
        var subject = Convert.ToHexStringLower(
            SHA256.HashData([.. Json.Bytes(told), .. Encoding.UTF8.GetBytes(scores)])
        );
        return new(subject, Json.Bytes(new { Subject = subject, Told = told }));
    }

    private static object Told(Model model, ImageSet images, int classes, ExplorerOptions options)
    {
        var cut = Try(() => Cuts.Default(model));
        return new
        {
            Program = $"Attribution {typeof(Explorer).Assembly.GetName().Version?.ToString(3)}",
            Demo = options.IsDemo,
            options.Given,
            Model = new
            {
                Name = options.Model,
                Input = model.InputShape,
                Notes = model.Notes.Concat(images.Notes).Distinct(),
                CanCut = cut is not null,
                Kind = model.Regions is not null ? "segmentation"
                : model.Detections is not null ? "detector"
                : "classifier",
            },
            Images = new
            {
                images.Count,
                images.Height,
                images.Width,
                images.Channels,
                options.Source,
                Labels = Enumerable.Range(0, images.Count).Select(images.Label),
                TrueClasses = images.HasTrueClasses ? images.TrueClasses : null,
                Accepts = images.TakesPictures,
            },
            Classes = Enumerable.Range(0, classes).Select(k => options.Names[k]),
            Layers = model
                .Describe()
                .Select(layer => new
                {
                    layer.Name,
                    layer.Operation,
                    layer.Shape,
                    layer.Note,
                    layer.Inputs,
                    layer.Units,
                    Noun = Noun(layer),
                }),
            DefaultLayer = cut,
            MapLayer = Try(() => Cuts.LastConvolution(model)),
            Methods = StudyMethod.Names.Select(name => Method(name, model, cut, images)),
            Metrics = AttributionMetric.All.Select(metric => new
            {
                metric.Name,
                metric.Title,
                metric.Formula,
                metric.Source,
                Better = Better(metric),
                metric.Range,
                Passes = metric.Passes(new(), (long)images.Height * images.Width),
            }),
            // On the command line the demo's seed decides on its scenes too.
            Settings = Setting
                .All.Where(setting => !options.IsDemo || setting.Name != "seed")
                .Select(setting => new
                {
                    setting.Name,
                    setting.Title,
                    setting.Kind,
                    setting.Default,
                    setting.Choices,
                    setting.UsedBy,
                }),
            // ColorBrewer's red and blue, as everywhere.
            Scale = new
            {
                For = Colour(0),
                Against = Colour(2),
                Contrast = 0.32,
            },
        };
    }

    /// <summary>What a unit of an expert's layer is called.</summary>
    public static string Noun(Model model, ExpertSummary expert) =>
        Noun(model.Describe().First(layer => layer.Name == expert.Layer)) is "head" ? "head" : expert.Noun;

    private static string Noun(Layer layer) =>
        layer.Reading is not (Units.ChannelSum or Units.ChannelMax) ? "unit"
        : layer.Note.Contains(" heads", StringComparison.Ordinal) ? "head"
        : "channel";

    private static object Method(string name, Model model, string? cut, ImageSet images)
    {
        if (name == StudyMethod.InfluenceDirected)
            return new
            {
                Name = name,
                Title = "Influence-directed",
                Formula = "x ⊙ ∇ₓ h_i(x), i the unit of the layer with most influence on the quantity over the images",
                Source = "Leino et al., arXiv 1802.03788",
                Uses = Setting.UsedBys(MethodSetting.Multiply),
                Applies = cut is not null,
                Passes = 3.0 * (images.Count + 1),
            };
        var method = AttributionMethod.Find(name);
        return new
        {
            method.Name,
            method.Title,
            method.Formula,
            method.Source,
            Uses = Setting.UsedBys(method.Uses),
            Applies = method.AppliesTo(model),
            method.Work(model, new(), images).Passes,
        };
    }

    private static string Better(AttributionMetric metric) =>
        metric.Better switch
        {
            Attribution.Better.Higher => "higher",
            Attribution.Better.Lower => "lower",
            _ => "neither",
        };

    private static int[] Colour(int row)
    {
        using var scale = Visualization.HeatScale(3);
        return [.. scale[row].data<byte>().Select(part => (int)part)];
    }

    private static string? Try(Func<string> find)
    {
        try
        {
            return find();
        }
        catch (AttributionException)
        {
            return null;
        }
    }
}
