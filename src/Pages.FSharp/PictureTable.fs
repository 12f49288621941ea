namespace Attribution

open System.Collections.Generic
open System.Runtime.InteropServices
open TorchSharp
open Attribution.Pages

/// <summary>A small picture in a table.</summary>
/// <param name="pixels">h×w×c bytes.</param>
/// <param name="lines">What stands below it.</param>
[<Sealed>]
type PictureTile(pixels: torch.Tensor, [<System.ParamArray>] lines: string[]) =
    member internal _.Tile: Tile = { Picture = pixels; Caption = List.ofArray lines }

/// <summary>Tables of small pictures, in groups with a title each, as PNG files.</summary>
[<Sealed; AbstractClass>]
type PictureTable =
    /// <summary>Images (n×c×h×w, 0 to white) as n×h×w×c bytes.</summary>
    /// <param name="images">The images.</param>
    /// <param name="peak">The number that stands for white.</param>
    static member Images(images: torch.Tensor, [<Optional; DefaultParameterValue(255.)>] peak: float) : torch.Tensor =
        Drawing.bytes peak images

    /// <summary>Maps (n×c×h×w or n×h×w) as point clouds, n×h×w×1 bytes: what is positive, each map by its own maximum.</summary>
    static member Clouds(maps: torch.Tensor) : torch.Tensor =
        use cloud = Visualization.PointCloud(maps, threshold = 0.)
        Drawing.bytes 1. (cloud.unsqueeze 1L)

    /// <summary>Maps (n×h×w) as heat maps on white, n×h×w×3 bytes: red for what is positive, blue for what is negative, each by its own
    /// largest magnitude.</summary>
    static member Heats(maps: torch.Tensor) : torch.Tensor =
        use white = torch.ones (maps.shape[0], 1L, maps.shape[1], maps.shape[2])
        Visualization.HeatMap(white, maps)

    /// <summary>Draws the table.</summary>
    /// <param name="path">The file.</param>
    /// <param name="title">What it shows.</param>
    /// <param name="subtitle">How that was made.</param>
    /// <param name="columns">How many groups stand side by side.</param>
    /// <param name="side">The side of a picture, in points.</param>
    /// <param name="groups">The title of each group, and its pictures: as many in each.</param>
    /// <exception cref="T:Attribution.AttributionException">The file cannot be written.</exception>
    static member Write
        (
            path: string,
            title: string,
            subtitle: string,
            columns: int,
            side: float,
            groups: IEnumerable<KeyValuePair<string, IReadOnlyList<PictureTile>>>
        ) : unit =
        use _ = torch.NewDisposeScope()

        let groups = [ for group in groups -> group.Key, [ for tile in group.Value -> tile.Tile ] ]

        (Tiles.draw (Some(title, subtitle)) columns (float32 side) groups).Write path
