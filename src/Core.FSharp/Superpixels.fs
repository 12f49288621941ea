namespace Attribution.Core

open System
open System.Collections.Generic
open TorchSharp

/// <summary>Superpixels by simple linear iterative clustering (SLIC): neighbouring pixels of like colours.</summary>
/// <remarks>Achanta, Shaji, Smith, Lucchi, Fua and Süsstrunk, IEEE Transactions on Pattern Analysis and Machine Intelligence 34(11),
/// 2012. Colours are compared in the image's own channels, its range taken for 100, in place of CIELAB, after a blur of 0.8 pixels that
/// takes the grain off. Pieces of less than a quarter of a cluster are given to those beside them by seeded region growing: Adams and
/// Bischof, IEEE Transactions on Pattern Analysis and Machine Intelligence 16(6), 1994.</remarks>
[<RequireQualifiedAccess>]
module Superpixels =
    /// How far a colour may differ (of 100) for each step between clusters.
    [<Literal>]
    let private Compactness = 15.

    [<Literal>]
    let private Grain = 0.8

    [<Literal>]
    let private Rounds = 10

    /// A cluster's place and colours.
    type private Cluster = { Row: float; Column: float; Colours: float[] }

    let private mean (colours: float[][]) width (members: int seq) =
        let members = Array.ofSeq members
        let average f = members |> Array.averageBy f

        {
            Row = average (fun p -> float (p / width))
            Column = average (fun p -> float (p % width))
            Colours = colours |> Array.map (fun channel -> average (fun p -> channel[p]))
        }

    /// The mean square difference of a pixel's colours from these.
    let private difference (colours: float[][]) p (others: float[]) =
        let mutable sum = 0.

        for channel in 0 .. others.Length - 1 do
            sum <- sum + pown (colours[channel][p] - others[channel]) 2

        sum / float others.Length

    /// Of each pixel the nearest of the clusters within a step of it.
    let private assign (colours: float[][]) height width step (clusters: Cluster[]) : int[] =
        let nearest, label =
            Array.create (height * width) Double.PositiveInfinity, Array.zeroCreate (height * width)

        let weight = (Compactness / step) ** 2.

        for i, cluster in Array.indexed clusters do
            let from centre = max 0 (int (floor (centre - step)))
            let until centre size = min (size - 1) (int (ceil (centre + step)))

            for row in from cluster.Row .. until cluster.Row height do
                for column in from cluster.Column .. until cluster.Column width do
                    let p = row * width + column
                    let place = pown (float row - cluster.Row) 2 + pown (float column - cluster.Column) 2
                    let distance = difference colours p cluster.Colours + weight * place

                    if distance < nearest[p] then
                        nearest[p] <- distance
                        label[p] <- i

        label

    /// The pixels that share a side with p.
    let private beside height width (p: int) = [
        if p % width > 0 then
            p - 1
        if p % width < width - 1 then
            p + 1
        if p >= width then
            p - width
        if p < (height - 1) * width then
            p + width
    ]

    /// The pieces of each label.
    let private pieces height width (label: int[]) : int[] list =
        let isFound = Array.create label.Length false

        let piece start =
            let found = ResizeArray [ start ]
            isFound[start] <- true
            let mutable i = 0

            while i < found.Count do
                for q in beside height width found[i] do
                    if not isFound[q] && label[q] = label[start] then
                        isFound[q] <- true
                        found.Add q

                i <- i + 1

            found.ToArray()

        // Lazily: each piece found marks the pixels that begin none.
        seq { 0 .. label.Length - 1 } |> Seq.filter (fun p -> not isFound[p]) |> Seq.map piece |> List.ofSeq

    /// The same with each label in one piece: the pixels of pieces that are smaller than asked go to those beside them, the likest
    /// first. Numbered from 0, by their first pixels.
    let private connect (colours: float[][]) height width smallest (label: int[]) : int64[] =
        let all = pieces height width label
        let smallest = all |> Seq.map Array.length |> Seq.max |> min smallest
        let kept = all |> Seq.filter (fun piece -> piece.Length >= smallest) |> Array.ofSeq
        let means = kept |> Array.map (fun piece -> (mean colours width piece).Colours)
        let found = Array.create label.Length -1
        let waiting = PriorityQueue<struct (int * int), struct (float * int * int)>()

        let take p i =
            found[p] <- i

            for q in beside height width p do
                if found[q] < 0 then
                    waiting.Enqueue(struct (q, i), struct (difference colours q means[i], q, i))

        for i, piece in Array.indexed kept do
            for p in piece do
                found[p] <- i

        for i, piece in Array.indexed kept do
            for p in piece do
                take p i

        while waiting.Count > 0 do
            let struct (p, i) = waiting.Dequeue()

            if found[p] < 0 then
                take p i

        let number = found |> Array.distinct |> Seq.mapi (fun n i -> i, int64 n) |> dict
        found |> Array.map (fun i -> number[i])

    let private ofImage (count: int) height width (colours: float[][]) : int64[] =
        let step = sqrt (float (height * width) / float count)
        let along size = max 1 (int (Math.Round(float size / step)))
        let rows, columns = along height, along width
        let middle i size parts = (float i + 0.5) * float size / float parts - 0.5

        let start = [|
            for i in 0 .. rows - 1 do
                for j in 0 .. columns - 1 do
                    let row, column = middle i height rows, middle j width columns
                    let p = int (Math.Round row) * width + int (Math.Round column)
                    { Row = row; Column = column; Colours = colours |> Array.map (fun channel -> channel[p]) }
        |]

        let better (clusters: Cluster[], _) =
            let label = assign colours height width (2. * step) clusters

            let members =
                Array.indexed label |> Array.groupBy snd |> Array.map (fun (i, some) -> i, Array.map fst some)

            let moved = Array.copy clusters

            for i, some in members do
                moved[i] <- mean colours width some

            moved, label

        let _, label = Seq.fold (fun found _ -> better found) (start, [||]) [ 1..Rounds ]
        connect colours height width (height * width / (4 * start.Length)) label

    /// <summary>About so many superpixels of each image: n×c×h×w → n×h×w, numbered from 0 in each (int64).</summary>
    /// <exception cref="T:System.ArgumentException">x holds no images, or less than 1 is asked for.</exception>
    let slic (count: int) (x: Tensor) : Tensor =
        Tensor.requireDims "x" [ 4 ] x

        if count < 1 then
            invalidArg "count" $"There is at least 1 superpixel, but {count} were asked for."

        let channels, height, width = int x.shape[1], int x.shape[2], int x.shape[3]
        let blurred = Scope.runQuietly (fun () -> Blur.gaussian Grain (x.detach().cpu().``to`` torch.float64))
        let all = Tensor.toArray<float> blurred
        blurred.Dispose()

        let labels (image: float[]) =
            let range = Array.max image - Array.min image
            let scale = if range > 0. then 100. / range else 0.

            // In steps far above rounding: on a flat ground clusters tie, and rounding is each processor's own.
            image
            |> Array.map (fun v -> Math.Round(v * scale, 6))
            |> Array.chunkBySize (height * width)
            |> ofImage count height width

        let each = all |> Array.chunkBySize (channels * height * width) |> Array.collect labels
        torch.tensor(each).reshape(x.shape[0], x.shape[2], x.shape[3]).``to`` x.device
