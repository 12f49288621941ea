namespace Attribution.Core

open System
open System.Collections.Generic
open TorchSharp

/// <summary>Superpixels by simple linear iterative clustering (SLIC): neighbouring pixels of like colours.</summary>
/// <remarks>Achanta, Shaji, Smith, Lucchi, Fua and Süsstrunk, IEEE Transactions on Pattern Analysis and Machine Intelligence 34(11),
/// 2012. Colours are compared in the image's own channels, its range taken for 100, in place of CIELAB, after a blur of 0.8 pixels that
/// takes the grain off.</remarks>
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
                    let mutable distance = 0.

                    for channel in 0 .. colours.Length - 1 do
                        distance <- distance + pown (colours[channel][p] - cluster.Colours[channel]) 2

                    distance <- distance / float colours.Length
                    let place = pown (float row - cluster.Row) 2 + pown (float column - cluster.Column) 2
                    let distance = distance + weight * place

                    if distance < nearest[p] then
                        nearest[p] <- distance
                        label[p] <- i

        label

    /// The same with each label in one piece: pieces of less than a quarter of a cluster go to a neighbour's. Numbered from 0, by
    /// their first pixels.
    let private connect height width smallest (label: int[]) : int64[] =
        let found = Array.create (height * width) -1L
        let mutable count = 0L

        let neighbours (p: int) = [
            if p % width > 0 then
                p - 1
            if p % width < width - 1 then
                p + 1
            if p >= width then
                p - width
            if p < (height - 1) * width then
                p + width
        ]

        for start in 0 .. height * width - 1 do
            if found[start] < 0L then
                let piece, waiting = ResizeArray<int>(), Queue<int>()
                found[start] <- count
                waiting.Enqueue start

                while waiting.Count > 0 do
                    let p = waiting.Dequeue()
                    piece.Add p

                    for q in neighbours p do
                        if found[q] < 0L && label[q] = label[start] then
                            found[q] <- count
                            waiting.Enqueue q

                let beside = neighbours start |> List.filter (fun q -> found[q] >= 0L && found[q] <> count)

                match beside with
                | q :: _ when piece.Count < smallest ->
                    for p in piece do
                        found[p] <- found[q]
                | _ -> count <- count + 1L

        found

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
        connect height width (height * width / (4 * start.Length)) label

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

            image
            |> Array.map (fun v -> v * scale)
            |> Array.chunkBySize (height * width)
            |> ofImage count height width

        let each = all |> Array.chunkBySize (channels * height * width) |> Array.collect labels
        torch.tensor(each).reshape(x.shape[0], x.shape[2], x.shape[3]).``to`` x.device
