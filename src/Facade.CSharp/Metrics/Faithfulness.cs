namespace Attribution;

/// <summary>Sufficiency: of the other images whose maps are near an image's, the share for which the model predicts the same class.
/// Between 0 and 1; higher is better.</summary>
/// <remarks>Dasgupta, Frost and Moshkovitz, Framework for evaluating faithfulness of local explanations, arXiv 2202.00734, a map
/// applying to the images whose maps are near it: ‖A/‖A‖ - A'/‖A'‖‖ &lt; threshold, of pixel attributions. An image's score needs the
/// others, so this is a metric of a whole set. NaN where no other map is near, or the map is 0. It takes memory in the square of the
/// number of images.</remarks>
public sealed class Sufficiency : MapMetric
{
    private readonly Model model;
    private readonly double threshold;
    private readonly Core.Relaxation relaxation;

    /// <summary>The sufficiency of maps of what a model predicts.</summary>
    /// <param name="model">The classifier.</param>
    /// <param name="threshold">How far two maps are apart at the most, each divided by its norm: between 0, the same direction, and
    /// 2, the opposite one; 1 is an angle of 60°.</param>
    /// <param name="relaxation">How nearness is decided; null: exactly.</param>
    /// <exception cref="ArgumentOutOfRangeException">threshold is not positive, or more than 2.</exception>
    public Sufficiency(Model model, double threshold = 1, Relaxation? relaxation = null)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(threshold);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(threshold, 2);
        (this.model, this.threshold, this.relaxation) = (model, threshold, Relaxation.InCore(relaxation));
    }

    private protected override Tensor Score(MapsAsked asked) =>
        Core.Sufficiency.scores(relaxation, threshold, asked.Classes(model, null).Classes, asked.Maps);
}

/// <summary>Consistency: of the other images whose maps, told in a few words, are the same as an image's, the share for which the model
/// predicts the same class. Between 0 and 1; higher is better.</summary>
/// <remarks>Dasgupta, Frost and Moshkovitz, Framework for evaluating faithfulness of local explanations, arXiv 2202.00734. A map is told
/// by the cells of a grid over it whose mean pixel attributions have the largest magnitudes, each with its sign. An image's score
/// needs the others, so this is a metric of a whole set. NaN where no other map is told alike, or the map is 0.</remarks>
public sealed class Consistency : MapMetric
{
    private readonly Model model;
    private readonly int grid;
    private readonly int cells;

    /// <summary>The consistency of maps of what a model predicts.</summary>
    /// <param name="model">The classifier.</param>
    /// <param name="grid">The cells of a side of the grid.</param>
    /// <param name="cells">How many of them tell a map.</param>
    /// <exception cref="ArgumentOutOfRangeException">grid or cells is less than 1, or there are less cells than asked for.</exception>
    public Consistency(Model model, int grid = 4, int cells = 2)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(grid, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(cells, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(cells, grid * grid);
        (this.model, this.grid, this.cells) = (model, grid, cells);
    }

    private protected override Tensor Score(MapsAsked asked) =>
        tensor(Core.Consistency.scores(grid, cells, asked.Classes(model, null).Classes, asked.Maps));
}
