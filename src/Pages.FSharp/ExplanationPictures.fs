namespace Attribution

open System
open System.Collections.Generic
open System.IO
open System.Threading
open TorchSharp

/// <summary>Draws the maps of a run of explanations as they are made, a picture an image and method.</summary>
/// <param name="images">The images that are explained.</param>
/// <param name="names">What classes are called.</param>
/// <param name="path">Where a file of a name is written.</param>
/// <param name="loaded">How many images were loaded, so that their numbers are as long in every name.</param>
/// <param name="isShared">Whether all maps of a method are drawn by one scale, which is known when all are made.</param>
/// <param name="cancellation">Stops the work.</param>
[<Sealed>]
type ExplanationPictures
    (
        images: ImageSet,
        names: ClassNames,
        path: Func<string, string>,
        loaded: int,
        isShared: bool,
        cancellation: CancellationToken
    ) =

    let nameOf (method: string) i =
        let number = (images.Position i).ToString().PadLeft(string(loaded - 1).Length, '0')
        path.Invoke $"{method}-{number}.png"

    // What is not finite is nothing in a picture.
    let finite (maps: torch.Tensor) = maps.nan_to_num (0., 0., 0.)

    let draw (method: StudyMethod) predicted scale i image map =
        cancellation.ThrowIfCancellationRequested()
        use _ = torch.NewDisposeScope()

        let truth = if images.HasTrueClasses then Nullable images.TrueClasses[i] else Nullable()

        ExplanationPicture(method.Name, method.Description, images.Title i, names, predicted, truth, scale)
            .Write(nameOf method.Name i, image, map, float images.Peak)

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
