using System.Collections;

namespace Attribution;

/// <summary>What there is in a map to read.</summary>
public enum MapState
{
    /// <summary>Some pixels are positive, and not all are the same.</summary>
    Sound,

    /// <summary>Zero everywhere: a unit held at 0, say.</summary>
    Empty,

    /// <summary>No pixel is positive.</summary>
    NothingPositive,

    /// <summary>Every pixel is the same number, but for rounding.</summary>
    Constant,

    /// <summary>It holds a NaN or an infinity.</summary>
    NotFinite,
}

/// <summary>What each of a method's maps is. A map that is not sound keeps its scores by their definitions, but takes part
/// in no rank, no comparison and no test: by most metrics an empty map, or one that keeps every pixel, is the best there
/// is.</summary>
/// <remarks>One rule for every metric, so that all compare methods on the same images: a map is judged by its pixel
/// attribution, the mean over the channels. A map without positive pixels is left out where a metric could rank its pixels
/// too, since it says of nothing that it speaks for what is explained.</remarks>
public sealed class MapStates : IReadOnlyList<MapState>
{
    private static readonly (MapState State, string Short, string Sentence)[] words =
    [
        (MapState.Empty, "zero everywhere", "is zero everywhere"),
        (MapState.Constant, "constant", "is the same number everywhere"),
        (MapState.NothingPositive, "without positive pixels", "has no positive pixel"),
        (MapState.NotFinite, "not finite", "is not finite"),
    ];

    private readonly MapState[] each;

    /// <summary>States that are known.</summary>
    public MapStates(IEnumerable<MapState> each) => this.each = [.. each];

    /// <summary>What each map is.</summary>
    /// <param name="attributions">n×c×h×w, or pixel attributions n×h×w.</param>
    /// <exception cref="ArgumentException">They have another number of dimensions.</exception>
    public static MapStates Of(Tensor attributions) =>
        new(
            MapStateModule
                .ofMaps(attributions)
                .Select(state =>
                    state.IsSound ? MapState.Sound
                    : state.IsEmpty ? MapState.Empty
                    : state.IsNothingPositive ? MapState.NothingPositive
                    : state.IsConstant ? MapState.Constant
                    : MapState.NotFinite
                )
        );

    /// <summary>As many sound maps.</summary>
    public static MapStates AllSound(int count) => new(Enumerable.Repeat(MapState.Sound, count));

    /// <summary>The number of maps.</summary>
    public int Count => each.Length;

    /// <summary>What the i-th map is.</summary>
    public MapState this[int index] => each[index];

    /// <summary>How many are sound.</summary>
    public int Sound => Positions(MapState.Sound).Count;

    /// <summary>How many are not.</summary>
    public int Unsound => Count - Sound;

    /// <summary>The maps of a state.</summary>
    public IReadOnlyList<int> Positions(MapState state) =>
        [.. each.Index().Where(map => map.Item == state).Select(map => map.Index)];

    /// <summary>"4 of 10 zero everywhere, 1 of 10 constant"; null where all are sound.</summary>
    public string? Summary => Counted(word => word.Short, ", ");

    /// <summary>The same as a sentence: "The map of saliency is zero everywhere for 4 of 10 images."; null where all are
    /// sound.</summary>
    /// <param name="method">The name of the method.</param>
    public string? Sentence(string method) =>
        Unsound == 0
            ? null
            : $"The map of {method} "
                + string.Join(" and ", Found.Select(word => $"{word.Sentence} for {word.Count} of {Count} images"))
                + ".";

    /// <summary>For files: how many are sound, and the positions of the others by what they are; null where all are sound.</summary>
    internal object? ForJson() =>
        Unsound == 0
            ? null
            : new
            {
                Sound,
                Empty = Listed(MapState.Empty),
                NothingPositive = Listed(MapState.NothingPositive),
                Constant = Listed(MapState.Constant),
                NotFinite = Listed(MapState.NotFinite),
            };

    /// <inheritdoc/>
    public IEnumerator<MapState> GetEnumerator() => each.AsEnumerable().GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    private IEnumerable<(string Short, string Sentence, int Count)> Found =>
        words.Select(word => (word.Short, word.Sentence, Positions(word.State).Count)).Where(word => word.Count > 0);

    private string? Counted(Func<(string Short, string Sentence, int Count), string> word, string separator) =>
        Unsound == 0 ? null : string.Join(separator, Found.Select(found => $"{found.Count} of {Count} {word(found)}"));

    private IReadOnlyList<int>? Listed(MapState state) => Positions(state) is { Count: > 0 } some ? some : null;
}
