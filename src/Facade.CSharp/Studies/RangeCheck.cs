using System.Globalization;

namespace Attribution;

/// <summary>Looks at the values of images beside a model's preprocessing, for pairs that cannot be meant.</summary>
public static class RangeCheck
{
    private const double White = 255;

    // JPEG's and resizing's overshoot is less.
    private const double LeastOutside = 0.01;

    /// <summary>The images as the model's preprocessing takes them. Floats that all lie in 0-1 are multiplied by 255 where it is
    /// for pixels from 0 to 255, which is noted; and it is noted where values are negative, as preprocessed ones are, or
    /// larger than it can be meant for.</summary>
    /// <param name="model">The classifier.</param>
    /// <param name="images">Its images; the set that is returned takes their place.</param>
    public static ImageSet Fit(Model model, ImageSet images)
    {
        if (model.Preprocessing is not { } steps || steps == Preprocessing.None || steps == new Preprocessing())
            return images;
        var (least, most) = images.Range;
        if (steps.IsForBytes && images.Peak == 1 && most > 0)
            return images.Adjusted(
                (float)White,
                $"The images' values lie in 0-1, and the model's preprocessing ({steps}) is for pixels from 0 to 255: they are multiplied by 255. (Save X as bytes if they are pixels that are nearly black.)"
            );
        var range = string.Create(CultureInfo.InvariantCulture, $"{least:G4} to {most:G4}");
        if (least < -LeastOutside)
            return images.Noting(
                $"The images' values are {range}: with negative ones they seem to be preprocessed already, and the model's preprocessing ({steps}) is done to them too; say --preprocess none, or save pixels from 0 to 255."
            );
        if (steps.IsForBytes && most > White + 1)
            return images.Noting(
                $"The images' values are {range}, and the model's preprocessing ({steps}) is for pixels from 0 to 255: save them in that range, or say what they are divided by with --scale."
            );
        if (steps.IsForUnit && most > 2)
            return images.Noting(
                $"The images' values go up to {most.ToString("G4", CultureInfo.InvariantCulture)}, and the model's preprocessing ({steps}) is for pixels from 0 to 1: say --scale 255 too."
            );
        return images;
    }
}
