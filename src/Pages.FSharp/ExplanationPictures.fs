namespace Attribution

open System
open System.Collections.Generic
open System.IO
open System.Runtime.InteropServices
open System.Threading
open TorchSharp

/// <summary>Draws the maps of a run of explanations as they are made, a picture an image and method.</summary>
/// <param name="images">The images that are explained.</param>
/// <param name="names">What classes are called.</param>
/// <param name="path">Where a file of a name is written.</param>
/// <param name="loaded">How many images were loaded, so that their numbers are as long in every name.</param>
/// <param name="isShared">Whether all maps of a method are drawn by one scale, which is known when all are made.</param>
/// <param name="cancellation">Stops the work.</param>
/// <param name="regionOf">What part of an image (c×h×w) was asked about, h×w, or null; null: of none.</param>
[<Sealed>]
type ExplanationPictures
    (
        images: ImageSet,
        names: ClassNames,
        path: Func<string, string>,
        loaded: int,
        isShared: bool,
        cancellation: CancellationToken,
        [<Optional; DefaultParameterValue(null: Func<torch.Tensor, torch.Tensor>)>] regionOf:
            Func<torch.Tensor, torch.Tensor>
    ) =

    let nameOf (method: string) i =
        let number = (images.Position i).ToString().PadLeft(string(loaded - 1).Length, '0')
        path.Invoke $"{method}-{number}.png"

    // What is not finite is nothing in a picture.
    let finite (maps: torch.Tensor) = maps.nan_to_num (0., 0., 0.)

    // The slices of a volume, …×(d·h)×w, side by side in about as many rows as columns.
    let spread (t: torch.Tensor) =
        if images.Depth = 1 then
            t
        else
            let depth = int64 images.Depth
            let height, width = t.shape[int t.ndim - 2] / depth, t.shape[int t.ndim - 1]
            let across = int64 (ceil (sqrt (float depth)))
            let down = (depth + across - 1L) / across
            let slices = t.reshape (-1L, depth, height, width)
            let filled = torch.nn.functional.pad (slices, [| 0L; 0L; 0L; 0L; 0L; down * across - depth |])
            let grid = filled.reshape(-1L, down, across, height, width).permute(0L, 1L, 3L, 2L, 4L)
            grid.reshape [| yield! t.shape[.. int t.ndim - 3]; down * height; across * width |]

    let draw (method: StudyMethod) predicted scale i image map =
        cancellation.ThrowIfCancellationRequested()
        use _ = torch.NewDisposeScope()

        let truth = if images.HasTrueClasses then Nullable images.TrueClasses[i] else Nullable()

        let region = if isNull regionOf then null else regionOf.Invoke image
        // The class of a whole image is not what was asked about.
        let truth = if isNull region then truth else Nullable()
        let path = nameOf method.Name i

        if images.Height = 1 then
            let known = if truth.HasValue then $"true: {names[int truth.Value]}   " else ""

            FeaturePicture(
                method.Name,
                method.Description,
                images.Title i,
                $"{known}predicted: {names[int predicted]}",
                images.Features
            )
                .Write(path, image, map)
        else
            ExplanationPicture(method.Name, method.Description, images.Title i, names, predicted, truth, scale, region)
                .Write(path, spread image, spread map, float images.Peak)

    /// <summary>Draws the maps of a part of the images, where each has its own scale.</summary>
    /// <param name="part">The maps.</param>
    /// <exception cref="T:Attribution.AttributionException">A file cannot be written.</exception>
    member _.Draw(part: PartOfMaps) : unit =
        if not isShared then
            use maps = finite part.Maps

            for k in 0 .. part.PredictedClasses.Count - 1 do
                draw part.Method part.PredictedClasses[k] null (part.Start + k) part.X[int64 k] maps[int64 k]

    /// <summary>Draws what waited for all maps, and deletes the pictures of methods that failed.</summary>
    /// <param name="found">The explanations.</param>
    /// <param name="asked">The names of the methods that were run.</param>
    /// <param name="fileOf">The file of a method's maps.</param>
    /// <returns>The number of pictures.</returns>
    /// <exception cref="T:Attribution.AttributionException">A file cannot be written.</exception>
    member _.Finish(found: Explanations, asked: IEnumerable<string>, fileOf: Func<string, string>) : int =
        let sound = [ for method in found.Methods -> method.Name ]

        for method in Seq.except sound asked do
            for i in 0 .. images.Count - 1 do
                File.Delete(nameOf method i)

        if isShared then
            for method in found.Methods do
                use _ = torch.NewDisposeScope()
                use file = NpzFile.Open(fileOf.Invoke method.Name)
                let maps = finite (file.Read "pixels")
                let scale = MapScale.Of maps

                for i in 0 .. images.Count - 1 do
                    use image = images.Images(Range(Index i, Index(i + 1)))
                    draw method found.PredictedClasses[i] scale i image[0L] maps[int64 i]

        images.Count * sound.Length
