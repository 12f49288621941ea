namespace Attribution.Core

open TorchSharp

/// <summary>Descent of functions of rows (n×…), each row by itself. Inside a derivative it is unrolled: what it finds is
/// connected to all that the function depends on.</summary>
/// <remarks>A row's gradient is divided by its largest magnitude, so that no result depends on the function's scale; momentum is
/// Polyak's (USSR Computational Mathematics and Mathematical Physics 4(5), 1964), and steps fall to nothing.</remarks>
[<RequireQualifiedAccess>]
module Optimise =
    [<Literal>]
    let private Momentum = 0.9

    /// Each row divided by its largest magnitude; 0 where it is 0, or has none.
    let unit (g: Tensor) : Tensor =
        let finite = g.nan_to_num (0., 0., 0.)
        finite / Tensor.likeInstances g (Relax.scale (finite.flatten 1L))

    let private rateAt (rate: float) steps k = rate * (1. - float k / float steps)

    let private step rate (project: Tensor -> Tensor) (velocity: Tensor) at gradient =
        let velocity = Tensor.add (velocity * Number.Of Momentum) (unit gradient * Number.Of(1. - Momentum))
        velocity, project (at - velocity * Number.Of(rate: float))

    /// <summary>Where steps down a slope lead from a start: v ← 0.9 v + 0.1 g / max |g|, p ← project(p - η v), η falling from
    /// `rate`.</summary>
    /// <param name="steps">How many.</param>
    /// <param name="rate">The length of the first step, in the numbers of p.</param>
    /// <param name="project">Brings p back to where it may be.</param>
    /// <param name="slope">g: the gradients at some p, row by row.</param>
    /// <param name="start">The first p: n×….</param>
    let descend (steps: int) rate project (slope: Tensor -> Tensor) (start: Tensor) : Tensor =
        let next (state: Tensor list) k =
            Scope.runMany (fun () ->
                let velocity, at = step (rateAt rate steps k) project state[0] state[1] (slope state[1])
                [ velocity; at ])

        Scope.run (fun () -> (Seq.fold next [ torch.zeros_like start; start ] (seq { 0 .. steps - 1 }))[1])

    /// <summary>The same, but of all p that it comes by each row's with the lowest value, the start among them.</summary>
    /// <param name="valued">The values (n) and the gradients at some p. A value that is no number is never the lowest.</param>
    let lowest (steps: int) rate project (valued: Tensor -> Tensor * Tensor) (start: Tensor) : Tensor =
        let better (value: Tensor) at (least: Tensor, best: Tensor) =
            let isLower = value.lt least
            torch.where (isLower, value, least), torch.where (Tensor.likeInstances best isLower, at, best)

        let next (state: Tensor list) k =
            Scope.runMany (fun () ->
                let value, gradient = valued state[1]
                let least, best = better value state[1] (state[2], state[3])
                let velocity, at = step (rateAt rate steps k) project state[0] state[1] gradient
                [ velocity; at; least; best ])

        Scope.run (fun () ->
            let unknown = torch.full (start.shape[0], Number.Of infinity, torch.float64, start.device)
            let last = Seq.fold next [ torch.zeros_like start; start; unknown; start ] (seq { 0 .. steps - 1 })
            better (valued last[1] |> fst) last[1] (last[2], last[3]) |> snd)

    let private meanDecay, squareDecay = 0.9, 0.999

    /// <summary>Where steps up a slope lead from a start, by Adam: m ← 0.9 m + 0.1 g, v ← 0.999 v + 0.001 g², p ← p + η m̂ / √(v̂ + ε), m̂ and v̂
    /// as if m and v had always been so, g divided by its largest magnitude, and η falling from `rate`; and the values on the way (n×steps).</summary>
    /// <remarks>Kingma and Ba, Adam: a method for stochastic optimization, arXiv 1412.6980. Each number has a step of its own, whatever the
    /// size of its slope. ε is under the root, which has a derivative at 0 so.</remarks>
    /// <param name="steps">How many.</param>
    /// <param name="rate">The length of the first step, in the numbers of p.</param>
    /// <param name="valued">The values (n) and the gradients at some p, of a step's number: what is climbed may differ from step to
    /// step.</param>
    /// <param name="start">The first p: n×….</param>
    let ascend (steps: int) rate (valued: int -> Tensor -> Tensor * Tensor) (start: Tensor) : Tensor * Tensor =
        let mix (decay: float) (mean: Tensor) (next: Tensor) =
            Tensor.add (mean * Number.Of decay) (next * Number.Of(1. - decay))

        let full (decay: float) k (mean: Tensor) = mean / Number.Of(1. - decay ** float (k + 1))

        let next (state: Tensor list) k =
            Scope.runMany (fun () ->
                let value, gradient = valued k state[2]
                let gradient = unit gradient
                let mean = mix meanDecay state[0] gradient
                let square = mix squareDecay state[1] (Tensor.square gradient)
                let length = (full squareDecay k square |> Tensor.shift 1e-16).sqrt()
                let step = full meanDecay k mean / length * Number.Of(rateAt rate steps k)

                let values = torch.cat (Array.ofList (state[3..] @ [ value.unsqueeze 1L ]), 1L)
                [ mean; square; Tensor.add state[2] step; values ])

        let found =
            Scope.runMany (fun () ->
                let zeros = torch.zeros_like start
                (Seq.fold next [ zeros; zeros; start ] (seq { 0 .. steps - 1 }))[2..3])

        found[0], found[1]
