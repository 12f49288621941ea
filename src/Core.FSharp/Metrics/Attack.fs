namespace Attribution.Core

open TorchSharp

/// How an explanation is attacked.
type AttackSettings = {
    /// The largest change of a number of the image, as a share of its range.
    Radius: float
    /// The steps of ascent.
    Steps: int
    /// β of softplus(βx)/β in place of ReLUs, on the way to the slope alone.
    Beta: float
    /// The largest change of a logit, as a share of the spread of the image's own.
    Tolerance: float
    Seed: int64
}

/// What an attack found.
[<NoComparison; ReferenceEquality>]
type Attacked = {
    /// The images: n×…. Where no step kept the prediction, the image itself.
    Images: Tensor
    /// The maps of them by the network itself.
    Maps: Tensor
    /// ‖A(x') - A(x)‖ / ‖A(x)‖: n, float64; NaN where A(x) is 0.
    Changes: Tensor
    /// The largest change of a logit, as a share of their spread: n, float64.
    Moves: Tensor
}

/// <summary>The largest change of a map under a change of the image that nobody sees and that leaves the prediction.</summary>
/// <remarks>Ghorbani, Abid and Zou, Interpretation of neural networks is fragile, arXiv 1710.10547; through the derivative of a smoothed
/// network, Dombrowski et al., arXiv 1906.07983. Found by ascent, it is a lower bound of the largest there is.</remarks>
[<RequireQualifiedAccess>]
module Attack =
    /// A fiftieth of the range, 10 steps, β = 10, a tenth of the logits' spread.
    let standard = { Radius = 0.02; Steps = 10; Beta = 10.; Tolerance = 0.1; Seed = 1L }

    // A step's length times the number of steps, in radii; below which share of the largest a slope is not followed in full.
    let private reach, faint = 2.5, 0.1

    // Whose derivative at 0 is 0.
    let private norms (maps: Tensor) = maps.``to``(torch.float64).flatten(1L).norm 1

    let private distance (a: Tensor) (b: Tensor) = norms (a - b)

    /// max |z' - z| / (max z - min z) of each row of logits.
    let private moves (own: Tensor) (others: Tensor) =
        let spread = own.amax [| 1L |] - own.amin [| 1L |]
        let largest = (others - own).abs().amax [| 1L |]
        largest / spread.masked_fill (Tensor.isZero spread, Number.Of 1.)

    let private where (isChosen: Tensor) (a: Tensor) (b: Tensor) = torch.where (Tensor.likeInstances a isChosen, a, b)

    /// The attack on some images at once.
    let private some explain settings (peak: float) (smoothed: Target) (target: Target) (maps: Tensor) (batch: Batch) =
        let x = batch.X
        let radius = settings.Radius * peak
        let within = Number.Of radius

        // A number of the image that is out of range stays so.
        let low = (x - within).maximum((torch.zeros_like x).minimum x)
        let high = (x.add (within, Number.Of 1L)).minimum((torch.full_like (x, Number.Of peak)).maximum x)
        let inside (at: Tensor) = (at.maximum low).minimum high

        let logits (at: Tensor) = (target.Output at).``to`` torch.float64
        let own = logits x
        let before = explain smoothed batch
        let size = norms before
        let isMap = Tensor.isPositive size

        // What is to be made large: half of the tolerance is free.
        let gain (at: Tensor) =
            let change = Tensor.ratio isMap (distance (explain smoothed { batch with X = at }) before) size
            let over = (moves own (logits at) / Number.Of settings.Tolerance |> Tensor.shift -0.5).relu()
            change - Tensor.square over

        let read (found: Tensor) = if found.ndim = maps.ndim then id else Tensor.pixels

        let judged (at: Tensor) =
            let found, now = explain target { batch with X = at }, logits at
            let read = read found

            let change =
                Tensor.ratio
                    (Tensor.isPositive (norms (read maps)))
                    (distance (read found) (read maps))
                    (norms (read maps))

            let move = moves own now
            let isSame = now.argmax(1L).eq(own.argmax 1L)
            found, change, move, isSame.logical_and (move.le (Number.Of settings.Tolerance))

        let better (at: Tensor) isAsked (images: Tensor) (found: Tensor) (changes: Tensor) (largest: Tensor) =
            let map, change, move, isLeft = judged at
            let isBetter = isLeft.logical_and(change.gt changes).logical_and(isAsked: Tensor)

            [
                at
                where isBetter at images
                where isBetter map found
                where isBetter change changes
                where isBetter move largest
            ]

        let all = torch.ones (x.shape[0], torch.bool)

        let next (state: Tensor list) _ =
            match state with
            | [ at; images; found; changes; largest ] ->
                Scope.runMany (fun () ->
                    let slope = Optimise.unit (Diff.gradEach gain at)
                    // Nearly a sign, but for what is next to nothing.
                    let direction = slope / (slope.abs () |> Tensor.shift faint)
                    let at = inside (direction * Number.Of(reach * radius / float settings.Steps) |> Tensor.add at)
                    better at all images found changes largest)
            | _ -> state

        // Where every step left the prediction or the tolerance, what lies nearer on the way there.
        let back (last: Tensor) (isLost: Tensor) (state: Tensor list) (share: float) =
            match state with
            | [ _; images; found; changes; largest ] ->
                Scope.runMany (fun () ->
                    let at = inside (Tensor.add x ((last - x) * Number.Of share))
                    better at isLost images found changes largest)
            | _ -> state

        let nothing = torch.zeros (x.shape[0], torch.float64)
        // At the image itself the distance has no slope.
        let nudge =
            (Noise.uniform settings.Seed 0L batch * Number.Of 2. |> Tensor.shift -1.) * Number.Of(radius / 10.)

        let first = [ inside (Tensor.add x nudge); x; explain target batch; nothing; nothing ]

        let reached = Seq.fold next first (seq { 1 .. settings.Steps })

        let state =
            match reached with
            | [ last; _; _; changes; _ ] when Tensor.isAny (Tensor.isZero changes) ->
                Seq.fold (back last ((Tensor.isZero changes).detach())) reached [ for k in 1..8 -> 0.5 ** float k ]
            | _ -> reached

        List.tail state

    /// <summary>The attack on each image.</summary>
    /// <param name="explain">How maps are made of a target, and of a batch by its positions in this one.</param>
    /// <param name="settings">How it is attacked.</param>
    /// <param name="peak">The number that stands for white.</param>
    /// <param name="target">What is explained of a model: the same of every image near one.</param>
    /// <param name="model">The network.</param>
    /// <param name="maps">The images' maps.</param>
    /// <param name="batch">The images.</param>
    /// <exception cref="T:System.ArgumentException">A setting makes no sense.</exception>
    let run
        explain
        settings
        (peak: float)
        (target: Model -> Target)
        (model: Model)
        (maps: Tensor)
        (batch: Batch)
        : Attacked =
        let requirePositive name (value: float) =
            if not (value > 0. && System.Double.IsFinite value) then
                invalidArg name $"The {name} of an attack is a positive number, but is {value}."

        requirePositive "radius" settings.Radius
        requirePositive "tolerance" settings.Tolerance

        if settings.Steps < 1 then
            invalidArg "steps" $"An attack takes at least 1 step, but {settings.Steps} were asked for."

        let own, smoothed = target model, target (Model.smooth settings.Beta model)
        let instances = Instances.ofBatch batch
        let parts = ResizeArray<Tensor list>()

        let found =
            Scope.runMany (fun () ->
                let keep = Scope.keepHere ()

                instances
                |> Instances.iter (own.BatchSize Gradient instances) (fun part ->
                    let explain target (some: Batch) = explain target { some with Rows = part.Rows; Ids = part.Ids }

                    some explain settings peak smoothed own (Sweep.pick part.Rows maps) part
                    |> List.map keep
                    |> parts.Add)

                [ for i in 0..3 -> torch.cat [| for part in parts -> part[i] |] ])

        { Images = found[0]; Maps = found[1]; Changes = found[2]; Moves = found[3] }

    /// The largest change of each map: n, float64; 0 where no step kept the prediction, NaN where A(x) is 0.
    let changes explain settings peak target model maps batch : Tensor =
        Scope.runQuietly (fun () ->
            let size = norms maps

            Tensor.ratio
                (Tensor.isPositive size)
                (run explain settings peak target model maps batch).Changes
                (torch.ones_like size))

    /// <summary>Spearman's rank correlation of the pixels of each of some maps with the other's: n, float64.</summary>
    /// <remarks>As Ghorbani, Abid and Zou measure it, arXiv 1710.10547.</remarks>
    let correlations (a: Tensor) (b: Tensor) : Tensor = Ranking.correlations Relaxation.Exact id a b

    /// <summary>The share of the pixels of largest attribution, as many as `share` of all, that both of two maps have: n, float64.</summary>
    /// <remarks>The top-k intersection of Ghorbani, Abid and Zou, arXiv 1710.10547.</remarks>
    let overlaps (share: float) (a: Tensor) (b: Tensor) : Tensor =
        Scope.runQuietly (fun () ->
            let top (maps: Tensor) =
                let flat = (Tensor.pixels maps).flatten 1L
                let count = max 1L (int64 (share * float flat.shape[1]))
                (Relax.order flat).Ranks.lt(Number.Of count), count

            let (first, count), (second, _) = top a, top b
            (first.logical_and second).sum(1L).``to`` torch.float64 / Number.Of(float count))
