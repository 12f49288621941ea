namespace Attribution.Pages

open SkiaSharp
open Attribution

/// A panel a layer: each concept's score against every random set, and those of random sets in its place.
[<RequireQualifiedAccess>]
module internal ConceptPicture =
    let private own = Charts.stroke 0

    let private random = {
        Colour = Charts.palette[2]
        Width = 1.6f
        Marker = ScottPlot.MarkerShape.FilledDiamond
        Pattern = ScottPlot.LinePattern.Solid
    }

    let private name (test: ConceptTest) = if test.IsSignificant then $"★ {test.Concept}" else test.Concept

    let private panel (layer: string, tests: ConceptTest list) =
        let tests = List.rev tests

        {
            Title = layer
            X = Charts.linear "share of the images whose score grows along the concept" -0.03 1.03
            Y = Charts.named (List.map name tests)
            Marks = [
                for y, test in List.indexed tests do
                    let y = float y
                    let struct (low, high) = test.Interval
                    let struct (randomLow, randomHigh) = test.RandomInterval
                    Charts.dots random (y - 0.36) test.RandomScores
                    Charts.interval random (y - 0.18) (randomLow, test.RandomScore, randomHigh)
                    Charts.interval own (y + 0.1) (low, test.Score, high)
                    Charts.dots own (y + 0.28) test.Scores
            ]
        }

    let draw title (tests: ConceptTest list) =
        let panels = List.groupBy (fun (test: ConceptTest) -> test.Layer) tests
        let most = panels |> List.map (snd >> List.length) |> List.max

        let runs = tests.Head.Scores.Count

        let subtitle =
            $"TCAV: a dot a run, {runs} random sets each · the line of random sets: where one more would lie, by Student's t with Bonferroni's correction"

        Charts.draw
            (title, subtitle)
            [ "the concept, its mean and 95 % interval", own; "random sets in its place", random ]
            (min 2 panels.Length)
            150f
            (SKSize((if panels.Length = 1 then 480f else 320f), 56f * float32 most))
            "★ The score is not that of a random set, and the layer tells the concept's images from others."
            (List.map panel panels)

namespace Attribution

open System.Collections.Generic
open System.Runtime.CompilerServices
open Attribution.Pages

/// <summary>Draws tests of concepts.</summary>
[<Sealed; AbstractClass; Extension>]
type ConceptPictures =
    /// <summary>Draws a panel a layer: each concept's score against every random set, their mean and its interval, and under it random sets in
    /// its place and where one more would lie. A star marks what is significant.</summary>
    /// <param name="tests">What <see cref="M:Attribution.Tcav.Test"/> gave.</param>
    /// <param name="path">The PNG file.</param>
    /// <param name="title">What it shows.</param>
    /// <exception cref="T:Attribution.AttributionException">The file cannot be written.</exception>
    [<Extension>]
    static member WritePicture(tests: IReadOnlyList<ConceptTest>, path: string, title: string) : unit =
        (ConceptPicture.draw title (List.ofSeq tests)).Write path
