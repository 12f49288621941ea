namespace Attribution.Core

open System.Collections.Generic
open Attribution
open TorchSharp

/// What a max pool hands on, where the paper leaves a choice.
[<RequireQualifiedAccess>]
type MaximumRule =
    /// The change of a window's maximum goes to the one number that made it, the instance's largest where the maximum grew and
    /// the baseline's where it fell: complete.
    | Rescale
    /// The same, but of the windows that overlap at a number only the last one counts for it, as Captum has it.
    | LastWindow
    /// The derivative at the instance, as the paper's authors have it: all goes to the instance's largest.
    | Gradient

/// <summary>DeepLIFT by the rescale rule: every op hands on the slope of the line between what it did for the instance and
/// what it did for a baseline, instead of its derivative.</summary>
/// <remarks>Shrikumar, Greenside and Kundaje, arXiv 1704.02685. The paper has ops of one input and maxima; here an op of any
/// kind is rescaled as integrated gradients of that op alone, which is the paper's rule for the ops that it has. It looks at
/// the network's canonical form, in which normalisations are quotients and activations one op, however they are spelled.
/// Complete: the attributions of an instance sum to t(x) - t(b), for a target that is linear in its outputs, up to rounding;
/// where an op has no closed form, which only softmax and the ops of which nothing is known have not, more and more nodes
/// are taken until less than a thousandth of its change is missing, or as many as there may be.</remarks>
[<RequireQualifiedAccess>]
module DeepLift =

    let private finite (t: Tensor) = t.nan_to_num (0., 0., 0.)

    /// w (y - y') / (x - x'), or w by the derivative, `pulled`, where x is x'.
    let private rescale (x: Tensor) (x': Tensor) (y: Tensor) (y': Tensor) (pulled: Tensor) (w: Tensor) =
        let change = x - x'
        // Nearer than this to each other, two numbers give a slope of rounding errors, and the derivative is taken.
        let least = Tensor.add (x.abs ()) (x'.abs ()) * Number.Of 1e-6 |> Tensor.shift 1e-12

        let isSame = change.abs().le least
        let slope = (y - y') / Tensor.unless isSame change
        torch.where (isSame, finite pulled, Tensor.timesInto slope w)

    /// The op's derivatives at a point between the two, wᵀ of them; 0 for what is not live.
    let private pullBetween (share: float) (evaluated: Evaluated) (inputs': Tensor list) (w: Tensor) =
        let between =
            List.map2
                (fun (x: Tensor) (x': Tensor) ->
                    if x.is_floating_point () then Tensor.add (x * Number.Of share) (x' * Number.Of(1. - share)) else x)
                evaluated.Inputs
                inputs'

        snd (Graph.pullback evaluated.Node between evaluated.IsLive) w

    /// Nodes on [0, 1] that lie closer and closer to both ends.
    let private graded (levels: int) =
        let near = [| for k in levels .. -1 .. 1 -> 8. ** float -k |]

        let ends =
            if levels = 0 then
                [| 0.; 1. |]
            else
                Array.concat [ [| 0. |]; near; [| 0.5 |]; Array.rev near |> Array.map (fun t -> 1. - t); [| 1. |] ]

        ends
        |> Array.pairwise
        |> Array.collect (fun (start, finish) ->
            Quadrature.nodes GaussLegendre 8
            |> Array.map (fun (share, weight) -> start + share * (finish - start), weight * (finish - start)))

    let private refinements = lazy ([ 0; 2; 5 ] |> List.map graded)

    /// The most of an op's change that may be missing without more nodes.
    [<Literal>]
    let private Tolerance = 1e-3

    /// The mean of the derivatives between the two, by as many nodes as each instance needs.
    let private pullAlong instances (evaluated: Evaluated) inputs' (value': Tensor) (w: Tensor) =
        let along nodes =
            nodes
            |> Array.map (fun (share, weight: float) ->
                pullBetween share evaluated inputs' w |> List.map (fun part -> part * Number.Of weight))
            |> Array.reduce (List.map2 Tensor.add)

        let change = finite (w * (evaluated.Value - value'))

        // Whether an instance's parts make up what the op changed.
        let isMissing parts =
            let found =
                List.zip3 (List.zip evaluated.Inputs inputs') evaluated.IsLive parts
                |> List.filter (fun (_, isLive, _) -> isLive)
                |> List.map (fun ((x, x'), _, part: Tensor) ->
                    let moved = finite (part * (x - x'))

                    if moved.shape[0] = instances then Tensor.sumEach moved else moved.sum().expand instances)
                |> List.reduce Tensor.add

            (found - Tensor.sumEach change).abs().gt(Tensor.sumEach (change.abs ()) * Number.Of Tolerance)

        let better (missing: Tensor) (refined: Tensor) (part: Tensor) =
            if part.ndim = 0L then part else torch.where (Tensor.likeInstances part missing, refined, part)

        // Where instances are not rows, all are refined alike.
        let isByRows =
            evaluated.Value.shape[0] = instances
            && List.forall2
                (fun (x: Tensor) isLive -> not isLive || x.ndim > 0L && x.shape[0] = instances)
                evaluated.Inputs
                evaluated.IsLive

        let rec refine parts rest =
            match rest with
            | [] -> parts
            | nodes :: rest ->
                let missing = isMissing parts

                if Tensor.isAny missing then refine (List.map2 (better missing) (along nodes) parts) rest else parts

        match refinements.Value with
        | first :: rest when isByRows -> refine (along first) rest
        | all -> along (List.last all)

    /// A sum over what was repeated to another shape.
    let private sumTo (shape: int64[]) (t: Tensor) =
        let leading = int t.ndim - shape.Length

        let repeated = [|
            for i in 0 .. int t.ndim - 1 do
                if i < leading || shape[i - leading] = 1L && t.shape[i] > 1L then
                    int64 i
        |]

        (if repeated.Length = 0 then t else t.sum (repeated, true)).reshape shape

    /// The mean derivatives of a/b along the line from a'/b', in closed form: ∫ 1/b = ln(b/b') / (b - b') for a, and for b
    /// what is missing. Where the line passes 0 or b hardly moves, the mean over both orders of changing a and b: complete too.
    let private pullQuotient (a: Tensor) (b: Tensor) (a': Tensor) (b': Tensor) (w: Tensor) =
        let change = b - b'
        let product = b * b'

        let isLine =
            (change * change).gt(product.abs () * Number.Of 1e-6).logical_and(product.gt (Number.Of 0.))

        let isOther = isLine.logical_not ()
        let change = Tensor.unless isOther change
        let logarithm = (Tensor.unless isOther (b / b')).log() / change
        let ofA = torch.where (isLine, logarithm, Tensor.add b b' / product / Number.Of 2.)
        let missing = (a / b - a' / b' - logarithm * (a - a')) / change
        let ofB = torch.where (isLine, missing, -(Tensor.add a a') / product / Number.Of 2.)
        [ sumTo a.shape (w * ofA); sumTo b.shape (w * ofB) ]

    /// Numbers in steps far above rounding and far below their largest: on a flat ground, as a black baseline is, the numbers of
    /// a window are the same but for rounding, which is each processor's own.
    let private inSteps (x: Tensor) =
        let share = if x.dtype = torch.float64 then 1e-10 else 1e-5
        let largest = (finite (x.detach ())).abs().amax([| 1L .. x.ndim - 1L |], true)
        (x.detach () / (largest * Number.Of share).clamp_min(Number.Of 1e-30)).round()

    /// The change of a window's maximum is due to the one input that made it: the instance's largest where the maximum grew,
    /// the baseline's where it fell; of several that are the same the first.
    let private pullMaximum (pool: Tensor -> struct (Tensor * Tensor)) (x: Tensor) (x': Tensor) (w: Tensor) =
        let largest (t: Tensor) =
            let struct (_, at) = pool (inSteps t)
            let at = at.flatten 2L
            t.flatten(2L).gather(2L, at), at

        let y, at = largest x
        let y', at' = largest x'
        let due = torch.where (y.gt y', at, at')
        let pick (t: Tensor) = t.flatten(2L).gather(2L, due)

        let w = w.flatten 2L
        let share = rescale (pick x) (pick x') y y' w w

        torch.zeros_like(x.flatten 2L).scatter_add_(2L, due, share).reshape x.shape

    /// The same as Captum does it: of the windows whose maximum is at one number the last one counts, for the instance's and
    /// for the baseline's maxima by themselves.
    let private pullLastWindow pool (pulled: Tensor) (x: Tensor) (x': Tensor) (w: Tensor) =
        let struct (y: Tensor, at: Tensor) = pool x
        let struct (y', at') = pool x'

        let unpooled (at: Tensor) (change: Tensor) =
            let at = at.flatten 2L
            let window = (Number.Range(0L, at.shape[2], at.device)).expand_as at

            let last = torch.full_like(x.flatten 2L, Number.Of -1.0, torch.int64).scatter_(2L, at, window)

            let found = (change * w).flatten(2L).gather(2L, last.clamp_min (Number.Of 0L))
            found.masked_fill(last.lt (Number.Of 0L), Number.Of 0.).reshape x.shape

        let grown = (y - y').clamp_min(Number.Of 0.)
        let fallen = (y - y').clamp_max(Number.Of 0.)
        let change = x - x'

        let isSame = change.abs().lt(Number.Of 1e-10)

        torch.where (isSame, pulled, Tensor.add (unpooled at grown) (unpooled at' fallen) / Tensor.unless isSame change)

    /// <summary>The rule for so many instances, given what every node's value was for the baseline.</summary>
    let rule (maximum: MaximumRule) (instances: int64) (reference: IReadOnlyDictionary<string, Tensor>) : Rule =
        fun evaluated w ->
            let inputs' = evaluated.Node.Inputs |> List.map (fun name -> reference[name])
            let live = evaluated.Live

            let along () = pullAlong instances evaluated inputs' reference[evaluated.Node.Name] w

            let isBend =
                match evaluated.Node.Op with
                | (Activation _ | Divide | Function(Elementwise, _, _)) -> live = 1
                | _ -> false

            match evaluated.Node.Op, evaluated.Inputs, inputs' with
            | _ when isBend && evaluated.KeepsShape ->
                // The slope's own derivative, where x is x', is that of the derivative half way.
                let pulled = if Recording.IsOn then pullBetween 0.5 evaluated inputs' w else evaluated.Pull w

                List.zip3 (List.zip evaluated.Inputs inputs') evaluated.IsLive pulled
                |> List.map (fun ((x, x'), isLive, pulled) ->
                    if isLive then rescale x x' evaluated.Value reference[evaluated.Node.Name] pulled w else pulled)
            | (Pool { Kind = MaxPool } | GlobalPool MaxPool), _, _ when maximum = MaximumRule.Gradient ->
                evaluated.Pull w
            | Pool({ Kind = MaxPool } as p), [ x ], [ x' ] -> [
                let pool = Semantics.maximumAndPlace p

                if maximum = MaximumRule.LastWindow then
                    pullLastWindow pool (evaluated.Pull w).Head x x' w
                else
                    pullMaximum pool x x' w
              ]
            | GlobalPool MaxPool, [ x ], [ x' ] ->
                let largest (t: Tensor) = t.flatten(2L).max(2L, true)
                [ pullMaximum largest x x' w ]
            | (Multiply | MatMul | Function((Product | Filters), _, _)), _, _ when live < 3 ->
                pullBetween 0.5 evaluated inputs' w
            | Divide, [ a; b ], [ a'; b' ] -> pullQuotient a b a' b' w
            | (Activation _ | Softmax _ | Pure _ | Function((Elementwise | Selects | Product | Filters), _, _)), _, _ ->
                along ()
            | Function(Chooses, _, _), _, _ when evaluated.IsLive.Head -> along ()
            | _ -> evaluated.Pull w

    /// <summary>(x - b) ⊙ the multipliers that the rule brings back; without `multiply`, the multipliers alone. `observe` is
    /// told, for each instance, what the attributions sum to and what they should: the change of the target, to first
    /// order in its outputs.</summary>
    /// <exception cref="T:Attribution.AttributionException">A node's rule makes a NaN or an infinity.</exception>
    let observed
        (maximum: MaximumRule)
        (observe: (float * float)[] -> unit)
        (baseline: Baseline)
        (multiply: bool)
        (target: Target)
        (batch: Batch)
        : Tensor =
        Scope.run (fun () ->
            use _ = if Recording.IsOn then null else torch.no_grad ()

            let target = Target.canonical target

            let start = baseline.Of batch

            let reference = Scope.quietly (fun () -> Model.values target.Layer target.Model start)

            let mutable change = [||]

            let seed (z: Tensor) (gradient: Tensor) =
                let z' = reference[target.Layer].``to``(z.dtype, z.device)
                change <- Tensor.toArray<float>(Tensor.sumEach(gradient * (z - z')).``to`` torch.float64)
                gradient

            let rule = rule maximum batch.X.shape[0] reference
            let multipliers = Target.propagateFinite "DeepLIFT" rule seed target batch
            let attributions = (batch.X - start) * multipliers

            let sums = Tensor.toArray<float>(Tensor.sumEach (attributions.``to`` torch.float64))
            observe (Array.zip sums change)
            if multiply then attributions else multipliers)

    /// <summary>(x - b) ⊙ the multipliers that the rule brings back; without `multiply`, the multipliers alone.</summary>
    let attribute (baseline: Baseline) (multiply: bool) (target: Target) (batch: Batch) : Tensor =
        observed MaximumRule.Rescale ignore baseline multiply target batch
