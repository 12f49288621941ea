using System;
using System.Collections.Generic;
using System.Linq;
using System.Threading;

namespace Attribution;

/// <summary>How methods are run on images.</summary>
public record RunOptions
{
    /// <summary>Images a pass; null: as many as memory allows. Results depend on it by rounding alone.</summary>
    public int? BatchSize { get; init; }

    /// <summary>What the classes are called.</summary>
    public ClassNames Names { get; init; } = ClassNames.None;

    /// <summary>Whether the methods stand for all that there are, so that one that the model does not allow is left out by name, and
    /// no failure of the run.</summary>
    public bool IsEveryMethod { get; init; }

    /// <summary>Told of what is decided before the work begins, a sentence each: where the model is cut, for example.</summary>
    public Action<string>? Said { get; init; }
}

/// <summary>Methods that make maps of images, part by part.</summary>
internal sealed class MethodRun
{
    private readonly Model model;
    private readonly ImageParts parts;
    private readonly RunOptions options;
    private readonly CancellationToken cancellation;
    private readonly ILookup<string, (List<double> Gaps, List<int> Steps)> noted;

    /// <summary>Sets methods up for a model: layers are chosen, experts found, and what fails is noted.</summary>
    /// <exception cref="AttributionException">Every method failed, or a layer that was named is not there.</exception>
    public MethodRun(
        Model model,
        ImageParts parts,
        IReadOnlyList<StudyMethod> methods,
        RunOptions options,
        IProgress<Progress>? progress,
        CancellationToken cancellation
    )
    {
        (this.model, this.parts, this.options, this.cancellation) = (model, parts, options, cancellation);
        Failures = new(options.IsEveryMethod);
        foreach (var method in methods)
            method.RequireLayer(model);
        Methods =
        [
            .. methods
                .Select(method =>
                    Failures.Try(
                        Failing(method.Name),
                        () => method.For(model, options.Said, options.BatchSize, progress, cancellation)
                    )
                )
                .OfType<StudyMethod>(),
        ];
        Failures.RequireSome([.. methods.Select(method => Failing(method.Name))]);
        noted = Methods.ToLookup(method => method.Name, _ => (new List<double>(), new List<int>()));
        foreach (var sentence in Decisions())
            options.Said?.Invoke(sentence);
    }

    /// <summary>Those that the model allows, set up.</summary>
    public IReadOnlyList<StudyMethod> Methods { get; }

    public Failures Failures { get; }

    /// <summary>Those that did not fail.</summary>
    public IReadOnlyList<StudyMethod> Sound => [.. Methods.Where(method => !HasFailed(method))];

    /// <summary>The expert whose view is among the maps; null where there is none.</summary>
    public ExpertSummary? Expert =>
        Methods.Select(method => method.Expert).FirstOrDefault(expert => expert is not null);

    public static string Failing(string method) => $"The method {method}";

    public bool HasFailed(StudyMethod method) => Failures.Has(Failing(method.Name));

    /// <summary>Hands every part of the images to the work.</summary>
    /// <exception cref="AttributionException">Every method has failed.</exception>
    public void Each(Action<ImagePart> work) =>
        parts.Each(part =>
        {
            work(part);
            RequireSome();
        });

    /// <summary>Requires a method that has not failed.</summary>
    /// <exception cref="AttributionException">Every one has.</exception>
    public void RequireSome() => Failures.RequireSome([.. Methods.Select(method => Failing(method.Name))]);

    /// <summary>The maps of a part by a method; null where it fails, or has failed before.</summary>
    public TorchSharp.torch.Tensor? Maps(StudyMethod method, ImagePart part, Passes passes)
    {
        if (HasFailed(method))
            return null;
        var next = passes.Next((long)(method.Passes(model, parts.All) * part.Images.Count));
        return Failures.Try(
            Failing(method.Name),
            () =>
            {
                var found = method.Explain(model, part, options.BatchSize, next, cancellation);
                foreach (var (gaps, steps) in noted[method.Name])
                {
                    gaps.AddRange(found.Gaps ?? []);
                    steps.AddRange(found.Steps ?? []);
                }
                return found.Maps;
            }
        );
    }

    /// <summary>Takes in what was noted of a method's maps elsewhere.</summary>
    public void Noted(StudyMethod method, double[] gaps, double[] steps)
    {
        foreach (var known in noted[method.Name])
        {
            known.Gaps.AddRange(gaps);
            known.Steps.AddRange(steps.Select(n => (int)n));
        }
    }

    /// <summary>What there is to say of the methods when all is done, a sentence each.</summary>
    public IReadOnlyList<string> Notes =>
        [
            .. Methods
                .Select(method => noted[method.Name].Select(n => method.Note(n.Gaps, n.Steps)).First())
                .OfType<string>(),
        ];

    private IEnumerable<string> Decisions()
    {
        if (Expert?.Warning is { } warning)
            yield return warning;
        foreach (var users in Methods.Where(method => method.Layer is not null).GroupBy(method => method.Layer))
            yield return $"Class activation maps ({string.Join(", ", users.Select(user => user.Name))}) look at layer '{users.Key}'; --map-layer names another.";
        foreach (var background in Methods.Select(method => method.Background).OfType<int>())
            yield return $"Expected gradients compare each image with others, drawn from all {Words.Count(background, "image")} of the data.";
    }
}
