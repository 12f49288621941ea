namespace Attribution.Core

open System
open Attribution
open TorchSharp

/// A square that is cut from an image: the image's position, and the first row and column.
type Crop = { Image: int; Top: int; Left: int }

/// <summary>Concepts by recursive activation factorisation: what a layer sees in crops of a class's images, as a few directions of its
/// channels; how much each matters for a score; and where it shows.</summary>
/// <remarks>Fel, Picard, Bethune, Boissin, Vigouroux, Colin, Cadène and Serre, arXiv 2211.10154: A ≈ UW for the channels A of the crops,
/// their means over positions, none negative.</remarks>
[<RequireQualifiedAccess>]
module Craft =
    // From one crop to the next, at most, of a crop's side.
    [<Literal>]
    let private Step = 0.8

    [<Literal>]
    let private Rounds = 200

    /// The first pixels of crops along a side: as few as leave no more than `Step` between them, evenly apart.
    let private starts side crop =
        let last = side - crop
        let count = 1 + int (ceil (float last / (Step * float crop)))

        [
            for i in 0 .. count - 1 -> if count = 1 then 0 else int (round (float (i * last) / float (count - 1)))
        ]

    /// The crops of images of a height and a width, row by row.
    let crops (height: int) (width: int) (crop: int) (image: int) : Crop list = [
        for top, left in List.allPairs (starts height crop) (starts width crop) ->
            { Image = image; Top = top; Left = left }
    ]

    /// Crops of one size (m×c×s×s) of a batch's images, of which `crops` names the positions.
    let cut (crop: int) (crops: Crop list) (x: Tensor) : Tensor =
        torch.stack [|
            for { Image = image; Top = top; Left = left } in crops ->
                x[int64 image].narrow(1L, int64 top, int64 crop).narrow(2L, int64 left, int64 crop)
        |]

    let private resize (size: int64[]) (x: Tensor) =
        torch.nn.functional.interpolate (x, size, mode = torch.InterpolationMode.Bilinear, align_corners = false)

    /// A layer's values (n×channels×rows×columns), none of them negative.
    let private sound (layer: string) (values: Tensor) : Tensor =
        if values.ndim <> 4L then
            fail
                $"Layer '{layer}' has {values.ndim - 1L}-dimensional values of an image, where CRAFT needs channels of rows and columns: name a convolution's activation."

        if Tensor.isAny (values.lt (Number.Of 0.)) then
            fail $"Layer '{layer}' has negative values, which no sum of concepts has: name a layer after a ReLU."

        values

    /// <summary>The channels of all crops of the instances, each the mean over its positions (crops×channels), and the crops. Each
    /// is resized to the size of an image.</summary>
    /// <exception cref="T:Attribution.AttributionException">The layer has no channels with rows and columns, or negative
    /// values.</exception>
    let channels (crop: int) (layer: string) (model: Model) (instances: Instances) : Tensor * Crop list =
        let parts, found = ResizeArray<Tensor>(), ResizeArray<Crop>()
        let keep = Scope.keepHere ()
        let instances = Model.instances model instances
        let size = Model.batchSize Forward model instances

        // The images of a batch as they come, and their crops by so many.
        Instances.iter
            size
            (fun batch ->
                let first = int (batch.Rows[0].item<int64>())
                let height, width = int batch.X.shape[2], int batch.X.shape[3]

                [ 0 .. int batch.X.shape[0] - 1 ]
                |> List.collect (crops height width crop)
                |> List.chunkBySize size
                |> List.iter (fun some ->
                    use _ = torch.NewDisposeScope()
                    let pixels = cut crop some batch.X |> resize batch.X.shape[2..]
                    let values = sound layer (Model.value layer model pixels)
                    parts.Add(keep (values.``to``(torch.float64).mean [| 2L; 3L |]))
                    found.AddRange [ for crop in some -> { crop with Image = first + crop.Image } ]))
            instances

        use _ = torch.NewDisposeScope()
        keep (torch.cat (parts.ToArray())), List.ofSeq found

    /// The coefficients of values at each position: n×channels×rows×columns → n×concepts×rows×columns.
    let private coefficients (w: Tensor) (values: Tensor) =
        let rows = (values.``to`` torch.float64).permute(0L, 2L, 3L, 1L).reshape(-1L, values.shape[1])
        let found = Nmf.coefficients Rounds w rows
        found.reshape(values.shape[0], values.shape[2], values.shape[3], -1L).permute(0L, 3L, 1L, 2L)

    /// <summary>How much of each concept is where in the images: n×concepts×height×width, the coefficients of the layer's values upsampled
    /// bilinearly.</summary>
    /// <param name="w">The concepts (r×channels).</param>
    let maps (w: Tensor) (layer: string) (model: Model) (instances: Instances) : Tensor =
        Model.instances model instances
        |> Instances.map (Model.batchSize Forward model instances) (fun batch ->
            let found = coefficients w (sound layer (Model.value layer model batch.X))
            (resize batch.X.shape[2..] found).``to`` batch.X.dtype)

    /// <summary>The total index of each concept in a quantity, for each instance (n×r): the coefficients U of all its positions are
    /// multiplied with numbers m from 0 to 1, one a concept, and the quantity of g((U ⊙ m) W) varies with them. What flows past the layer
    /// is held fixed.</summary>
    /// <param name="seed">Decides on the numbers.</param>
    /// <param name="designs">N of `Sobol.points`.</param>
    /// <param name="w">The concepts (r×channels).</param>
    let importance
        seed
        designs
        (w: Tensor)
        (quantity: Quantity)
        (layer: string)
        (model: Model)
        (instances: Instances)
        : Tensor =
        let model = Source.model quantity.Source model

        if not (Graph.leads layer model.Graph) then
            fail $"Layer '{layer}' has no influence on layer '{model.Graph.Output}': it does not lead there."

        let cuts = Model.slices [ layer ] model
        let concepts = int w.shape[0]
        let points = Sobol.points seed designs concepts
        let instances = Model.instances model instances
        let size = Model.batchSize Forward model instances

        let ofBatch (batch: Batch) =
            let first, past = cuts.H batch.X
            let z = sound layer (Tensor.readable first.Head)
            let u = coefficients w z
            let read past z = Source.read quantity.Source model (fst (cuts.G past [ z ]))
            let explained = { Rows = batch.Rows; Outputs = lazy (read past first.Head) }
            let counts = Sweep.each (int points.shape[0]) batch
            let scores = ResizeArray<Tensor>()
            let keep = Scope.keepHere ()

            Instances.tile size counts torch.CPU (fun i k ->
                let shown = Sweep.pick i u * (Sweep.pick k points).unsqueeze(2L).unsqueeze 3L
                let there = i.``to`` first.Head.device
                let z = torch.tensordot (shown, w, [| 1L |], [| 0L |])
                let z = (z.permute (0L, 3L, 1L, 2L)).``to``(first.Head.dtype, first.Head.device)
                let outputs = read (List.map (Sweep.pick there) past) z
                let score = quantity.Of (Target.at (i.``to`` batch.Rows.device) explained) outputs
                scores.Add(keep (score.``to`` (torch.float64, torch.CPU))))

            Sobol.totals concepts ((torch.cat (scores.ToArray())).reshape(batch.X.shape[0], -1L))

        Instances.map size (fun batch -> Scope.quietly (fun () -> ofBatch batch)) instances
