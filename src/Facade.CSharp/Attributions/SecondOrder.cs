namespace Attribution;

/// <summary>Hessian-vector maps, H v = ∂(∇ₓ q(f(x)) · v) / ∂x: how the gradient changes along a direction.</summary>
/// <remarks>Where a network of ReLUs is linear, its Hessian is 0: such a model is refused. Ask <see cref="Model.Smooth"/> of it.</remarks>
public sealed class HessianMap
{
    private readonly Model model;
    private readonly Quantity quantity;

    /// <summary>Hessian-vector maps of a quantity of interest.</summary>
    /// <param name="model">The classifier, whose activations must be smooth.</param>
    /// <param name="quantity">What is explained; null: the score of the class predicted for each instance.</param>
    /// <exception cref="AttributionException">The model has ReLUs.</exception>
    public HessianMap(Model model, Quantity? quantity = null)
    {
        RequireSmooth(model);
        (this.model, this.quantity) = (model, quantity ?? Quantity.Predicted);
    }

    /// <summary>H v of each instance.</summary>
    /// <param name="x">Instances: n×c×h×w, 0-255.</param>
    /// <param name="v">The direction of each: n×c×h×w.</param>
    /// <param name="batchSize">Instances a pass; null: as many as memory allows. The result depends on it by rounding alone.</param>
    /// <param name="progress">Told of every pass.</param>
    /// <param name="cancellation">Stops the work.</param>
    /// <exception cref="ArgumentException">The shapes do not fit.</exception>
    public Tensor Product(
        Instances x,
        Tensor v,
        int? batchSize = null,
        IProgress<Progress>? progress = null,
        CancellationToken cancellation = default
    ) =>
        Map(
            (target, batch) => Hessian.product(batch.RowsOf(v).to(batch.X.dtype), target, batch),
            x,
            batchSize,
            progress,
            cancellation
        );

    /// <summary>(x - b) ⊙ H (x - b): what each number adds to the second-order term between a baseline and x.</summary>
    /// <param name="x">Instances: n×c×h×w, 0-255.</param>
    /// <param name="baseline">b; null: <see cref="Baseline.Black"/>.</param>
    /// <param name="batchSize">Instances a pass; null: as many as memory allows. The result depends on it by rounding alone.</param>
    /// <param name="progress">Told of every pass.</param>
    /// <param name="cancellation">Stops the work.</param>
    public Tensor Attribute(
        Instances x,
        Baseline? baseline = null,
        int? batchSize = null,
        IProgress<Progress>? progress = null,
        CancellationToken cancellation = default
    ) =>
        Map(
            (target, batch) => Hessian.attribute(Baseline.For(baseline, x), target, batch),
            x,
            batchSize,
            progress,
            cancellation
        );

    /// <summary>Requires activations that have second derivatives.</summary>
    internal static void RequireSmooth(Model model)
    {
        if (Hessian.isBent(model.Core))
            throw new AttributionException(
                "The second derivatives of a network of ReLUs are 0 but at their kinks: ask model.Smooth(β), which puts softplus(βx)/β in their place."
            );
    }

    private Tensor Map(
        BatchMap map,
        Instances x,
        int? batchSize,
        IProgress<Progress>? progress,
        CancellationToken cancellation
    ) => model.Map(x, quantity, Pass.Rules, 2L * x.Count, map, batchSize, progress, cancellation);
}

/// <summary>
/// Integrated Hessians of pairs of regions: how much of a score is due to each two cells of a grid together, Γ_RS = Σ_{i ∈ R, j ∈ S} Γ_ij,
/// Γ_ij = (x_i - b_i)(x_j - b_j) ∫∫ αβ ∂²q(f(b + αβ(x - b))) / ∂x_i∂x_j dα dβ, and what a cell does by itself where i = j. A cell's
/// interactions sum to its integrated gradients, and all of them to q(f(x)) - q(f(b)).
/// </summary>
/// <remarks>Janizek, Sturmfels and Lee, arXiv 2002.04138. They smooth a network of ReLUs by softplus too; a smaller β needs fewer steps, and
/// is further from the network.</remarks>
public sealed class IntegratedHessians
{
    private readonly Model model;
    private readonly Quantity quantity;
    private readonly int grid;
    private readonly Baseline? baseline;
    private readonly int steps;

    /// <summary>Integrated Hessians of a quantity of interest.</summary>
    /// <param name="model">The classifier, whose activations must be smooth.</param>
    /// <param name="quantity">What is explained; null: the score of the class predicted for each instance.</param>
    /// <param name="grid">The cells along a side.</param>
    /// <param name="baseline">b; null: <see cref="Baseline.Black"/>.</param>
    /// <param name="steps">The points on the path, by Gauss-Legendre's rule.</param>
    /// <exception cref="ArgumentOutOfRangeException">grid or steps is less than 1.</exception>
    /// <exception cref="AttributionException">The model has ReLUs.</exception>
    public IntegratedHessians(
        Model model,
        Quantity? quantity = null,
        int grid = 4,
        Baseline? baseline = null,
        int steps = 20
    )
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(grid, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(steps, 1);
        HessianMap.RequireSmooth(model);
        (this.model, this.quantity, this.grid, this.baseline, this.steps) = (
            model,
            quantity ?? Quantity.Predicted,
            grid,
            baseline,
            steps
        );
    }

    /// <summary>The interactions of each instance's cells, row by row: n×g²×g², symmetric, in 64-bit floats for a model in them.</summary>
    /// <param name="x">Instances: n×c×h×w, 0-255.</param>
    /// <param name="batchSize">Instances a pass; null: as many as memory allows. The result depends on it by rounding alone.</param>
    /// <param name="progress">Told of every pass.</param>
    /// <param name="cancellation">Stops the work.</param>
    /// <exception cref="ArgumentException">The grid has more cells than a side has pixels.</exception>
    public Tensor Attribute(
        Instances x,
        int? batchSize = null,
        IProgress<Progress>? progress = null,
        CancellationToken cancellation = default
    ) =>
        model.Map(
            x,
            quantity,
            Pass.Rules,
            (long)x.Count * steps,
            (target, batch) => Core.IntegratedHessians.attribute(grid, steps, Baseline.For(baseline, x), target, batch),
            batchSize,
            progress,
            cancellation
        );

    /// <summary>|Σ Γ - (q(f(x)) - q(f(b)))| / |q(f(x)) - q(f(b))| of each instance.</summary>
    /// <param name="interactions">What <see cref="Attribute"/> gave.</param>
    /// <param name="x">The instances.</param>
    public IReadOnlyList<double> Gaps(Tensor interactions, Instances x)
    {
        using var scope = NewDisposeScope();
        var change = model.Map(
            x,
            quantity,
            Pass.Forward,
            x.Count,
            (target, batch) => Core.IntegratedGradients.change(Baseline.For(baseline, x), target, batch)
        );
        return Maps.Numbers((interactions.sum([1, 2]) - change).abs() / change.abs());
    }
}
