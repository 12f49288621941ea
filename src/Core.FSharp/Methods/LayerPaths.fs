namespace Attribution.Core

open TorchSharp

/// <summary>Attributions of a layer's units, by what happens in it while the image is faded in from a baseline. Paths around the layer
/// are held fixed at each point.</summary>
/// <remarks>Internal influence: Leino et al., arXiv 1802.03788. Conductance: Dhamdhere, Sundararajan and Yan, arXiv 1805.12233, summed over
/// the inputs as Shrikumar, Su and Kundaje have it, arXiv 1807.09946.</remarks>
[<RequireQualifiedAccess>]
module LayerPaths =
    let private along (baseline: Baseline) units (layer: string) (target: Target) (batch: Batch) sum =
        Scope.runQuietly (fun () ->
            let model = Model.upTo target.Layer target.Model
            let slice = Model.cut layer model
            let explained = Target.explained target batch
            let start = baseline.Of batch
            let at (share: float) = Tensor.add start ((batch.X - start) * Number.Of share)

            // The layer's values at a point, and the target's gradient there.
            let values share = (slice.H(at share)).Head

            let gradient share =
                let held = slice.H(at share)
                Diff.gradEach (slice.G held.Tail >> target.Read >> target.Quantity.Of explained) held.Head

            let each: Tensor = sum values gradient
            Units.read (Model.reading units layer model each.shape) each)

    /// <summary>Σₖ wₖ ∂t/∂z at z = h(b + αₖ(x - b)), over the nodes αₖ and weights wₖ of a quadrature of [0, 1]: n×units.</summary>
    let internalInfluence nodes baseline units layer target batch : Tensor =
        along baseline units layer target batch (fun _ gradient ->
            nodes
            |> Seq.map (fun (share: float, weight: float) -> Scope.run (fun () -> gradient share * Number.Of weight))
            |> Seq.reduce Tensor.add)

    /// <summary>Σₖ ∂t/∂z ⊙ (zₖ₊₁ - zₖ), zₖ = h(b + k/N (x - b)), the gradient half way between: n×units. Complete where all of the target
    /// passes the layer: an instance's sum to t(x) - t(b) as the steps grow.</summary>
    /// <exception cref="T:System.ArgumentException">There is less than one step.</exception>
    let conductance (steps: int) baseline units layer target batch : Tensor =
        if steps < 1 then
            invalidArg "steps" $"A path has at least 1 step, but {steps} were asked for."

        along baseline units layer target batch (fun values gradient ->
            let share k = k / float steps

            Seq.init steps float
            |> Seq.map (fun k ->
                Scope.run (fun () -> gradient (share (k + 0.5)) * (values (share (k + 1.)) - values (share k))))
            |> Seq.reduce Tensor.add)
