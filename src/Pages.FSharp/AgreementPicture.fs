namespace Attribution.Pages

open SkiaSharp
open Attribution

/// A line a metric: how far its order of methods is that of the truth, and between which numbers samples of the images lie.
[<RequireQualifiedAccess>]
module internal AgreementPicture =
    let private blind, seeing = Charts.stroke 0, Charts.stroke 2

    let private strokeOf (row: AgreementRow) = if (AttributionMetric.Find row.Metric).NeedsMasks then seeing else blind

    let draw subtitle (agreement: TruthAgreement) =
        let rows =
            agreement.Rows
            |> Seq.filter (fun row -> not (System.Double.IsNaN row.Correlation.Value))
            |> Seq.rev
            |> List.ofSeq

        let y = Charts.named [ for row in rows -> (AttributionMetric.Find row.Metric).Name ]

        let panel = {
            Title = ""
            X = Charts.linear "rank correlation over the methods: 1, the order of the truth; −1, its reverse" -1.03 1.03
            Y = y
            Marks = [
                Charts.curve Charts.reference [ 0., y.From; 0., y.To ]

                for i, row in List.indexed rows do
                    let found = row.Correlation
                    Charts.interval (strokeOf row) (float i) (found.Low, found.Value, found.High)
            ]
        }

        Charts.draw
            ("Which metrics agree with the truth", subtitle)
            [ "sees the map, and maybe the network", blind; "is given the part's mask", seeing ]
            1
            210f
            (SKSize(480f, 19f * float32 (max 1 rows.Length)))
            ""
            [ panel ]

namespace Attribution

open System.Runtime.CompilerServices
open Attribution.Pages

/// <summary>Draws which metrics agree with the truth.</summary>
[<Sealed; AbstractClass; Extension>]
type AgreementPictures =
    /// <summary>Draws a line a metric, its correlation with the truth and the interval of it, the best on top, as a PNG
    /// file.</summary>
    /// <param name="agreement">What was found.</param>
    /// <param name="path">The file.</param>
    /// <param name="subtitle">Of what it is.</param>
    /// <exception cref="T:Attribution.AttributionException">The file cannot be written.</exception>
    [<Extension>]
    static member Draw(agreement: TruthAgreement, path: string, subtitle: string) : unit =
        (AgreementPicture.draw subtitle agreement).Write path
