namespace Attribution.Pages

open System
open System.Globalization
open ScottPlot
open ScottPlot.Rendering.RenderActions
open SkiaSharp
open Attribution

/// An axis: what it is of, the numbers at its ends, and what is written along it; None: round numbers.
type internal Axis = { Label: string; From: float; To: float; Ticks: (float * string) list option }

/// How a curve looks; its marker tells it apart where its colour does not.
type internal Stroke = { Colour: Color; Width: float32; Marker: MarkerShape; Pattern: LinePattern }

/// Axes, and what is drawn between them.
type internal Panel = { Title: string; X: Axis; Y: Axis; Marks: (Plot -> unit) list }

/// Figures of panels under one title and one legend, at twice the size of a screen's pixels.
[<RequireQualifiedAccess>]
module internal Charts =
    [<Literal>]
    let private Density = 2f

    [<Literal>]
    let private TextSize = 12f

    [<Literal>]
    let private TickSize = 11f

    let private axisColour = Color.FromHex "#9aa2ab"
    let private gridColour = Color.FromHex "#e4e7eb"

    // Room around a panel's frame: beside y's names, the end of x's last number, the numbers and the label of x, a title.
    let private margins left = PixelPadding(left, 18f, 50f, 26f)

    /// Colours that people with any colour vision can tell apart, on white: Okabe and Ito, "Color Universal Design", 2008;
    /// without their yellow and sky blue, too light for lines.
    let palette = [| "#0072b2"; "#cc79a7"; "#d55e00"; "#009e73"; "#e69f00" |] |> Array.map Color.FromHex

    /// What is there to compare with: a dark dashed line.
    let reference = {
        Colour = Color.FromSKColor Drawing.ink
        Width = 1.3f
        Marker = MarkerShape.None
        Pattern = LinePattern.Dashed
    }

    let private markers = [|
        MarkerShape.FilledCircle
        MarkerShape.FilledDiamond
        MarkerShape.FilledSquare
        MarkerShape.FilledTriangleUp
    |]

    /// The look of the i-th curve of several.
    let stroke i = {
        Colour = palette[i % palette.Length]
        Width = 2.2f
        Marker = markers[i % markers.Length]
        Pattern = LinePattern.Solid
    }

    /// The same without markers.
    let bare stroke = { stroke with Marker = MarkerShape.None }

    /// A thin line of its colour, to stay in the background.
    let faint stroke = bare { stroke with Colour = stroke.Colour.WithAlpha 0x38uy; Width = 1f }

    /// A curve through points in the order of x; those that are not finite leave a gap.
    let curve stroke (points: (float * float) seq) (plot: Plot) =
        let x, y = points |> Array.ofSeq |> Array.unzip

        let drawn = plot.Add.Scatter(x, Array.map (fun v -> if Double.IsFinite v then v else nan) y)

        drawn.Color <- stroke.Colour
        drawn.LineWidth <- stroke.Width
        drawn.LinePattern <- stroke.Pattern
        drawn.MarkerShape <- stroke.Marker
        drawn.MarkerSize <- 7.5f

    /// A level line from one end of the panel to the other.
    let level stroke y (plot: Plot) =
        let drawn = plot.Add.HorizontalLine(y, stroke.Width, stroke.Colour)
        drawn.LinePattern <- stroke.Pattern

    /// A point along x and an interval about it.
    let interval stroke y (low, value, high) (plot: Plot) =
        curve (bare stroke) [ low, y; high, y ] plot
        curve stroke [ value, y ] plot

    /// Small faint points along x.
    let dots stroke y (values: float seq) (plot: Plot) =
        for value in values do
            if Double.IsFinite value then
                plot.Add.Marker(value, y, MarkerShape.FilledCircle, 4f, stroke.Colour.WithAlpha 0x70uy) |> ignore

    /// A box plot along x: the quartiles, the median, whiskers to the last number within one and a half times the box's
    /// length, and those beyond as points.
    let box (colour: Color) y (box: BoxPlot) (plot: Plot) =
        let line colour width (x1, y1) (x2, y2) = plot.Add.Line(x1, y1, x2, y2).LineStyle <- LineStyle(width, colour)

        // ScottPlot has no box that lies along x.
        let low, high = y - 0.3, y + 0.3
        let frame = plot.Add.Rectangle(box.Lower, box.Upper, low, high)
        frame.FillColor <- colour.WithAlpha 0x38uy
        frame.LineStyle <- LineStyle(1.2f, colour)
        line colour 1.2f (box.Least, y) (box.Lower, y)
        line colour 1.2f (box.Upper, y) (box.Most, y)
        line reference.Colour 2f (box.Median, low) (box.Median, high)

        for beyond in box.Beyond do
            plot.Add.Marker(beyond, y, MarkerShape.FilledCircle, 3.2f, colour.WithAlpha 0x38uy) |> ignore

    /// The numbers of an axis, as few decimals as they need.
    let number (value: float) =
        (Math.Round(value, 12)).ToString("0.######", CultureInfo.InvariantCulture).Replace('-', '−')

    /// An axis with round numbers.
    let linear label from upto = {
        Label = label
        From = from
        To = if upto > from then upto else from + 1.
        Ticks = None
    }

    /// An axis of what has names, from below to above.
    let named names = {
        Label = ""
        From = -0.7
        To = float (List.length names) - 0.3
        Ticks = Some [ for i, name in List.indexed names -> float i, name ]
    }

    /// Whole numbers at their logarithms, which is where curves over them have their points.
    let logarithmic label (numbers: int seq) = {
        Label = label
        From = log (float (Seq.min numbers) / 1.2)
        To = log (float (Seq.max numbers) * 1.2)
        Ticks = Some [ for n in numbers -> log (float n), n.ToString CultureInfo.InvariantCulture ]
    }

    // The last text says how many there are; the others stand where there is room.
    let private thinned (width: float32) (axis: Axis) ticks =
        use font = Drawing.font TickSize

        let place at = width * float32 ((at - axis.From) / (axis.To - axis.From))

        let ends (at, text) =
            place at - font.MeasureText(text: string) / 2f - 3f, place at + font.MeasureText text / 2f + 3f

        let isApart tick other = snd (ends tick) <= fst (ends other) || snd (ends other) <= fst (ends tick)

        let add kept tick = if List.forall (isApart tick) kept then tick :: kept else kept

        let last = List.last ticks
        ticks |> List.filter ((<>) last) |> List.fold add [ last ]

    let private setTicks (axis: IAxis) ticks =
        match ticks with
        | Some ticks -> axis.SetTicks(ticks |> List.map fst |> Array.ofList, ticks |> List.map snd |> Array.ofList)
        | None ->
            axis.TickGenerator <-
                TickGenerators.NumericAutomatic(
                    LabelFormatter = number,
                    MinorTickGenerator = TickGenerators.EvenlySpacedMinorTickGenerator 1.
                )

    let private render (canvas: SKCanvas) (place: SKRect) (margins: PixelPadding) (fill: Plot -> unit) =
        use plot = new Plot()
        // It would clear what else is drawn.
        plot.RenderManager.RenderActions.RemoveAll(fun action -> action :? ClearCanvas) |> ignore

        plot.Layout.Fixed margins
        fill plot
        plot.Render(canvas, PixelRect(place.Left, place.Right, place.Bottom, place.Top))

    let private fill panel width (plot: Plot) =
        let write (label: LabelStyle) =
            label.Font <- Drawing.typeface
            label.FontSize <- TickSize
            label.Bold <- false
            label.ForeColor <- Color.FromSKColor Drawing.faint

        for axis: IAxis in [ plot.Axes.Left :> IAxis; plot.Axes.Bottom ] do
            write axis.TickLabelStyle
            axis.MinorTickStyle.Length <- 0f
            axis.FrameLineStyle.Color <- axisColour
            axis.MajorTickStyle.Color <- axisColour

        // A line of text is centred with its room below, which names have little of.
        plot.Axes.Left.TickLabelStyle.OffsetY <- 2f
        plot.Axes.Left.FrameLineStyle.Width <- 0f
        plot.Axes.Left.MajorTickStyle.Length <- 0f
        plot.Axes.Right.IsVisible <- false
        plot.Axes.Top.IsVisible <- false
        plot.Grid.XAxisStyle.IsVisible <- false
        plot.Grid.YAxisStyle.MajorLineStyle.Color <- gridColour
        setTicks plot.Axes.Left panel.Y.Ticks
        setTicks plot.Axes.Bottom (Option.map (thinned width panel.X) panel.X.Ticks)
        plot.Axes.Bottom.Label.Text <- panel.X.Label
        write plot.Axes.Bottom.Label

        for mark in panel.Marks do
            mark plot

        plot.Axes.SetLimits(panel.X.From, panel.X.To, panel.Y.From, panel.Y.To)

    let private legend (canvas: SKCanvas) (left, baseline) (entries: (string * Stroke) list) =
        (left, entries)
        ||> List.fold (fun left (name, stroke) ->
            let sample (plot: Plot) =
                plot.HideAxesAndGrid()
                interval stroke 0. (-1., 0., 1.) plot
                plot.Axes.SetLimits(-1., 1., -1., 1.)

            render canvas (SKRect.Create(left, baseline - 12f, 26f, 16f)) (PixelPadding 0f) sample

            left + 55f + Drawing.text canvas Drawing.ink TextSize (left + 33f, baseline) Single.MaxValue name)
        |> ignore

    /// <summary>Draws a figure.</summary>
    /// <param name="title">What it shows, and of what.</param>
    /// <param name="entries">What its curves are.</param>
    /// <param name="columns">How many panels stand side by side.</param>
    /// <param name="left">The room for what stands at the ticks of y.</param>
    /// <param name="frame">The width and height of a panel inside its axes.</param>
    /// <param name="note">What stands below the panels; "": nothing.</param>
    /// <param name="panels">The panels, row by row.</param>
    let draw (title: string, subtitle: string) entries columns left (frame: SKSize) note (panels: Panel list) =
        let around = margins left

        let cell = SKSize(frame.Width + around.Horizontal, frame.Height + around.Vertical)

        let head, foot = (if title = "" then 0f else 105f), if note = "" then 12f else 36f
        let rows = (panels.Length + columns - 1) / columns
        let margin = if title = "" then 0f else 24f

        let width, height = 2f * margin + float32 columns * cell.Width, head + float32 rows * cell.Height + foot

        Drawing.png (Density * width) (Density * height) (fun canvas ->
            canvas.Scale Density

            let room = width - 2f * margin
            Drawing.write canvas Drawing.ink 17f (margin, 41f) room title
            Drawing.write canvas Drawing.faint TextSize (margin, 63f) room subtitle
            legend canvas (margin, 89f) entries

            for i, panel in List.indexed panels do
                let x = margin + float32 (i % columns) * cell.Width
                let y = head + float32 (i / columns) * cell.Height
                render canvas (SKRect.Create(SKPoint(x, y), cell)) around (fill panel frame.Width)
                Drawing.write canvas Drawing.ink 13.5f (x + left, y + 16f) (frame.Width + around.Right) panel.Title

            Drawing.write canvas Drawing.faint TextSize (margin, height - 12f) room note)
