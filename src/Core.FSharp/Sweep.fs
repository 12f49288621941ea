namespace Attribution.Core

open TorchSharp

/// <summary>The two primitives that carry every method and metric which looks at more than the instances themselves: scores at
/// points around each instance, and a mean of gradients there. They own batching: points of all instances share full
/// passes, as large as memory allows, and outside a derivative nothing is recorded.</summary>
/// <remarks>Points are asked for as `points i k`: two int64 vectors of m positions in the batch and steps, for which it gives m×….
/// A function of one step for all instances takes i as it comes.</remarks>
/// <example><code>
/// // What the target gives at x, x/2 and 0.
/// let shades (target: Target) (batch: Batch) =
///     let share = torch.tensor [| 1.; 0.5; 0. |]
///     let points i k = Sweep.pick i batch.X * Tensor.likeInstances batch.X (Sweep.pick k share)
///     Sweep.scores (Sweep.each 3 batch) points target batch
/// </code></example>
[<RequireQualifiedAccess>]
module Sweep =
    /// The rows of some positions.
    let pick (positions: Tensor) (t: Tensor) = t.index_select (0L, positions)

    /// As many points for each instance.
    let each (count: int) (batch: Batch) : int64[] = Array.create (int batch.X.shape[0]) (int64 count)

    /// Some numbers of pairs, pair after pair, as n×K: 0 where an instance has fewer.
    let private perInstance (counts: int64[]) (parts: Tensor seq) =
        let most = Array.max counts

        let all = torch.cat (Seq.append [ torch.empty (0L, torch.float64) ] parts |> Array.ofSeq)

        if Array.forall ((=) most) counts then
            all.reshape (counts.LongLength, most)
        else
            let places =
                Array.concat [
                    for i, count in Array.indexed counts -> [| for k in 0L .. count - 1L -> int64 i * most + k |]
                ]

            torch
                .zeros(counts.LongLength * most, torch.float64)
                .index_copy(0L, torch.tensor places, all)
                .reshape(counts.LongLength, most)

    /// f of a target, of what is explained there, and of points. Of several passes a derivative keeps the points and no more: each
    /// runs again on the way back, so that memory does not grow with the network's depth times the number of points.
    let private again isAlone f (target: Target) explained i (points: Tensor) : Tensor =
        let explained = Target.at i explained

        // What a function holds is not seen, and may be watched, or be freed by then.
        if not Recording.IsOn || isAlone || target.Model.IsOpaque || target.Quantity.IsOpaque then
            f target explained points
        else
            let own = Model.tensors target.Model

            // Whoever listens is told once.
            target.Model.OnPass(int points.shape[0])
            let model = { target.Model with OnPass = ignore }

            let compute (given: Tensor list) =
                let target = { target with Model = Model.substitute own (List.skip 3 given) model }

                f target { Rows = given[1]; Outputs = lazy given[2] } given[0]

            Recompute.apply compute (points :: explained.Rows :: explained.Outputs.Force().detach() :: own)

    /// Whether some points fit into one pass.
    let private isOnePass (size: int) (counts: int64[]) = Array.sum counts <= int64 size

    /// What is explained, for several sweeps around the same instances.
    let explained (target: Target) (batch: Batch) : Explained = Target.explained target batch

    let private wide (t: Tensor) = t.``to`` (torch.float64, torch.CPU)

    /// The scores at points and the numbers beside them, and with `own` the scores of the instances: all in one scope.
    let private sweep
        (own: Explained -> Tensor list)
        explained
        counts
        (points: Tensor -> Tensor -> Tensor * Tensor)
        (target: Target)
        (batch: Batch)
        =
        let run () =
            let explained: Explained = explained ()
            let keep = Scope.keepHere ()
            let scores, beside = ResizeArray<Tensor>(), ResizeArray<Tensor>()
            let size = target.BatchSize Forward (Instances.ofTensor batch.X)

            Instances.tile size counts batch.X.device (fun i k ->
                let images, numbers = points i k
                scores.Add(keep (wide (again (isOnePass size counts) Target.score target explained i images)))
                beside.Add(keep (wide numbers)))

            perInstance counts scores :: perInstance counts beside :: own explained

        Scope.runMany (fun () -> Scope.quietly run)

    let private ofInstances (target: Target) explained = [ wide (Target.ofExplained target explained) ]

    /// Points with no number beside them.
    let private alone (points: Tensor -> Tensor -> Tensor) i k =
        let images = points i k
        images, torch.zeros (images.shape[0], torch.float64)

    /// <summary>t(x) of each instance (n), t at `counts[i]` points around each, and a number that comes with each point (both n×K,
    /// 0 where an instance has fewer): float64, on the processor.</summary>
    /// <param name="counts">How many points each instance has.</param>
    /// <param name="points">The points (m×…) of some instances and steps, and a number for each (m).</param>
    let scoresBeside counts points (target: Target) (batch: Batch) : Tensor * Tensor * Tensor =
        let found = sweep (ofInstances target) (fun () -> explained target batch) counts points target batch

        found[2], found[0], found[1]

    /// <summary>t(x) of each instance (n), and t at `counts[i]` points around each (n×K, 0 where an instance has fewer): float64, on
    /// the processor.</summary>
    /// <param name="counts">How many points each instance has.</param>
    /// <param name="points">The points (m×…) of some instances and steps.</param>
    let scores counts points target batch : Tensor * Tensor =
        let own, scores, beside = scoresBeside counts (alone points) target batch
        beside.Dispose()
        own, scores

    /// <summary>The scores at points alone, around instances that several sweeps share (n×K).</summary>
    /// <param name="explained">Those instances; see `explained`.</param>
    /// <param name="counts">How many points each instance has.</param>
    /// <param name="points">The points (m×…) of some instances and steps.</param>
    let scoresAround explained counts points (target: Target) (batch: Batch) : Tensor =
        let found = sweep (fun _ -> []) (fun () -> explained) counts (alone points) target batch

        found[1].Dispose()
        found[0]

    /// <summary>Σₖ wₖ e(c, ∇t(pᵢₖ)) over the points of a measure around each instance i: n×…, in the numbers that `each`
    /// gives. Of the instances that are not asked about the sum is 0.</summary>
    /// <param name="explained">The instances; see `explained`.</param>
    /// <param name="isAsked">Of each instance whether it is asked about; one at least is.</param>
    /// <param name="weights">w: one for each step (K), the same for all instances.</param>
    /// <param name="points">p: the points (m×…) of some instances and steps, and what comes with them, c.</param>
    /// <param name="each">What is summed (m×…), of what comes with the points and of the gradients there.</param>
    let gradientsAmong
        (explained: Explained)
        isAsked
        (weights: Tensor)
        (points: Tensor -> Tensor -> Tensor * 'c)
        (each: 'c -> Tensor -> Tensor)
        (target: Target)
        (batch: Batch)
        : Tensor =
        let size = target.BatchSize Gradient (Instances.ofTensor batch.X)

        let counts = isAsked |> Array.map (fun asked -> if asked then weights.shape[0] else 0L)

        let gradient target explained = Diff.gradEach (Target.score target explained)

        let run () =
            let mutable sum: Tensor = null
            let keep = Scope.keepHere ()

            Instances.tile size counts batch.X.device (fun i k ->
                let images, beside = points i k
                let found = each beside (again (isOnePass size counts) gradient target explained i images)
                let weight = (pick (k.cpu ()) weights).``to``(found.dtype, found.device)

                if isNull sum then
                    let shape = Array.append [| batch.X.shape[0] |] found.shape[1..]
                    sum <- keep (torch.zeros (shape, found.dtype, found.device))

                sum.index_add_ (0L, i, Tensor.likeInstances found weight * found, Number.Of 1.) |> ignore)

            sum

        Scope.runQuietly run

    /// <summary>Σₖ wₖ ∇t(pᵢₖ): the mean gradient of the target over a measure around each instance i (n×…).</summary>
    let meanGradient (weights: Tensor) (points: Tensor -> Tensor -> Tensor) (target: Target) (batch: Batch) : Tensor =
        Scope.run (fun () ->
            let all = Array.create (int batch.X.shape[0]) true
            let points i k = points i k, ()
            gradientsAmong (explained target batch) all weights points (fun () gradient -> gradient) target batch)
