module AgreementTests

open System.IO
open Expecto
open SkiaSharp
open Attribution

/// Of three methods, by a metric that is right, one that is wrong, one that says nothing, and one that sees the mask.
let private agreement =
    let shares = [ "saliency", 0.2; "rise", 0.4; "occlusion", 0.6 ]

    let scores metric (score: float -> float) = [
        for method, share in shares -> MethodScores(method, metric, [| score share; score share; score share |])
    ]

    let metrics = [
        TruthAgreement.Truth, id
        "sparseness", id
        "complexity", id
        "deletion", (fun _ -> 1.)
        "localisation-auc", sqrt
    ]

    TruthAgreement(
        ScoreTable(
            [| "a"; "b"; "c" |],
            [|
                for metric, score in metrics do
                    yield! scores metric score
            |]
        ),
        [| for metric, _ in metrics -> AttributionMetric.Find metric |],
        [| 0.1; 0.1; 0.1 |]
    )

let tests =
    testList "Agreement" [
        testCase
            "the page has a row a metric and a method, what is undefined last, and says what the numbers are not"
            (fun () ->
                let page = MethodDocs.Agreement agreement

                for text in
                    [
                        "| [Sparseness](metrics.md#sparseness) | `sparseness` | 1.00 | 1.00 to 1.00 | 3 |"
                        "| `complexity` | −1.00 |"
                        "| `deletion` | undefined |"
                        "| [occlusion](methods.md#occlusion) | 6.00 | 6.00 to 6.00 | 3 |"
                        "3 [methods](methods.md)"
                        "What they do not mean"
                        "[Sparseness](metrics.md#sparseness) (1.00) agrees most"
                        "(−1.00) least"
                    ] do
                    Expect.stringContains page text text

                Expect.isFalse (page.Contains "{{") "all is filled in"

                Expect.isLessThan
                    (page.IndexOf "| `complexity`")
                    (page.IndexOf "| `deletion`")
                    "what is undefined comes last")

        testCase "the picture has a line a metric that has a number" (fun () ->
            let path = Path.GetTempFileName()

            try
                agreement.Draw(path, "of three methods")
                use picture = SKBitmap.Decode path
                // Four lines of 19 pixels at twice a screen's size, and what is around them.
                Expect.isTrue (picture.Height > 4 * 38 && picture.Height < 800) $"{picture.Height}"
                Expect.isTrue (picture.Width > 1200) $"{picture.Width}"
            finally
                File.Delete path)
    ]
