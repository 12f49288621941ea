namespace Attribution;

/// <summary>How an explorer is opened.</summary>
public sealed record ExplorerOptions
{
    /// <summary>The port that is taken where nobody says, the same each time so that a page's address stays good.</summary>
    public const int UsualPort = 7717;

    /// <summary>The port; 0: any that is free.</summary>
    public int Port { get; init; } = UsualPort;

    /// <summary>The IP address to listen on. Any but the loopback address is open to others, who need the token.</summary>
    public string Host { get; init; } = "127.0.0.1";

    /// <summary>What others must know; null: drawn at random.</summary>
    public string? Token { get; init; }

    /// <summary>What the classes are called.</summary>
    public ClassNames Names { get; init; } = ClassNames.None;

    /// <summary>What the model is called.</summary>
    public string Model { get; init; } = "model";

    /// <summary>Where the images came from, for people.</summary>
    public string Source { get; init; } = "";

    /// <summary>What the command line is given of the model and the images.</summary>
    public string Given { get; init; } = "--model FILE --images FOLDER";

    /// <summary>What makes the model in a program, for the lines that give the same.</summary>
    public string ModelCode { get; init; } = "Model.Load(\"FILE\")";

    /// <summary>What makes the images in a program, of <c>model</c>.</summary>
    public string ImagesCode { get; init; } = "ImageSet.LoadImages([\"FOLDER\"], model)";

    /// <summary>Whether the network and the images are those that come with the program.</summary>
    public bool IsDemo { get; init; }

    /// <summary>Decides on everything random where a question does not.</summary>
    public int Seed { get; init; } = 1;

    /// <summary>Images a pass; null: as many as memory allows, and few enough that a quick question need not wait long.</summary>
    public int? BatchSize { get; init; }

    /// <summary>The bytes of answers that are remembered.</summary>
    public long MostCached { get; init; } = 256L << 20;
}
