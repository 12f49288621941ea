using Attribution.Pages;
using static TorchSharp.torch;

namespace Attribution;

/// <summary>Pictures of images as the model sees them.</summary>
internal static class Drawn
{
    /// <summary>A PNG of as many pixels as the image has.</summary>
    public static byte[] Image(ImageSet image)
    {
        using var scope = NewDisposeScope();
        return Drawing.encode(Drawing.bytes(image.Peak, image.Images())[0]).Png;
    }
}
