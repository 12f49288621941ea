namespace Attribution;

/// <summary>What a unit of a layer is: how its values are read as one number a unit.</summary>
public enum Units
{
    /// <summary><see cref="ChannelSum"/> where the layer has channels of several positions, as convolutions (c×h×w) and tokens
    /// (t×d) have, and where it is what the heads of an attention give, each of which is a unit; <see cref="Each"/> elsewhere.</summary>
    Auto,

    /// <summary>One number of the layer, by its row-major position: a dense unit, a feature of a token, a place in a channel.</summary>
    Each,

    /// <summary>A channel, as the sum over its positions; its influence is the sum of theirs.</summary>
    ChannelSum,

    /// <summary>A channel, as the maximum over its positions; its influence is the sum of theirs.</summary>
    ChannelMax,
}

internal static class UnitsExtensions
{
    internal static Core.Units InCore(this Units units) =>
        units switch
        {
            Units.Auto => Core.Units.Auto,
            Units.Each => Core.Units.Each,
            Units.ChannelSum => Core.Units.ChannelSum,
            Units.ChannelMax => Core.Units.ChannelMax,
            _ => throw new ArgumentOutOfRangeException(nameof(units), units, "No such reading of units."),
        };

    internal static Units FromCore(this Core.Units units) =>
        units.IsChannelSum || units.IsSumOver ? Units.ChannelSum
        : units.IsChannelMax || units.IsMaxOver ? Units.ChannelMax
        : units.IsEach ? Units.Each
        : Units.Auto;

    /// <summary>As the command line and files spell it.</summary>
    internal static string Name(this Units units) =>
        units switch
        {
            Units.Each => "each",
            Units.ChannelSum => "channel-sum",
            Units.ChannelMax => "channel-max",
            _ => "auto",
        };

    /// <summary>What people call one of them.</summary>
    internal static string Noun(this Units units) => units is Units.ChannelSum or Units.ChannelMax ? "channel" : "unit";
}
