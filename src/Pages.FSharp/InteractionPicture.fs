namespace Attribution.Pages

open System
open SkiaSharp
open TorchSharp
open Attribution

/// The strongest pairs of regions as lines on the image, and all of them as a matrix.
[<RequireQualifiedAccess>]
module internal InteractionPicture =
    let private side, gap, captions = 224f, 16f, 40f
    let private favour, against = SKColor(178uy, 24uy, 43uy), SKColor(33uy, 102uy, 172uy)

    /// The pairs of different cells of a g²×g² matrix, the strongest first.
    let private strongest count (matrix: float[,]) =
        [
            for r in 0 .. matrix.GetLength 0 - 1 do
                for s in r + 1 .. matrix.GetLength 1 - 1 -> r, s, matrix[r, s]
        ]
        |> List.sortByDescending (fun (_, _, value) -> abs value)
        |> List.truncate count
        |> List.filter (fun (_, _, value) -> value <> 0.)

    let private drawPairs (canvas: SKCanvas) (place: SKRect) grid pairs =
        let cell = place.Width / float32 grid

        let centre i =
            SKPoint(place.Left + (float32 (i % grid) + 0.5f) * cell, place.Top + (float32 (i / grid) + 0.5f) * cell)

        use lines = new SKPaint(Color = SKColor(255uy, 255uy, 255uy, 70uy), Style = SKPaintStyle.Stroke)

        for i in 1 .. grid - 1 do
            let at = float32 i * cell
            canvas.DrawLine(place.Left + at, place.Top, place.Left + at, place.Bottom, lines)
            canvas.DrawLine(place.Left, place.Top + at, place.Right, place.Top + at, lines)

        let largest = pairs |> List.map (fun (_, _, value) -> abs value) |> List.fold max 0.

        for r, s, value: float in List.rev pairs do
            let width = 1.5f + 6f * float32 (abs value / largest)
            use halo = new SKPaint(Color = SKColors.White, StrokeWidth = width + 2f, IsAntialias = true)

            use paint =
                new SKPaint(Color = (if value > 0. then favour else against), StrokeWidth = width, IsAntialias = true)

            canvas.DrawLine(centre r, centre s, halo)
            canvas.DrawLine(centre r, centre s, paint)
            canvas.DrawCircle(centre r, 0.6f * width + 2f, paint)
            canvas.DrawCircle(centre s, 0.6f * width + 2f, paint)

    let draw
        (title: string, subtitle: string)
        count
        (images: torch.Tensor)
        (captionsOf: string list)
        (all: torch.Tensor)
        =
        let regions = int all.shape[1]
        let grid = int (Math.Round(sqrt (float regions)))
        let numbers = all.detach().cpu().``to``(torch.float64).contiguous().data<float>().ToArray()
        let own = torch.eye (int64 regions, dtype = torch.float64)
        // The matrix of pairs: what cells do alone would outshine them.
        let heats = PictureTable.Heats(all * (torch.ones_like own - own))
        let pair = 2f * side + gap
        let columns = min 2 captionsOf.Length
        let rows = (captionsOf.Length + columns - 1) / columns
        let top = Drawing.Margin + 3f * Drawing.LineHeight
        let width = 2f * Drawing.Margin + float32 columns * (pair + 2f * gap) - 2f * gap
        let height = top + float32 rows * (side + captions + gap) + Drawing.Margin

        Drawing.png (2f * width) (2f * height) (fun canvas ->
            canvas.Scale 2f
            let room = width - 2f * Drawing.Margin

            Drawing.write
                canvas
                Drawing.ink
                Drawing.TitleSize
                (Drawing.Margin, Drawing.Margin + Drawing.TitleSize)
                room
                title

            Drawing.write
                canvas
                Drawing.faint
                12f
                (Drawing.Margin, Drawing.Margin + Drawing.TitleSize + Drawing.LineHeight)
                room
                subtitle

            for i, caption in List.indexed captionsOf do
                let left = Drawing.Margin + float32 (i % columns) * (pair + 2f * gap)
                let upper = top + float32 (i / columns) * (side + captions + gap)
                Drawing.write canvas Drawing.ink 13.5f (left, upper + 13.5f) pair caption
                let place = SKRect.Create(left, upper + 22f, side, side)
                Drawing.pixels canvas images[int64 i] place
                let matrix = Array2D.init regions regions (fun r s -> numbers[(i * regions + r) * regions + s])
                drawPairs canvas place grid (strongest count matrix)
                let beside = SKRect.Create(left + side + gap, upper + 22f, side, side)
                Drawing.pixels canvas heats[int64 i] beside
                Drawing.frame canvas beside)

namespace Attribution

open System.Collections.Generic
open TorchSharp
open Attribution.Pages

/// <summary>Draws interactions of regions.</summary>
[<Sealed; AbstractClass>]
type InteractionPictures =
    /// <summary>Draws, for each image, its strongest pairs of cells as lines between them (red: together for the score, blue: against it;
    /// the wider the stronger), and beside it the matrix of all pairs, cells row by row, what each does alone left out.</summary>
    /// <param name="path">The PNG file.</param>
    /// <param name="title">What it shows.</param>
    /// <param name="subtitle">How it was made.</param>
    /// <param name="pairs">How many pairs are drawn as lines.</param>
    /// <param name="images">n×c×h×w, 0 to white.</param>
    /// <param name="captions">What each image is.</param>
    /// <param name="interactions">n×g²×g², as <see cref="T:Attribution.IntegratedHessians"/> gives them.</param>
    /// <param name="peak">The number that stands for white.</param>
    /// <exception cref="T:Attribution.AttributionException">The file cannot be written.</exception>
    static member Write
        (
            path: string,
            title: string,
            subtitle: string,
            pairs: int,
            images: torch.Tensor,
            captions: IReadOnlyList<string>,
            interactions: torch.Tensor,
            peak: float
        ) : unit =
        use _ = torch.NewDisposeScope()
        let pixels = Drawing.bytes peak images
        (InteractionPicture.draw (title, subtitle) pairs pixels (List.ofSeq captions) interactions).Write path
