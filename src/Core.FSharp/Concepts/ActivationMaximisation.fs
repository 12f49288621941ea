namespace Attribution.Core

open System
open Attribution
open TorchSharp

/// How an image is looked for that makes a target large.
type Ascent = {
    Steps: int
    /// The length of the first step, in the numbers of a spectrum.
    Rate: float
    /// By how much each step sees the image moved, at most: a share of its sides.
    Shift: float
    /// By how much it sees it larger or smaller, at most: a share.
    Zoom: float
    /// By how much it sees it turned, at most: degrees.
    Turn: float
    /// The number that stands for white.
    Peak: float
    /// Decides on where an ascent starts, and on what its steps see.
    Seed: int64
}

/// <summary>Images as their spectra: numbers of which each changes all of an image, the low frequencies most.</summary>
/// <remarks>An image is w σ(C F⁻¹(a ⊙ z)), z the numbers, n×c×h×(⌊w/2⌋ + 1)×2 (real and imaginary parts), F⁻¹ the orthonormal inverse
/// Fourier transform of real fields, a(u, v) = 1 / max(√(u² + v²), 1 / max(h, w)) over cycles a pixel, as the amplitudes of natural images
/// fall, C the axes of colours that natural images vary along independently, and w white. Olah, Mordvintsev and Schubert, Feature
/// visualization, Distill 2017; the axes are those of Ohta, Kanade and Sakai, Computer Graphics and Image Processing 13(3), 1980: light,
/// red against blue, green against both.</remarks>
[<RequireQualifiedAccess>]
module Spectrum =
    // Chosen: how much less the colours of natural images vary than their light.
    let private redBlue, greenPurple = 0.2, 0.13

    let private axes (like: Tensor) =
        let unit (weight: float) (axis: float list) =
            let length = sqrt (List.sumBy (fun v -> v * v) axis)
            [ for v in axis -> weight * v / length ]

        let columns = [ unit 1. [ 1.; 1.; 1. ]; unit redBlue [ 1.; 0.; -1. ]; unit greenPurple [ -1.; 2.; -1. ] ]
        torch.tensor(array2D columns).t().``to``(like.dtype, like.device)

    /// A matrix of the colours of n×3×h×w; of other channels, which are no colours, they themselves.
    let private mixed (matrix: Tensor -> Tensor) (x: Tensor) =
        if x.shape[1] = 3L then (matrix x).matmul(x.flatten 2L).reshape x.shape else x

    /// a, of fields of that height and width: h×(⌊w/2⌋ + 1).
    let amplitudes (height: int64) (width: int64) : Tensor =
        let rows = torch.fft.fftfreq (height, dtype = Nullable torch.float64)
        let columns = torch.fft.rfftfreq (width, dtype = Nullable torch.float64)
        let frequencies = (Tensor.add (Tensor.square (rows.unsqueeze 1L)) (Tensor.square columns)).sqrt()
        let least = 1. / float (max height width)
        (frequencies.clamp_min (Number.Of least)).reciprocal()

    let private sides = [| -2L; -1L |]

    /// The amplitudes in the numbers of fields, or of spectra.
    let private scale (like: Tensor) height width = (amplitudes height width).``to``(like.dtype, like.device)

    /// The shape of the spectra of n×c×h×w.
    let shape (images: int64[]) : int64[] = [| images[0]; images[1]; images[2]; images[3] / 2L + 1L; 2L |]

    /// <summary>The images of spectra: z → n×c×h×w, from 0 to white.</summary>
    /// <param name="peak">White.</param>
    /// <param name="width">w, which a spectrum tells up to one.</param>
    /// <param name="z">n×c×h×(⌊w/2⌋ + 1)×2.</param>
    let image (peak: float) (width: int64) (z: Tensor) : Tensor =
        let height = z.shape[2]
        let waves = torch.view_as_complex (z * (scale z height width).unsqueeze -1L)
        let field = torch.fft.irfft2 (waves, [| height; width |], sides, FFTNormType.Ortho)
        (mixed axes field).sigmoid() * Number.Of peak

    /// <summary>Spectra of images: what `image` makes these of.</summary>
    /// <param name="peak">White.</param>
    /// <param name="x">n×c×h×w, more than 0 and less than white.</param>
    let ofImage (peak: float) (x: Tensor) : Tensor =
        let field = mixed (fun x -> (axes x).inverse()) ((x / Number.Of peak).logit())
        let waves = torch.fft.rfft2 (field, null, sides, FFTNormType.Ortho)
        (torch.view_as_real waves) / (scale x x.shape[2] x.shape[3]).unsqueeze -1L

/// <summary>What a unit wants to see: images that make a target as large as they can.</summary>
/// <remarks>Olah, Mordvintsev and Schubert, Feature visualization, Distill 2017. The image is a spectrum's, which is found by Adam; each step
/// sees it moved, turned, and larger or smaller by chance, so that no pattern wins that single pixels make.</remarks>
[<RequireQualifiedAccess>]
module ActivationMaximisation =
    /// <summary>Images at places between their pixels, each place a mean of the four around it: n×c×h×w → n×c×h'×w'. Beyond an edge is what
    /// is on it.</summary>
    /// <param name="rows">From 0 at the middle of the first row: n×h'×w'.</param>
    /// <param name="columns">The same of columns.</param>
    /// <param name="x">n×c×h×w.</param>
    let sample (rows: Tensor) (columns: Tensor) (x: Tensor) : Tensor =
        let around (size: int64) (places: Tensor) =
            let last = Number.Of(float (size - 1L))
            let places = places.clamp (Number.Of 0., last)
            let before = places.floor ()
            before, (Tensor.shift 1. before).clamp_max last, places - before

        let top, bottom, down = around x.shape[2] rows
        let left, right, along = around x.shape[3] columns
        let flat = x.flatten 2L
        let shape = Array.append x.shape[..1] rows.shape[1..]

        // A gather has second derivatives, which libtorch's own sampling has not.
        let at (row: Tensor) (column: Tensor) =
            let places = (Tensor.add (row * Number.Of(float x.shape[3])) column).``to`` torch.int64
            (flat.gather (2L, places.flatten(1L).unsqueeze(1L).expand(-1L, x.shape[1], -1L))).reshape shape

        let between (share: Tensor) (a: Tensor) (b: Tensor) = Tensor.add a (share.unsqueeze (1L) * (b - a))
        between down (between along (at top left) (at top right)) (between along (at bottom left) (at bottom right))

    /// <summary>What a step sees of images: each moved, turned about its middle, and larger or smaller.</summary>
    /// <param name="ascent">By how much, at most.</param>
    /// <param name="chance">Four numbers from -1 to 1 for each image: n×4.</param>
    /// <param name="x">n×c×h×w.</param>
    let view (ascent: Ascent) (chance: Tensor) (x: Tensor) : Tensor =
        let height, width = x.shape[2], x.shape[3]
        let chance = chance.``to`` (x.dtype, x.device)
        let drawn (i: int64) (most: float) = chance.narrow(1L, i, 1L).unsqueeze(2L) * Number.Of most

        let centred (size: int64) =
            Number.Range(0L, size, x.device).``to``(x.dtype) |> Tensor.shift (-0.5 * float (size - 1L))

        let v, u = (centred height).reshape(1L, -1L, 1L), (centred width).reshape(1L, 1L, -1L)
        let size = Tensor.shift 1. (drawn 2L ascent.Zoom)
        let angle = drawn 3L (ascent.Turn * Math.PI / 180.)
        let across, along = size * angle.sin (), size * angle.cos ()

        let place size (moved: Tensor) (turned: Tensor) =
            Tensor.add turned moved |> Tensor.shift (0.5 * float (size - 1L))

        let rows = place height (drawn 0L (ascent.Shift * float height)) (Tensor.add (across * u) (along * v))
        let columns = place width (drawn 1L (ascent.Shift * float width)) (along * u - across * v)
        sample rows columns x

    /// A batch of the same instances, of another shape.
    let private shaped (shape: int64[]) (batch: Batch) = {
        batch with
            X = torch.empty (shape, batch.X.dtype, batch.X.device)
    }

    let private chance seed step (batch: Batch) =
        let numbers = Noise.uniform seed (int64 step + 1L) (shaped [| batch.X.shape[0]; 4L |] batch)
        Tensor.shift -1. (numbers * Number.Of 2.)

    let private requireImages (model: Model) (x: Tensor) =
        let refuse (instance: int64[]) =
            fail
                $"What a unit wants to see is looked for among images (n×c×h×w), but the model takes instances of the shape {Tensor.shapeText instance}: look at those that it is most active on."

        match Images.original model with
        | Some instance -> refuse instance
        | None when x.ndim <> 4L -> refuse x.shape[1..]
        | None -> ()

    let private requirePlain (ascent: Ascent) =
        let require name (holds: bool) what =
            if not holds then
                invalidArg name what

        require "steps" (ascent.Steps >= 1) $"An image is found in at least 1 step, but {ascent.Steps} were asked for."

        require
            "rate"
            (ascent.Rate > 0. && Double.IsFinite ascent.Rate)
            $"The first step is a number above 0, but is {ascent.Rate}."

        for name, share in [ "shift", ascent.Shift; "zoom", ascent.Zoom ] do
            require name (share >= 0. && share < 1.) $"{name} is a share from 0 to less than 1, but is {share}."

        require "turn" (ascent.Turn >= 0. && ascent.Turn <= 180.) $"turn is 0 to 180 degrees, but is {ascent.Turn}."

    /// How far from 0 a spectrum starts.
    [<Literal>]
    let private Start = 0.01

    /// <summary>Images that make the target large, one for each instance, whose shape they take and whose numbers count for nothing (n×c×h×w,
    /// from 0 to white); and the target at what each step saw, and last at the image itself (n×(steps + 1), float64).</summary>
    /// <remarks>What a quantity takes from an instance, such as its predicted class, it takes from the image that the ascent starts at. A unit
    /// that stays at 0 has no slope, and its image stays where it starts.</remarks>
    /// <exception cref="T:Attribution.AttributionException">The instances are no images.</exception>
    /// <exception cref="T:System.ArgumentException">A setting makes no sense.</exception>
    let images (ascent: Ascent) (target: Target) (batch: Batch) : Tensor * Tensor =
        requirePlain ascent
        requireImages target.Model batch.X

        let run () =
            let image = Spectrum.image ascent.Peak batch.X.shape[3]
            let start = Noise.normal ascent.Seed 0L (shaped (Spectrum.shape batch.X.shape) batch) * Number.Of Start
            let explained = Target.explained target { batch with X = image start }
            let score (x: Tensor) = (Target.score target explained x).``to`` torch.float64

            let valued step (z: Tensor) =
                let seen = view ascent (chance ascent.Seed step batch)
                let values, pull = Diff.evalReverseDiff (image >> seen >> score) z
                values, pull (torch.ones_like values)

            let found, values = Optimise.ascend ascent.Steps ascent.Rate valued start
            let found = image found
            [ found; torch.cat ([| values; (score found).unsqueeze 1L |], 1L) ]

        match Scope.runMany (fun () -> Scope.quietly run) with
        | [ found; values ] -> found, values
        | _ -> failwith "An image and its values were made."
