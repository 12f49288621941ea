using System.Collections.Generic;
using System.Linq;

namespace Attribution;

/// <summary>Blocks of one width.</summary>
/// <param name="Width">The numbers of a token.</param>
/// <param name="Depth">How many blocks.</param>
/// <param name="Heads">The heads of an attention.</param>
/// <param name="Window">The side of the windows within which tokens hear each other, every second block's moved by half of it; 0: all
/// hear all.</param>
internal sealed record TransformerStage(int Width, int Depth, int Heads, int Window);

/// <summary>What a transformer for scenes is made of. Between stages, four neighbours become one token.</summary>
/// <param name="Patch">The side of a token's patch, in pixels.</param>
/// <param name="Stem">The channels of the convolutions that make tokens of patches, 3×3 in steps of two, before the last, which gives the
/// first stage's width (Xiao et al., arXiv 2106.14881); none: one layer of whole patches.</param>
/// <param name="HasToken">Whether a class token is read in the end, or else the mean of all.</param>
/// <param name="Stages">The blocks.</param>
internal sealed record TransformerShape(
    int Patch,
    IReadOnlyList<int> Stem,
    bool HasToken,
    IReadOnlyList<TransformerStage> Stages
)
{
    /// <summary>How much wider the layer between a block's two dense layers is.</summary>
    public const int Wider = 2;

    /// <summary>A vision transformer (Dosovitskiy et al., arXiv 2010.11929).</summary>
    public static TransformerShape Vit { get; } = new(8, [24, 48], true, [new(76, 4, 4, 0)]);

    /// <summary>One with windows that move, and patches that are merged (Liu et al., arXiv 2103.14030).</summary>
    public static TransformerShape Swin { get; } = new(4, [32], false, [new(48, 2, 3, 4), new(96, 2, 6, 4)]);

    /// <summary>The convolutions that make tokens: how many channels from and to, and the kernel's side, step and padding.</summary>
    public IEnumerable<(string Name, int From, int To, int Kernel, int Step, int Padding)> Embedding
    {
        get
        {
            int[] channels = [3, .. Stem, Stages[0].Width];
            return channels
                .Zip(channels.Skip(1))
                .Select(
                    (pair, i) =>
                        Stem.Count == 0
                            ? ($"embed.{i}", pair.First, pair.Second, Patch, Patch, 0)
                            : ($"embed.{i}", pair.First, pair.Second, 3, 2, 1)
                );
        }
    }

    /// <summary>The tokens of a side in the first stage.</summary>
    public int Side => ConceptScenes.Size / Patch;

    /// <summary>The blocks in their order: the stage, the block's number in the stage, and the tokens of a side there.</summary>
    public IEnumerable<(TransformerStage Stage, string Name, int Side, bool IsMoved)> Blocks =>
        Stages.SelectMany(
            (stage, i) =>
                Enumerable
                    .Range(0, stage.Depth)
                    .Select(block =>
                        (stage, $"stages.{i}.blocks.{block}", Side >> i, stage.Window > 0 && block % 2 == 1)
                    )
        );
}
