namespace Attribution

open System
open System.Collections.Generic
open System.Globalization
open System.Runtime.InteropServices
open System.Threading
open SkiaSharp
open TorchSharp
open Attribution.Pages

/// An image that an expert is active on: its words, and its pictures (h×w×c bytes).
type internal ExpertRow = { Label: string; Panels: torch.Tensor list }

/// The images of one expert, and the magnitude that their heat maps share.
type internal ExpertColumn = {
    Title: string
    Note: string
    Magnitude: float
    /// What the unit wants to see, where that is asked for.
    Ideal: ExpertRow option
    Rows: ExpertRow list
}

/// <summary>The labelled picture of an expert: the images of its distribution for which it is most active, each with the point
/// cloud of what the expert sees there, x ⊙ ∇ₓ h_i(x), the image seen through it, and the heat map, on a scale that the
/// unit's images share. Beside the expert of a margin stands the opposite margin's: what tells the two sides apart.</summary>
/// <param name="model">The classifier.</param>
/// <param name="images">The images among which the experts were found.</param>
/// <param name="names">What classes are called.</param>
/// <param name="title">What the image at a position is called; null: "image" and its label.</param>
/// <param name="idealSteps">The steps in which images are looked for that a unit wants to see, which stand above the others (see <see
/// cref="T:Attribution.ActivationMaximisation"/>); 0: none are.</param>
/// <param name="seed">Decides on these.</param>
[<Sealed>]
type ExpertPicture
    (
        model: Model,
        images: ImageSet,
        names: ClassNames,
        [<Optional; DefaultParameterValue(null: Func<int, string>)>] title: Func<int, string>,
        [<Optional; DefaultParameterValue(0)>] idealSteps: int,
        [<Optional; DefaultParameterValue(1L)>] seed: int64
    ) =

    let captions = [ "input"; "what it sees"; "input, masked"; "for and against" ]
    let apart, columnsApart, labelSize, barHeight = 6f, 32f, 13f, 10f
    let top = Drawing.Margin + 4.5f * Drawing.LineHeight + Drawing.Gap

    // Whole factors and no smoothing: every pixel of a small image stays a crisp square.
    let panel =
        let least, most = min images.Height images.Width, max images.Height images.Width
        let whole = (128 + least - 1) / least
        let factor = min (float32 whole) (224f / float32 most)
        SKSize(float32 images.Width * factor, float32 images.Height * factor)

    let rowHeight = Drawing.LineHeight + panel.Height + Drawing.Gap
    let columnWidth = float32 captions.Length * (panel.Width + apart) - apart

    let number (format: string) (value: float) = value.ToString(format, CultureInfo.InvariantCulture)

    let titled position = if isNull title then $"image {images.Label position}" else title.Invoke position

    let column
        (expert: ExpertSummary)
        title
        unit
        influence
        share
        (active: IReadOnlyList<ActiveImage>)
        batchSize
        cancellation
        =
        let x = images.Take([| for image in active -> image.Position |]).Images()

        let maps =
            InflDirected(model, expert.Layer, Quantity.Predicted, expert.Units)
                .ExpertAttribution(unit, x, batchSize, cancellation = cancellation)

        let magnitude = (MapScale.Of maps).Magnitude

        let clouds = Drawing.bytes 1. (Visualization.PointCloud(maps, threshold = 0.).unsqueeze 1L)

        let blur = max 1. (float (max images.Height images.Width) / 64.)

        let pictures = [
            Drawing.bytes (float images.Peak) x
            clouds
            Visualization.BinaryMask(x, maps, blur = blur)
            Visualization.HeatMap(x, maps, magnitude)
        ]

        let ideal () =
            use found =
                ActivationMaximisation(model, expert.Layer, unit, expert.Units)
                    .Image(
                        seed,
                        idealSteps,
                        captions.Length,
                        x.shape[1..],
                        float images.Peak,
                        batchSize,
                        cancellation = cancellation
                    )

            let values = found.Reached |> Seq.map (number "G4") |> String.concat ", "
            let pictures = Drawing.bytes (float images.Peak) found.Images

            if found.IsDead then
                { Label = $"wants to see: nothing, the {expert.Noun} stays at 0; {expert.Advice}"; Panels = [] }
            else
                {
                    Label = $"wants to see, from noise in {idealSteps} steps · values {values}"
                    Panels = [ for i in 0L .. pictures.shape[0] - 1L -> pictures[i] ]
                }

        let label (image: ActiveImage) (cloud: torch.Tensor) =
            String.concat " · " [
                titled image.Position
                if images.HasTrueClasses then
                    names[int images.TrueClasses[image.Position]]
                $"""value {number "G4" image.Value}"""
                if not (cloud.any().ToBoolean()) then
                    "nothing seen"
            ]

        {
            Title = title
            Note =
                $"""influence {number "G4" influence} · active on {number "0.0" (100. * share)} %% of the distribution"""
            Magnitude = magnitude
            Ideal = if idealSteps > 0 then Some(ideal ()) else None
            Rows = [
                for i, image in Seq.indexed active ->
                    { Label = label image clouds[int64 i]; Panels = [ for picture in pictures -> picture[int64 i] ] }
            ]
        }

    // A margin's two experts side by side, or one expert's rows in two columns.
    let columns (expert: ExpertSummary) batchSize cancellation =
        let named falling = expert.ClassesOf(falling = falling) |> Seq.map (fun k -> names[k]) |> String.concat " + "

        let over =
            function
            | "", _ -> ""
            | classes, "" -> $": {classes}"
            | classes, others -> $": {classes} over {others}"

        let classes, others = named false, named true

        let first =
            column
                expert
                $"{expert.Noun} {expert.Expert}{over (classes, others)}"
                expert.Expert
                expert.Top[0].Influence
                expert.ActiveShare
                expert.MostActive
                batchSize
                cancellation

        match expert.Opposite with
        | null ->
            first.Rows
            |> List.splitInto 2
            |> List.mapi (fun i rows ->
                if i = 0 then
                    { first with Rows = rows }
                else
                    { first with Title = ""; Note = ""; Ideal = None; Rows = rows })
        | opposite -> [
            first
            column
                expert
                $"{expert.Noun} {opposite.Unit}{over (others, classes)}, the opposite"
                opposite.Unit
                opposite.Influence
                opposite.ActiveShare
                opposite.MostActive
                batchSize
                cancellation
          ]

    let drawColumn canvas left band column =
        let write colour size (x, y) room text = Drawing.write canvas colour size (x, y) room text

        let at k = left + float32 k * (panel.Width + apart)

        write
            Drawing.ink
            (Drawing.TitleSize - 2f)
            (left, top - Drawing.Gap - Drawing.LineHeight)
            columnWidth
            column.Title

        write Drawing.faint Drawing.TextSize (left, top - Drawing.Gap) columnWidth column.Note

        let drawRow line row =
            write Drawing.ink labelSize (left, line + Drawing.TextSize + 2f) columnWidth row.Label

            for k, pixels in List.indexed row.Panels do
                Drawing.pixels canvas pixels (SKRect.Create(SKPoint(at k, line + Drawing.LineHeight), panel))

        Option.iter (drawRow top) column.Ideal

        for i, row in List.indexed column.Rows do
            drawRow (top + band + float32 i * rowHeight) row

        let line = top + band + float32 column.Rows.Length * rowHeight - apart

        for k, caption in List.indexed captions do
            write Drawing.faint labelSize (at k, line + labelSize) panel.Width caption

        let scale = SKRect.Create(at (captions.Length - 1), line + Drawing.LineHeight, panel.Width, barHeight)

        Drawing.colourBar canvas scale
        use font = Drawing.font labelSize
        let largest = MapScale.Number column.Magnitude
        let numbers = scale.Bottom + labelSize + 2f
        write Drawing.ink labelSize (scale.Left, numbers) (panel.Width / 2f) (MapScale.Number -column.Magnitude)
        write Drawing.ink labelSize (scale.Right - font.MeasureText largest, numbers) (panel.Width / 2f) largest

    let settings (expert: ExpertSummary) =
        String.concat " · " [
            $"""distribution {expert.Distribution} ({Words.Count(expert.Instances, "image")})"""
            if not (isNull expert.AroundSettings) then
                $"around: {expert.Around}, {expert.AroundSettings}"
            if expert.TimesActivation then
                "times the activation"
        ]

    let draw (expert: ExpertSummary) batchSize cancellation =
        use _ = torch.NewDisposeScope()
        let columns = columns expert batchSize cancellation
        let rows = columns |> List.map _.Rows.Length |> List.max
        let band = if columns |> List.exists _.Ideal.IsSome then rowHeight else 0f
        let room = 2f * columnWidth + columnsApart
        let heading = if isNull expert.Opposite then "Expert" else "Experts"

        Drawing.png
            (2f * Drawing.Margin + room)
            (top + band + float32 rows * rowHeight + 2f * Drawing.LineHeight + barHeight + Drawing.Margin)
            (fun canvas ->
                let write colour size line text =
                    Drawing.write
                        canvas
                        colour
                        size
                        (Drawing.Margin, Drawing.Margin + Drawing.TitleSize + line)
                        room
                        text

                write Drawing.ink Drawing.TitleSize 0f $"{heading} of layer {expert.Layer} on {expert.Quantity}"
                write Drawing.faint Drawing.TextSize Drawing.LineHeight (settings expert)

                for i, column in List.indexed columns do
                    drawColumn canvas (Drawing.Margin + float32 i * (columnWidth + columnsApart)) band column)

    /// <summary>Draws an expert as a PNG file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="expert">An expert among the images.</param>
    /// <param name="batchSize">Images a pass; null: as many as memory allows.</param>
    /// <param name="cancellation">Stops the work.</param>
    /// <exception cref="T:Attribution.AttributionException">The file cannot be written.</exception>
    member _.Write
        (
            path: string,
            expert: ExpertSummary,
            [<Optional>] batchSize: Nullable<int>,
            [<Optional>] cancellation: CancellationToken
        ) : unit =
        (draw expert batchSize cancellation).Write path

    /// <summary>Draws an expert as the bytes of a PNG file.</summary>
    /// <param name="expert">An expert among the images.</param>
    /// <param name="batchSize">Images a pass; null: as many as memory allows.</param>
    /// <param name="cancellation">Stops the work.</param>
    member _.Draw
        (expert: ExpertSummary, [<Optional>] batchSize: Nullable<int>, [<Optional>] cancellation: CancellationToken)
        : byte[] =
        (draw expert batchSize cancellation).Png
