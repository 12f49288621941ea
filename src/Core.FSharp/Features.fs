namespace Attribution.Core

open System
open TorchSharp

/// What is hidden and shown as one: `Of` gives each number of a batch's instances the feature that it belongs to, counted from 0 in
/// each instance (int64): n×1×h×w for images, and of the instances' shape where channels are told apart.
[<NoComparison; NoEquality>]
type Features = { Name: string; Of: Batch -> Tensor }

/// <summary>Features of instances: what methods that hide and show parts take for a part.</summary>
[<RequireQualifiedAccess>]
module Features =
    /// About as many superpixels, or parts, an instance has where nobody says.
    [<Literal>]
    let Usual = 50

    /// The dimensions of positions: all but channels.
    let private sides (x: Tensor) = if x.ndim = 2L then x.shape[1..] else x.shape[2..]

    /// Labels of positions as of a batch: n×1×….
    let private laid (x: Tensor) (labels: Tensor) : Tensor =
        let labels = if x.ndim = 2L then labels else labels.unsqueeze 1L
        labels.expand(Array.append [| x.shape[0] |] labels.shape[1..]).``to`` x.device

    let private cells (counts: int64[]) (sides: int64[]) : Tensor =
        let shapeAlong axis = [| for i in 0 .. sides.Length - 1 -> if i = axis then sides[axis] else 1L |]

        Array.zip sides counts
        |> Array.mapi (fun axis (side, count) ->
            let count = min side count
            (torch.tensor [| for p in 0L .. side - 1L -> p * count / side |]).reshape(shapeAlong axis), count)
        |> Array.reduce (fun (all, inAll) (next, count) -> Tensor.add (all * Number.Of count) next, inAll * count)
        |> fst
        |> _.unsqueeze(0L)

    /// <summary>A grid of as many cells along each side: of images, signals and volumes; of tables runs of neighbours.</summary>
    /// <exception cref="T:System.ArgumentException">There is less than one cell.</exception>
    let grid (count: int) : Features =
        if count < 1 then
            invalidArg "count" $"A grid has at least 1 cell along each side, but {count} were asked for."

        {
            Name = $"grid:{count}"
            Of =
                fun batch ->
                    let sides = sides batch.X in laid batch.X (cells (Array.create sides.Length (int64 count)) sides)
        }

    /// Each position a feature of its own: a pixel with all its channels, or a number of a table.
    let each: Features = {
        Name = "each"
        Of = fun batch -> let sides = sides batch.X in laid batch.X (cells sides sides)
    }

    /// <summary>About so many superpixels of each image.</summary>
    let superpixels (count: int) : Features = {
        Name = $"superpixels:{count}"
        Of =
            fun batch ->
                Images.require "Superpixels are" batch.X
                laid batch.X (Superpixels.slic count batch.X)
    }

    /// About 50: superpixels of images, a grid of what has no colours, and of a table each number while these are as few.
    let usual: Features = {
        Name = "usual"
        Of =
            fun batch ->
                match batch.X.ndim with
                | 4L -> (superpixels Usual).Of batch
                | dimensions ->
                    let sides = max 1. (float dimensions - 2.)
                    (grid (int (Math.Round(float Usual ** (1. / sides))))).Of batch
    }

    /// Labels as numbers from 0, without gaps, in each row.
    let private numbered (labels: Tensor) : Tensor =
        let row (labels: Tensor) =
            let struct (_, place, _) = labels.unique (return_inverse = true)
            place.reshape labels.shape

        torch.stack [| for i in 0L .. labels.shape[0] - 1L -> row labels[i] |]

    /// <summary>Labels that are given, any whole numbers: h×w for all instances, or n×h×w (n×1×h×w), one for each of all by its id; c×h×w
    /// and n×c×h×w tell channels apart.</summary>
    let given (labels: Tensor) : Features =
        // Its own copy, whatever scope is open.
        let labels = labels.detach().cpu().``to``(torch.int64).clone().DetachFromDisposeScope()

        let ofBatch (batch: Batch) =
            let x = batch.X
            let sides, own = sides x, x.shape[1..]

            let fits =
                match labels.shape with
                | shape when shape = sides || shape = own -> Some(labels.unsqueeze 0L)
                | shape when shape.Length > 1 && (shape[1..] = sides || shape[1..] = own) -> Some labels
                | shape when shape.Length > 2 && shape[1] = 1L && shape[2..] = sides -> Some(labels.squeeze 1L)
                | shape when shape.Length = own.Length && shape[0] = 1L && shape[1..] = sides -> Some labels
                | shape when shape.Length = own.Length && Array.forall2 (fun a b -> a = b || a = 1L) shape own ->
                    Some((labels.expand own).unsqueeze 0L)
                | _ -> None

            match fits with
            | None ->
                invalidArg
                    "features"
                    $"The features have the shape {Tensor.shapeText labels.shape}, which fits no instances of {Tensor.shapeText own}: give a whole number for each of {Tensor.shapeText sides}, the same for all instances or one set for each."
            | Some all ->
                let last = if all.shape[0] = 1L then 0L else Array.max batch.Ids

                if last >= all.shape[0] then
                    fail
                        $"Features were given of {all.shape[0]} instances, but there is an instance {last}: give one set of them for each instance."

                let some = if all.shape[0] = 1L then all else Sweep.pick (torch.tensor batch.Ids) all

                if some.shape[1..] = own && x.ndim > 2L then
                    (numbered some).expand(x.shape).``to`` x.device
                else
                    laid x (numbered some)

        { Name = "given"; Of = ofBatch }

    /// How many features each instance has, by its labels.
    let internal sizes (labels: Tensor) : int64[] =
        Tensor.toArray<int64>(labels.flatten(1L).amax [| 1L |]) |> Array.map ((+) 1L)

    /// Numbers of features (n×M) as maps of instances x with such labels: n×h×w, or of x's shape where labels tell channels apart.
    let internal spread (labels: Tensor) (x: Tensor) (found: Tensor) : Tensor =
        let map = found.``to``(x.device).gather(1L, labels.flatten 1L).reshape(labels.shape).``to`` x.dtype
        if x.ndim > 2L && map.shape[1] = 1L then map.squeeze 1L else map

    /// Every number a feature of its own.
    let numbers: Features = {
        Name = "numbers"
        Of =
            fun batch ->
                let shape = batch.X.shape
                let each = (Number.Range(0L, Array.fold (*) 1L shape[1..], batch.X.device)).reshape shape[1..]
                each.expand shape
    }

    /// The number of features of the first of the instances.
    let count (features: Features) (instances: Instances) : int64 =
        if instances.Count = 0 then
            0L
        else
            use _ = torch.NewDisposeScope()
            (sizes (features.Of(Instances.read instances 0 1)))[0]
