namespace Attribution.Pages

open SkiaSharp
open Attribution

/// Two panels a layer: each concept's scores, and its mean slope, over those of random sets in its place.
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

    let private names tests = Charts.named (List.map name tests)

    /// Every run's score, the concept's above those of random sets.
    let private scores layer (tests: ConceptTest list) = {
        Title = $"TCAV score at {layer}: a dot a run"
        X = Charts.linear "the share of the images whose score grows" -0.03 1.03
        Y = names tests
        Marks = [
            for y, test in List.indexed tests do
                let y = float y
                Charts.dots random (y - 0.28) test.RandomScores
                Charts.curve random [ test.RandomScore, y - 0.12 ]
                Charts.curve own [ test.Score, y + 0.12 ]
                Charts.dots own (y + 0.28) test.Scores
        ]
    }

    /// The mean slope, and that of each random set in the concept's place.
    let private slopes layer (tests: ConceptTest list) =
        let reach =
            tests
            |> Seq.collect (fun test ->
                let struct (low, high) = test.RandomInterval
                Seq.append [ low; high; test.Slope ] test.RandomSlopes)
            |> Seq.map abs
            |> Seq.max

        {
            Title = $"Mean slope at {layer}: a dot a set"
            X = Charts.linear "by how much the score grows" (-1.08 * reach) (1.08 * reach)
            Y = names tests
            Marks = [
                for y, test in List.indexed tests do
                    let y = float y
                    let struct (low, high) = test.RandomInterval
                    Charts.dots random (y - 0.28) test.RandomSlopes
                    Charts.curve (Charts.bare random) [ low, y - 0.12; high, y - 0.12 ]
                    Charts.curve own [ test.Slope, y + 0.12 ]
            ]
        }

    let draw title (tests: ConceptTest list) =
        let layers = List.groupBy (fun (test: ConceptTest) -> test.Layer) tests
        let most = layers |> List.map (snd >> List.length) |> List.max

        let subtitle =
            $"{tests.Head.Scores.Count} random sets · line: where the slope of one more random set would lie, with Bonferroni's correction"

        Charts.draw
            (title, subtitle)
            [ "the concept", own; "random sets in its place", random ]
            2
            130f
            (SKSize(330f, 52f * float32 most))
            "★ significant: the slope is beyond the line, and the layer tells the concept's images from others"
            [
                for layer, tests in layers do
                    let tests = List.rev tests
                    scores layer tests
                    slopes layer tests
            ]

namespace Attribution

open System.Collections.Generic
open System.Runtime.CompilerServices
open Attribution.Pages

/// <summary>Draws tests of concepts.</summary>
[<Sealed; AbstractClass; Extension>]
type ConceptPictures =
    /// <summary>Draws two panels a layer: each concept's score in every run, over those of random sets; and its mean slope, over that of random
    /// sets in its place and where one more would lie. A star marks what is significant.</summary>
    /// <param name="tests">What <see cref="M:Attribution.Tcav.Test"/> gave.</param>
    /// <param name="path">The PNG file.</param>
    /// <param name="title">What it shows.</param>
    /// <exception cref="T:Attribution.AttributionException">The file cannot be written.</exception>
    [<Extension>]
    static member WritePicture(tests: IReadOnlyList<ConceptTest>, path: string, title: string) : unit =
        (ConceptPicture.draw title (List.ofSeq tests)).Write path
