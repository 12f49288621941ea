namespace Attribution.Pages

open SkiaSharp
open Attribution

/// Recall, precision, F1 and accuracy against the number of units.
[<RequireQualifiedAccess>]
module internal EssencePicture =
    [<Literal>]
    let private MostOwnRows = 4

    let private scores: (string * (EssencePoint -> float)) list = [
        "Recall", _.Recall
        "Precision", _.Precision
        "F1", _.F1
        "Accuracy", _.Accuracy
    ]

    let private spelled (ranking: string) =
        if ranking = "random" then "in random order" else "by " + ranking.Replace('-', ' ')

    /// A row of panels a class, or of many classes their mean, with a thin line a class for the first ranking.
    let draw (names: ClassNames) (curves: EssenceCurves) =
        let noun = if curves.Units = Units.Each then "units" else "channels"
        let verb = if curves.IsSilencing then "silenced" else "kept"
        let isMean = curves.Classes.Count > MostOwnRows
        let strokes = [ for i, ranking in Seq.indexed curves.Rankings -> ranking, Charts.stroke i ]
        let first, style = strokes.Head
        let x = Charts.logarithmic $"{noun} {verb} (of {curves.UnitCount})" curves.Counts

        let panel classes title score =
            let line among stroke ranking =
                Charts.curve stroke [ for k in curves.Counts -> log (float k), curves.Mean(among, ranking, k, score) ]

            {
                Title = title
                X = x
                Y = Charts.linear "" -0.03 1.03
                Marks = [
                    if Array.length classes > 1 then
                        for k in classes do
                            line [| k |] (Charts.faint style) first

                    Charts.level
                        Charts.reference
                        (curves.Mean(classes, EssenceCurves.WholeModel, curves.UnitCount, score))
                    for ranking, stroke in List.rev strokes do
                        line classes stroke ranking
                ]
            }

        let rows =
            if isMean then
                [ "", Array.ofSeq curves.Classes ]
            else
                [ for k in curves.Classes -> $"{names[k]}: ", [| k |] ]

        let subject =
            if isMean then
                $"mean of {curves.Classes.Count} classes, thin: each class by {first}"
            else
                "each class against the rest"

        let title =
            if curves.IsSilencing then
                "What is left of a class without its first units"
            else
                "How few units recognise a class"

        let those = if curves.IsSilencing then "these" else "all other"

        Charts.draw
            (title,
             $"""Layer {curves.Layer}, {those} {noun} set to 0 · {subject} · {Words.Count(curves.ImageCount, "image")}""")
            ([ for ranking, stroke in strokes -> spelled ranking, stroke ] @ [ "whole model", Charts.reference ])
            scores.Length
            42f
            (SKSize(218f, 170f))
            ""
            [
                for title, classes in rows do
                    for name, score in scores -> panel classes (title + name) score
            ]

namespace Attribution

open System.Runtime.CompilerServices
open Attribution.Pages

/// <summary>Draws how well classes are recognised by few units.</summary>
[<Sealed; AbstractClass; Extension>]
type EssencePictures =
    /// <summary>Draws recall, precision, F1 and accuracy against k as a PNG file: a row of panels a class, or of many classes
    /// their mean, with a thin line a class for the first ranking.</summary>
    /// <param name="curves">The curves.</param>
    /// <param name="path">The file.</param>
    /// <param name="names">What classes are called.</param>
    /// <exception cref="T:Attribution.AttributionException">The file cannot be written.</exception>
    [<Extension>]
    static member WritePicture(curves: EssenceCurves, path: string, names: ClassNames) : unit =
        (EssencePicture.draw names curves).Write path
