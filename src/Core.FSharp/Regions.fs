namespace Attribution.Core

open System
open System.Globalization
open Attribution
open TorchSharp

module private Quantities =
    /// A quantity of all numbers of a layer, n×k.
    let ofNumbers layer name f : Quantity = {
        Name = name
        Source = Source.Layer(layer, Units.Each)
        Of = f
        Linear = None
        IsOpaque = false
    }

    /// The first of the explained instances of which something holds.
    let first (explained: Explained) (holds: Tensor) = explained.Rows[holds.cpu().nonzero().[0L, 0L]].item<int64>()

/// Quantities of a network that scores each class at each position (n×k×h×w: a segmentation, a heat map), at the layer of those scores.
[<RequireQualifiedAccess>]
module Region =
    /// n×(k·h·w) as n×k×(h·w).
    let private byPosition (shape: int64[]) (outputs: Tensor) = outputs.reshape (outputs.shape[0], shape[0], -1L)

    let private classOf (shape: int64[]) k =
        if k < 0 || int64 k >= shape[0] then
            fail $"There is no class {k}: the model has {shape[0]} classes, 0 to {shape[0] - 1L}."

        int64 k

    /// <summary>The scores of class k summed over a region, s_k ⊙ m.</summary>
    /// <param name="layer">The layer of the scores.</param>
    /// <param name="shape">k, h, w there.</param>
    /// <param name="masks">1 inside: N×h×w, one for each of all instances, or 1×h×w for all.</param>
    /// <param name="k">The class.</param>
    /// <param name="name">As the command line spells it.</param>
    /// <exception cref="T:Attribution.AttributionException">There is no such class, or the masks have another size.</exception>
    let ofMask (layer: string) (shape: int64[]) (masks: Tensor) (k: int) (name: string) : Quantity =
        let k = classOf shape k

        if masks.shape[1..] <> shape[1..] then
            let size (shape: int64[]) = String.Join("×", shape)
            fail $"The mask has {size masks.shape[1..]} positions, but the scores have {size shape[1..]}."

        let masks = masks.DetachFromDisposeScope()

        Quantities.ofNumbers layer name (fun explained outputs ->
            let own =
                if masks.shape[0] = 1L then masks else masks.index_select (0L, explained.Rows.``to`` masks.device)

            let own = own.flatten(1L).``to``(outputs.dtype, outputs.device)
            ((byPosition shape outputs).select(1L, k) * own).sum 1L)

    /// <summary>The scores of class k summed over where the explained instance is of class k by the largest score; of a
    /// single class, where its score is positive.</summary>
    /// <exception cref="T:Attribution.AttributionException">There is no such class, or an instance is nowhere of it.</exception>
    let ofPredicted (layer: string) (shape: int64[]) (k: int) : Quantity =
        let column = classOf shape k

        Quantities.ofNumbers layer $"region:{k}" (fun explained outputs ->
            let scores = byPosition shape (explained.Outputs.Force())

            let region =
                if shape[0] = 1L then
                    scores.select(1L, 0L).gt(Number.Of 0.)
                else
                    (scores.argmax 1L).eq(Number.Of column)

            let isEmpty = region.any(1L).logical_not()

            if Tensor.isAny isEmpty then
                let row = Quantities.first explained isEmpty

                fail
                    $"Instance {row} is nowhere of class {k}: ask for another class, or give a mask by region:{k}@FILE."

            ((byPosition shape outputs).select(1L, column) * region.``to`` outputs.dtype).sum 1L)

    /// <summary>The score of class k at one position, by its row and column.</summary>
    /// <exception cref="T:Attribution.AttributionException">There is no such class or position.</exception>
    let at (layer: string) (shape: int64[]) (k: int) (place: int64[]) (name: string) : Quantity =
        let column = classOf shape k

        if
            place.Length <> shape.Length - 1
            || Array.exists2 (fun at size -> at < 0L || at >= size) place shape[1..]
        then
            let size = String.Join("×", shape[1..])
            fail $"There is no such position: the scores have {size} positions."

        let flat = Array.fold2 (fun sum at size -> sum * size + at) column place shape[1..]

        {
            Quantities.ofNumbers layer name (fun _ outputs -> outputs.select (1L, flat)) with
                Linear = Some [ int flat, 1. ]
        }

/// How four numbers tell a box.
type BoxFormat =
    /// Left, top, right, bottom.
    | Corners = 0
    /// The centre's column and row, width, height.
    | CentreAndSize = 1
    /// Left, top, width, height.
    | CornerAndSize = 2

/// <summary>Quantities of a network that gives boxes and, for each, scores of classes: n×m×(4 + k), at the layer of them all.</summary>
[<RequireQualifiedAccess>]
module Detection =
    /// n×(m·(4 + k)) as the four numbers of boxes (n×m×4), and scores (n×m×k).
    let private divided (shape: int64[]) (outputs: Tensor) =
        let all = outputs.reshape (outputs.shape[0], shape[0], shape[1])
        all.narrow (2L, 0L, 4L), all.narrow (2L, 4L, shape[1] - 4L)

    /// What an instance's boxes are multiplied with along each side, to be in pixels (n×1): an instance whose numbers are all small
    /// has shares of the image's sides. The explained instance tells, whatever its variations' boxes are.
    let private scaleOf (shape: int64[]) (width: float, height: float) (explained: Explained) =
        let boxes, _ = divided shape (explained.Outputs.Force())
        let areShares = ((boxes.detach ()).abs().amax [| 1L; 2L |]).le(Number.Of 2.).unsqueeze 1L
        let one = torch.ones_like (areShares, boxes.dtype)
        torch.where (areShares, one * Number.Of width, one), torch.where (areShares, one * Number.Of height, one)

    /// Boxes (n×m×4: left, top, right, bottom) in pixels, and scores (n×m×k).
    let private parts (shape: int64[]) (format: BoxFormat) (across: Tensor, down: Tensor) (outputs: Tensor) =
        let boxes, scores = divided shape outputs

        let a, b, c, d =
            boxes.select (2L, 0L), boxes.select (2L, 1L), boxes.select (2L, 2L), boxes.select (2L, 3L)

        let half (t: Tensor) = t / Number.Of 2.

        let corners =
            match format with
            | BoxFormat.CentreAndSize -> [ a - half c; b - half d; Tensor.add a (half c); Tensor.add b (half d) ]
            | BoxFormat.CornerAndSize -> [ a; b; Tensor.add a c; Tensor.add b d ]
            | _ -> [ a; b; c; d ]

        let scaled = corners |> List.mapi (fun i t -> t * (if i % 2 = 0 then across else down))
        torch.stack (scaled, -1L), scores

    /// The intersection of each box (…×4) with another, over their union.
    let private overlap (boxes: Tensor) (other: float[]) =
        let edge i = boxes.select (-1L, int64 i)
        let zero = Number.Of 0.
        let width = (edge 2).clamp_max(Number.Of other[2]) - (edge 0).clamp_min(Number.Of other[0])
        let height = (edge 3).clamp_max(Number.Of other[3]) - (edge 1).clamp_min(Number.Of other[1])
        let both = width.clamp_min zero * height.clamp_min zero
        let area = (edge 2 - edge 0).clamp_min zero * (edge 3 - edge 1).clamp_min zero
        let own = (other[2] - other[0]) * (other[3] - other[1])

        both
        / (Tensor.add area (Number.Of own |> fun own -> torch.full_like (area, own)) - both).clamp_min(Number.Of 1e-12)

    /// The detection of each explained instance that overlaps a box most: n.
    let private nearest parts box (explained: Explained) =
        let boxes, scores = parts (explained.Outputs.Force())
        let overlaps = overlap boxes box
        let struct (most, which) = overlaps.max 1L

        if Tensor.isAny (most.le (Number.Of 0.)) then
            let row = Quantities.first explained (most.le (Number.Of 0.))
            fail $"No detection of instance {row} overlaps the box: give one that is nearer to what the network finds."

        which, scores

    let private text (numbers: float[]) =
        String.Join(",", numbers |> Array.map _.ToString(CultureInfo.InvariantCulture))

    /// The row of each instance's detection: n×m×… → n×….
    let private pick (which: Tensor) (values: Tensor) =
        let index = which.reshape(-1L, 1L, 1L).expand(values.shape[0], 1L, values.shape[2])
        values.gather(1L, index).squeeze 1L

    /// <summary>The score of a class of the detection that overlaps a box most, that detection being the explained instance's.</summary>
    /// <param name="layer">The layer of boxes and scores.</param>
    /// <param name="shape">m, 4 + k.</param>
    /// <param name="format">What its boxes' numbers are.</param>
    /// <param name="size">Width and height of the images, for boxes in shares of them.</param>
    /// <param name="box">Left, top, width, height, in pixels.</param>
    /// <param name="k">The class; null: the one that the detection has the highest score of.</param>
    /// <exception cref="T:Attribution.AttributionException">No detection of an instance overlaps the box.</exception>
    let ofBox layer (shape: int64[]) format (size: float * float) (box: float[]) (k: Nullable<int>) : Quantity =
        let corners = [| box[0]; box[1]; box[0] + box[2]; box[1] + box[3] |]

        if k.HasValue && (k.Value < 0 || int64 k.Value >= shape[1] - 4L) then
            fail $"There is no class {k}: the model has {shape[1] - 4L} classes, 0 to {shape[1] - 5L}."

        let suffix = if k.HasValue then $"@{k}" else ""

        Quantities.ofNumbers layer $"box:{text box}{suffix}" (fun explained outputs ->
            let which, found = nearest (parts shape format (scaleOf shape size explained)) corners explained
            let own = pick which found

            let classes = if k.HasValue then torch.full_like (which, Number.Of(int64 k.Value)) else own.argmax 1L

            (pick which (snd (divided shape outputs))).gather(1L, classes.unsqueeze 1L).squeeze 1L)

    /// <summary>How well the best of all detections agrees with the explained instance's at a box: the largest intersection over union
    /// times cosine of the classes' scores.</summary>
    /// <remarks>Petsiuk et al., arXiv 2006.03204 (D-RISE), the similarity by which masked images are weighed. Where an explained
    /// instance's scores are not all from 0 to 1, their softmax is taken.</remarks>
    let similarity layer (shape: int64[]) format (size: float * float) (box: float[]) : Quantity =
        let corners = [| box[0]; box[1]; box[0] + box[2]; box[1] + box[3] |]

        Quantities.ofNumbers layer $"detection:{text box}" (fun explained outputs ->
            let parts = parts shape format (scaleOf shape size explained)
            let which, found = nearest parts corners explained

            let areShares =
                (found.ge (Number.Of 0.)).logical_and(found.le (Number.Of 1.)).flatten(1L).all(1L).reshape(-1L, 1L, 1L)

            let shares (scores: Tensor) = torch.where (areShares, scores, scores.softmax -1L)
            let own = (pick which (shares found)).unsqueeze 1L
            let boxes, scores = parts outputs
            let scores = shares scores
            let norm (t: Tensor) = (t * t).sum(-1L).sqrt()
            let cosine = (scores * own).sum -1L / (norm scores * norm own).clamp_min(Number.Of 1e-12)
            let struct (best, _) = (overlap boxes corners * cosine).max 1L
            best)
