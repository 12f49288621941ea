namespace Attribution.Pages

open SkiaSharp
open TorchSharp

/// A small picture (h×w×c bytes), and what stands below it, line by line.
type internal Tile = { Picture: torch.Tensor; Caption: string list }

/// Figures of groups of tiles, at twice the size of a screen's pixels.
[<RequireQualifiedAccess>]
module internal Tiles =
    [<Literal>]
    let private Density = 2f

    [<Literal>]
    let private Apart = 6f

    [<Literal>]
    let private GroupsApart = 26f

    [<Literal>]
    let private GroupTitleSize = 13.5f

    [<Literal>]
    let private CaptionLine = 16f

    /// A picture without words.
    let bare picture = { Picture = picture; Caption = [] }

    let private drawTile canvas (place: SKRect) tile =
        Drawing.pixels canvas tile.Picture place

        for line, text in List.indexed tile.Caption do
            let baseline = place.Bottom + float32 (line + 1) * CaptionLine - 2f
            Drawing.write canvas Drawing.faint 11f (place.Left, baseline) place.Width text

    /// <summary>Draws a figure.</summary>
    /// <param name="heading">What it shows, and of what; None: nothing is said.</param>
    /// <param name="columns">How many groups stand side by side.</param>
    /// <param name="side">A tile's.</param>
    /// <param name="groups">Titles and tiles, of as many tiles each, row by row.</param>
    let draw (heading: (string * string) option) columns (side: float32) (groups: (string * Tile list) list) =
        let edge, head =
            match heading with
            | Some _ -> Drawing.Margin, Drawing.Margin + Drawing.TitleSize + 2f * Drawing.LineHeight
            | None -> 0f, 0f

        let above = if List.forall (fst >> (=) "") groups then 0f else Drawing.LineHeight

        let lines = groups |> Seq.collect snd |> Seq.map _.Caption.Length |> Seq.max
        let count = groups |> List.map (snd >> List.length) |> List.max
        let cellWidth = float32 count * (side + Apart) - Apart
        let cellHeight = above + side + float32 lines * CaptionLine
        let rows = (groups.Length + columns - 1) / columns
        let width = 2f * edge + float32 columns * (cellWidth + GroupsApart) - GroupsApart

        let height = head + float32 rows * (cellHeight + GroupsApart / 2f) - GroupsApart / 2f + edge

        Drawing.png (Density * width) (Density * height) (fun canvas ->
            canvas.Scale Density

            match heading with
            | Some(title, subtitle) ->
                let room, line = width - 2f * edge, edge + Drawing.TitleSize
                Drawing.write canvas Drawing.ink Drawing.TitleSize (edge, line) room title
                Drawing.write canvas Drawing.faint 12f (edge, line + Drawing.LineHeight) room subtitle
            | None -> ()

            for i, (title, tiles) in List.indexed groups do
                let left = edge + float32 (i % columns) * (cellWidth + GroupsApart)
                let top = head + float32 (i / columns) * (cellHeight + GroupsApart / 2f)
                Drawing.write canvas Drawing.ink GroupTitleSize (left, top + GroupTitleSize) cellWidth title

                for k, tile in List.indexed tiles do
                    let place = SKRect.Create(left + float32 k * (side + Apart), top + above, side, side)

                    drawTile canvas place tile)
