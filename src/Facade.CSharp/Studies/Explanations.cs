using System;
using System.Collections.Generic;
using System.Linq;
using System.Threading;
using static TorchSharp.torch;

namespace Attribution;

/// <summary>How explanations are made.</summary>
public sealed record ExplanationOptions : RunOptions
{
    /// <summary>The file of a method's maps, by its name; null: none is written. See <see cref="AttributionsFile"/>.</summary>
    public Func<string, string>? FileOf { get; init; }

    /// <summary>Handed the maps of each method for a part of the images after the other, to draw them, say. What it throws is the
    /// method's failure.</summary>
    public Action<PartOfMaps>? Made { get; init; }
}

/// <summary>Maps of a method for some of the images.</summary>
/// <param name="Method">The method.</param>
/// <param name="Start">The position of the first one among the images that are explained.</param>
/// <param name="X">The images: n×c×h×w.</param>
/// <param name="Maps">Their maps: n×c×h×w; what is not finite is as it is. They are freed after the call.</param>
/// <param name="PredictedClasses">The classes that the model gives them.</param>
public sealed record PartOfMaps(
    StudyMethod Method,
    int Start,
    Tensor X,
    Tensor Maps,
    IReadOnlyList<long> PredictedClasses
);

/// <summary>Maps of images by methods, written to files and handed on a part of the images at a time, and what was learned on the
/// way.</summary>
public sealed class Explanations
{
    private readonly ImageSet images;
    private readonly MethodRun run;
    private readonly Dictionary<StudyMethod, List<MapState>> states;
    private readonly PredictionCheck check = new();
    private readonly List<long> predicted = [];
    private readonly ClassNames names;

    private Explanations(ImageSet images, MethodRun run, ClassNames names)
    {
        (this.images, this.run, this.names) = (images, run, names);
        states = run.Methods.ToDictionary(method => method, _ => new List<MapState>());
    }

    /// <summary>Makes maps of images by methods. What fails is named, and the others go on; of it no file is left.</summary>
    /// <param name="model">The classifier.</param>
    /// <param name="images">The images.</param>
    /// <param name="methods">The methods; those of <see cref="AttributionMethod.All"/> with their defaults as they are.</param>
    /// <param name="options">How it is done; null: the defaults.</param>
    /// <param name="progress">Told of every pass, and of what it is for.</param>
    /// <param name="cancellation">Stops the work.</param>
    /// <exception cref="AttributionException">Every method fails, or a file cannot be written.</exception>
    public static Explanations Run(
        Model model,
        ImageSet images,
        IReadOnlyList<StudyMethod> methods,
        ExplanationOptions? options = null,
        IProgress<Progress>? progress = null,
        CancellationToken cancellation = default
    )
    {
        options ??= new();
        ImageParts parts = new(images);
        MethodRun run = new(model, parts, methods, options, progress, cancellation);
        Explanations found = new(images, run, options.Names);
        Passes passes = new(
            (long)Math.Ceiling(run.Methods.Sum(method => method.Passes(model, parts.All)) * images.Count),
            progress.In($"Explaining {Words.Count(images.Count, "image")}"),
            cancellation
        );
        Dictionary<StudyMethod, AttributionsFile> files = [];
        try
        {
            if (options.FileOf is { } fileOf)
                foreach (var method in run.Methods)
                    files.Add(method, new(fileOf(method.Name), images));
            run.Each(part => found.Make(model, part, options, files, passes, cancellation));
            foreach (var method in run.Sound)
                files.GetValueOrDefault(method)?.Commit(found.predicted);
        }
        finally
        {
            foreach (var file in files.Values)
                file.Dispose();
        }
        return found;
    }

    private void Make(
        Model model,
        ImagePart part,
        ExplanationOptions options,
        Dictionary<StudyMethod, AttributionsFile> files,
        Passes passes,
        CancellationToken cancellation
    )
    {
        var made = run.Methods.Select(method => (Method: method, Maps: run.Maps(method, part, passes))).ToArray();
        run.RequireSome();
        // Methods that need the logits have left them.
        using var scores = model.ClassScores(part.Instances, options.BatchSize, cancellation: cancellation);
        var classes = scores.argmax(1).data<long>().ToArray();
        predicted.AddRange(classes);
        check.Add(scores);
        foreach (var (method, maps) in made)
        {
            if (maps is null)
                continue;
            run.Failures.Try(
                MethodRun.Failing(method.Name),
                () =>
                {
                    files.GetValueOrDefault(method)?.Append(maps);
                    states[method].AddRange(MapStates.Of(maps));
                    options.Made?.Invoke(new(method, part.Start, part.X, maps, classes));
                    return method;
                }
            );
            maps.Dispose();
        }
    }

    /// <summary>The methods that did not fail, as they were set up.</summary>
    public IReadOnlyList<StudyMethod> Methods => run.Sound;

    /// <summary>The expert of influence-directed explanations; null where there are none.</summary>
    public ExpertSummary? Expert => run.Expert;

    /// <summary>The class that the model gives each image.</summary>
    public IReadOnlyList<long> PredictedClasses => predicted;

    /// <summary>What failed though it was asked for by its name, and why: a sentence each.</summary>
    public IReadOnlyList<string> Failures => run.Failures.Fatal;

    /// <summary>What each of a method's maps is.</summary>
    /// <exception cref="KeyNotFoundException">The method is none of these.</exception>
    public MapStates Maps(StudyMethod method) => new(states[method]);

    /// <summary>How many of the classes that came with the images are not the model's; null where none did.</summary>
    public int? Disagreements =>
        images.HasPredictedClasses
            ? predicted.Zip(images.PredictedClasses).Count(pair => pair.First != pair.Second)
            : null;

    /// <summary>What a person should know before looking at the maps, a sentence each.</summary>
    public IReadOnlyList<string> Notes
    {
        get
        {
            string[] disagreement = Disagreements is > 0 and var some
                ?
                [
                    $"The model's prediction is not the file's Pred for {some} of {images.Count} images; labels and files have the model's.",
                ]
                : [];
            string[] doubt = check.Doubt(images, names) is { } sentence ? [sentence] : [];
            return
            [
                .. run.Notes,
                .. disagreement,
                .. doubt,
                .. Methods.Select(Unsound).OfType<string>(),
                .. run.Failures.LeftOut,
            ];
        }
    }

    private string? Unsound(StudyMethod method)
    {
        if (Maps(method).Sentence(method.Name) is not { } sentence)
            return null;
        var why =
            method.Expert is { Remedy: not null } expert && states[method].Contains(MapState.Empty)
                ? $", where {expert.Named} is held at 0 (for a map of them, {expert.Advice})"
                : "";
        return $"{sentence.TrimEnd('.')}{why}; summary.json lists them.";
    }

    /// <summary>What the run did, for <c>summary.json</c>.</summary>
    /// <param name="model">The model's file.</param>
    /// <param name="data">Where the images came from.</param>
    /// <param name="quantity">The quantity of interest.</param>
    /// <param name="notes">What loading the model and the images had to say.</param>
    public ExplanationSummary Summary(string model, string data, Quantity quantity, IEnumerable<string> notes)
    {
        int[] Of(StudyMethod method, MapState state) => [.. Maps(method).Positions(state).Select(images.Position)];
        return new(
            model,
            data,
            quantity.Name,
            [
                .. Methods.Select(method => new MethodSummary(
                    method.Name,
                    method.Description,
                    Of(method, MapState.Empty)
                )
                {
                    ConstantMaps = Of(method, MapState.Constant),
                    NonPositiveMaps = Of(method, MapState.NothingPositive),
                    NotFiniteMaps = Of(method, MapState.NotFinite),
                }),
            ],
            [
                .. predicted.Select(
                    (k, i) =>
                        new InstanceSummary(
                            images.Position(i),
                            images.Label(i),
                            images.HasTrueClasses ? images.TrueClasses[i] : null,
                            k
                        )
                ),
            ],
            Disagreements,
            Expert,
            [.. notes, .. Expert?.Warning is { } warning ? new[] { warning } : [], .. Notes]
        )
        {
            Failed = run.Failures.Sentences,
        };
    }
}
