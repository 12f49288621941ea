using System;
using System.IO;
using System.Linq;
using Attribution;
using Expecto;
using Expecto.CSharp;
using TorchSharp;
using static TorchSharp.torch;

namespace Facade.Tests;

public static class ImageSetTests
{
    private static string Save(string folder, params (string Name, Tensor Values)[] arrays)
    {
        var path = Path.Combine(folder, "set.npz");
        using var writer = new NpzWriter(path);
        foreach (var (name, values) in arrays)
            writer.Add(name, values);
        writer.Commit();
        return path;
    }

    // Image i is filled with the value i.
    private static Tensor Numbered(int count) =>
        arange(count, ScalarType.Float32).view(-1, 1, 1, 1).expand(count, 3, 2, 2);

    private static ImageSet Five() =>
        ImageSet.FromTensor(Numbered(5), [7, 8, 7, 9, 8], [7, 7, 7, 9, 8], [100, 200, 100, 300, 400]);

    private static float[] Values(ImageSet set)
    {
        using var scope = NewDisposeScope();
        return set.Images()[.., 0, 0, 0].data<float>().ToArray();
    }

    private static Test InScope(string name, Action test) => Check.InScope(name, test);

    private static Test InScope(string name, Action<string> test) =>
        Check.InFolder(
            name,
            folder =>
            {
                using var scope = NewDisposeScope();
                test(folder);
            }
        );

    public static Test Tests =>
        Runner.TestList(
            "An image set",
            [
                InScope(
                    "of a file has its channels moved before its rows, in any element type",
                    folder =>
                    {
                        var x = arange(2 * 4 * 5 * 3).view(2, 4, 5, 3);
                        foreach (
                            var type in new[]
                            {
                                ScalarType.Byte,
                                ScalarType.Int32,
                                ScalarType.Float16,
                                ScalarType.Float64,
                            }
                        )
                        {
                            var path = Save(
                                folder,
                                ("X", x.to(type)),
                                ("Y", tensor([3, 4])),
                                ("Pred", tensor([3.0, 5.0])),
                                ("Idx", tensor([9L, 9L]))
                            );
                            using var set = ImageSet.LoadNpz(path);
                            Check.Same([set.Count, set.Height, set.Width, set.Channels], 2, 4, 5, 3);
                            Expect.equal(set.Peak, 255f, "white");
                            var images = set.Images();
                            Expect.equal(images.dtype, ScalarType.Float32, "type");
                            Expect.isTrue(images.is_contiguous(), "contiguous");
                            Check.Same(images, x.permute(0, 3, 1, 2).to(ScalarType.Float32));
                            Check.Same(set.TrueClasses, 3, 4);
                            Check.Same(set.PredictedClasses, 3, 5);
                            Check.Same(set.Ids, 9, 9);
                        }
                    }
                ),
                InScope(
                    "may stand alone in an npy file, or be one image",
                    folder =>
                    {
                        var path = Path.Combine(folder, "x.npy");
                        void Save(Tensor x)
                        {
                            byte[] header = NpyHeader.Write(x.dtype, x.shape);
                            File.WriteAllBytes(path, [.. header, .. x.data<byte>().ToArray()]);
                        }
                        var x = arange(2 * 4 * 5 * 3).view(2, 4, 5, 3).to(ScalarType.Byte);
                        Save(x);
                        using (var set = ImageSet.LoadNpz(path))
                        {
                            Check.Same(set.Images(), x.permute(0, 3, 1, 2).to(ScalarType.Float32));
                            Check.Refuses(() => _ = set.TrueClasses, "x.npy", "'Y'");
                        }
                        Save(x[0].contiguous());
                        using (var one = ImageSet.LoadNpz(path))
                            Check.Same(one.Images(), x[..1].permute(0, 3, 1, 2).to(ScalarType.Float32));
                        using (var one = ImageSet.LoadNpz(ImageSetTests.Save(folder, ("X", x[0]))))
                            Check.Same(one.Images().shape, 1, 3, 4, 5);
                        Save(ones(7, ScalarType.Byte));
                        Check.Refuses(() => ImageSet.LoadNpz(path), "x.npy", "n x height x width x channels");
                    }
                ),
                InScope(
                    "is multiplied by 255 where its values are 0-1 and preprocessing is for 0-255, and other ranges are noted",
                    folder =>
                    {
                        using var module = nn.Flatten();
                        Model Taking(Preprocessing? steps) =>
                            Model.LoadOnnx(
                                new OnnxGraph(0, 3, 2, 2).Node("Flatten", "x", "y").Save(folder, "y"),
                                steps
                            );
                        ImageSet Fit(Model model, Tensor x) =>
                            RangeCheck.Fit(model, ImageSet.FromTensor(x.expand(2, 3, 2, 2).clone()));
                        var unit = tensor(new[] { 0f, 0.25f, 0.5f, 1f }).view(1, 1, 2, 2);
                        var bytes = (unit * 255).round();
                        foreach (var steps in new[] { Preprocessing.ImageNet, Preprocessing.Caffe, Preprocessing.Unit })
                        {
                            using var model = Taking(steps);
                            using var set = Fit(model, unit);
                            Check.Same(set.Images(), (unit * 255).expand(2, 3, 2, 2));
                            Expect.equal(set.Peak, 255f, "white");
                            Check.Same(set.Take([1]).Notes.Select(n => n.Contains("multiplied by 255")), true);
                            using var fitting = Fit(model, bytes);
                            Check.Same(fitting.Images(), bytes.expand(2, 3, 2, 2));
                            Check.Same(fitting.Notes);
                            // Bytes are pixels, however dark.
                            using var dark = Fit(model, ones(1, 1, 1, 1, ScalarType.Byte));
                            Check.Same(dark.Notes);
                            using var black = Fit(model, zeros(1, 1, 1, 1));
                            Check.Same(black.Notes);
                            using var normalised = Fit(model, unit * 4 - 2);
                            Check.Same(normalised.Notes.Select(n => n.Contains("--preprocess none")), true);
                            using var wide = Fit(model, (unit * 65535).to(ScalarType.Int32));
                            Check.Same(wide.Notes.Select(n => n.Contains("--scale")), true);
                        }
                        using var small = Taking(new Preprocessing(mean: [0.5], std: [0.25]));
                        using var large = Fit(small, bytes);
                        Check.Same(large.Notes.Select(n => n.Contains("--scale 255")), true);
                        Check.Same(large.Images(), bytes.expand(2, 3, 2, 2));
                        using var right = Fit(small, unit);
                        Check.Same(right.Notes);
                        foreach (var steps in new[] { null, Preprocessing.None })
                        {
                            using var plain = Taking(steps);
                            foreach (var x in new[] { unit, bytes, unit - 2 })
                            {
                                using var same = Fit(plain, x);
                                Check.Same(same.Notes);
                            }
                        }
                    }
                ),
                InScope(
                    "of a file without channels has one",
                    folder =>
                    {
                        using var set = ImageSet.LoadNpz(Save(folder, ("X", ones(2, 4, 5, ScalarType.Byte))));
                        Check.Same(set.Images().shape, 2, 1, 4, 5);
                    }
                ),
                InScope(
                    "that lacks classes or ids says which array is missing",
                    folder =>
                    {
                        using var set = ImageSet.LoadNpz(Save(folder, ("X", ones(2, 4, 5, 3))));
                        Expect.isFalse(set.HasTrueClasses || set.HasPredictedClasses || set.HasIds, "has");
                        Check.Refuses(() => _ = set.TrueClasses, "set.npz", "'Y'");
                        Check.Refuses(() => _ = set.PredictedClasses, "set.npz", "'Pred'");
                        Check.Refuses(() => _ = set.Ids, "set.npz", "'Idx'");
                        Check.Refuses(() => set.Where(1), "'Y'");
                        Check.Refuses(() => set.TakeIds([1]), "'Idx'");
                    }
                ),
                InScope(
                    "of a file whose arrays do not fit together is refused by name",
                    folder =>
                    {
                        var x = ones(2, 4, 5, 3);
                        void Refuses(string word, params (string, Tensor)[] arrays)
                        {
                            var path = Save(folder, arrays);
                            Check.Refuses(() => ImageSet.LoadNpz(path), path, word);
                        }
                        Refuses("'X'", ("Y", ones(2)));
                        Refuses("3 true classes", ("X", x), ("Y", ones(3)));
                        Refuses("1 predicted classes", ("X", x), ("Pred", ones(1)));
                        Refuses("3 ids", ("X", x), ("Idx", ones(3)));
                        Refuses("whole numbers", ("X", x), ("Y", ones(2) * 0.5));
                        Refuses("2 x 4", ("X", ones(2, 4)));
                        Refuses("0 x 4 x 5 x 3", ("X", ones(0, 4, 5, 3)));
                        Refuses("channels first", ("X", ones(2, 3, 4, 5)));
                    }
                ),
                InScope(
                    "of floats in 0-1 has white at 1",
                    () =>
                    {
                        foreach (
                            var (values, peak) in new[]
                            {
                                (ones(1, 3, 2, 2), 1f),
                                (ones(1, 3, 2, 2) * 1.01, 255f),
                                (ones(1, 3, 2, 2) * -0.1, 255f),
                                (ones(1, 3, 2, 2, ScalarType.Byte), 255f),
                            }
                        )
                        {
                            using var set = ImageSet.FromTensor(values);
                            Expect.equal(set.Peak, peak, $"{values.max().ToSingle()}");
                        }
                    }
                ),
                InScope(
                    "names the image whose values are not finite, and gives the others",
                    () =>
                    {
                        foreach (var bad in new[] { float.NaN, float.PositiveInfinity })
                        {
                            var x = ones(4, 3, 2, 2);
                            x[2, 1, 0, 1] = bad;
                            using var set = ImageSet.FromTensor(x);
                            Check.Same(set.Images(..2).shape, 2, 3, 2, 2);
                            Check.Refuses(() => set.Images(1..4), "image 2", "finite");
                            Check.Refuses(() => set.Take([3, 2]).Images(), "image 2");
                        }
                    }
                ),
                InScope(
                    "gives any range of its images",
                    () =>
                    {
                        using var set = Five();
                        Check.Same(set.Images(1..3)[.., 0, 0, 0].data<float>().ToArray(), 1f, 2f);
                        Check.Same(set.Images(^1..)[.., 0, 0, 0].data<float>().ToArray(), 4f);
                        Check.Same(set.Images(2..2).shape, 0, 3, 2, 2);
                        Check.Same(Values(set), 0, 1, 2, 3, 4);
                    }
                ),
                InScope(
                    "of some images keeps what is known of each",
                    () =>
                    {
                        using var set = Five();
                        var taken = set.Take([4, 0, 4]);
                        Check.Same(Values(taken), 4, 0, 4);
                        Check.Same(taken.TrueClasses, 8, 7, 8);
                        Check.Same(taken.PredictedClasses, 8, 7, 8);
                        Check.Same(taken.Ids, 400, 100, 400);
                        Check.Same(Values(taken.Take([1])), 0);
                        Check.Same(Values(set.Where(8, 9)), 1, 3, 4);
                        Check.Same(Values(set.Where(8).Take([1])), 4);
                        Check.Same(Values(set.TakeIds([300, 100])), 3, 0, 2);
                    }
                ),
                InScope(
                    "says what there is when asked for what there is not",
                    () =>
                    {
                        using var set = Five();
                        Check.Refuses(() => set.Take([1, 5]), "5", "0 to 4");
                        Check.Refuses(() => set.Take([-1]), "-1", "0 to 4");
                        Check.Refuses(() => set.Take([]), "index");
                        Check.Refuses(() => set.Where(1), "class 1", "7, 8, 9");
                        Check.Refuses(() => set.TakeIds([100, 5]), "id 5", "100, 200, 300, 400");
                        Check.Refuses(() => set.WithTrueClasses([1]), "5 images", "1 true classes");
                        Check.Refuses(() => set.WithPredictedClasses([]), "0 predicted classes");
                    }
                ),
                InScope(
                    "takes classes from a program",
                    () =>
                    {
                        using var set = Five();
                        var other = set.WithTrueClasses([1, 2, 3, 1, 2]).WithPredictedClasses([5, 5, 5, 5, 5]);
                        Check.Same(Values(other.Where(1)), 0, 3);
                        Check.Same(other.PredictedClasses, 5, 5, 5, 5, 5);
                        Check.Same(set.TrueClasses, 7, 8, 7, 9, 8);
                    }
                ),
                InScope(
                    "labels an image by its id, or else by its place in the whole set",
                    () =>
                    {
                        using var set = Five();
                        Expect.equal(set.Take([3]).Label(0), "300", "id");
                        using var bare = ImageSet.FromTensor(Numbered(5));
                        Expect.equal(bare.Take([3]).Label(0), "3", "place");
                    }
                ),
                Runner.TestCase(
                    "outlives the scope it was made in, and its subsets do not free it",
                    () =>
                    {
                        ImageSet set;
                        using (NewDisposeScope())
                            set = Five();
                        set.Take([1]).Dispose();
                        Check.Same(Values(set), 0, 1, 2, 3, 4);
                        Tensor images;
                        using (NewDisposeScope())
                            images = set.Images();
                        Expect.isTrue(images.IsInvalid, "a batch belongs to its scope");
                        set.Dispose();
                    }
                ),
                InScope(
                    "does not want a tensor of other dimensions",
                    () =>
                    {
                        foreach (var wrong in new[] { ones(3, 2, 2), ones(0, 3, 2, 2) })
                            try
                            {
                                ImageSet.FromTensor(wrong);
                                throw new InvalidOperationException("accepted");
                            }
                            catch (ArgumentException e)
                            {
                                Expect.equal(e.ParamName, "x", "the argument");
                            }
                    }
                ),
                Check.Shared(
                    "of real photographs is loaded with all that is known of them",
                    "data/cifar10-real.npz",
                    path =>
                    {
                        using var scope = NewDisposeScope();
                        using var set = ImageSet.LoadNpz(path);
                        Check.Same([set.Count, set.Channels, set.Height, set.Width], 42, 3, 32, 32);
                        Expect.isTrue(set.HasTrueClasses && set.HasPredictedClasses && set.HasIds, "known");
                        Expect.equal(set.Peak, 255f, "white");
                        Expect.equal(
                            set.Where((int)set.TrueClasses[0]).TrueClasses.Distinct().Single(),
                            set.TrueClasses[0],
                            "class"
                        );
                    }
                ),
            ]
        );
}
