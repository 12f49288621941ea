namespace Attribution.Pages

open SkiaSharp
open Attribution

/// A panel a measure: each variant's mean and its interval, and every trial beside it.
[<RequireQualifiedAccess>]
module internal TrialPicture =
    let draw title (trials: Trials) =
        let variants = List.rev (List.ofSeq trials.Variants)
        let stroke = Charts.stroke 0

        let trial = Charts.dots stroke

        let panel measure = {
            Title = Words.Capital measure
            X = Charts.linear "" -0.03 1.03
            Y = Charts.named variants
            Marks = [
                for y, variant in List.indexed variants do
                    let found = trials.Mean(variant, measure)
                    trial (float y - 0.22) [ for value in trials.Values(variant, measure) -> value ]
                    let inside (end': float) = max 0. (min 1. end')
                    Charts.interval stroke (float y) (inside found.Low, found.Mean, inside found.High)
            ]
        }

        let subtitle =
            $"""{Words.Count(trials.Each.Count, trials.Trial)}, a dot each · mean and its 95 %% interval by Student's t, from 0 to 1"""

        Charts.draw (title, subtitle) [] 3 110f (SKSize(230f, 120f)) "" [ for m in trials.Measures -> panel m ]

namespace Attribution

open System.Runtime.CompilerServices
open Attribution.Pages

/// <summary>Draws trials.</summary>
[<Sealed; AbstractClass; Extension>]
type TrialPictures =
    /// <summary>Draws a panel a measure, with the mean of each variant, its interval and every trial, as a PNG file.</summary>
    /// <param name="trials">The trials.</param>
    /// <param name="path">The file.</param>
    /// <param name="title">What they are of.</param>
    /// <exception cref="T:Attribution.AttributionException">The file cannot be written.</exception>
    [<Extension>]
    static member WritePicture(trials: Trials, path: string, title: string) : unit =
        (TrialPicture.draw title trials).Write path
