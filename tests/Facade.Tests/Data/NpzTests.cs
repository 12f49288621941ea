using System;
using System.Buffers.Binary;
using System.Diagnostics;
using System.IO;
using System.IO.Compression;
using System.Linq;
using Attribution;
using Expecto;
using Expecto.CSharp;
using TorchSharp;
using static TorchSharp.torch;

namespace Facade.Tests;

public static class NpzTests
{
    private static readonly ScalarType[] types =
    [
        ScalarType.Bool,
        ScalarType.Byte,
        ScalarType.Int8,
        ScalarType.Int16,
        ScalarType.Int32,
        ScalarType.Int64,
        ScalarType.Float16,
        ScalarType.Float32,
        ScalarType.Float64,
    ];

    private static byte[] Zip(CompressionLevel level, params (string Name, byte[] Bytes)[] members)
    {
        using var memory = new MemoryStream();
        using (var zip = new ZipArchive(memory, ZipArchiveMode.Create))
            foreach (var (name, bytes) in members)
            {
                using var member = zip.CreateEntry(name, level).Open();
                member.Write(bytes);
            }
        return memory.ToArray();
    }

    private static byte[] Bytes(int count) => [.. Enumerable.Range(0, count).Select(i => (byte)(i / 7))];

    private static byte[] Array(int count) => NpyTests.File(NpyTests.Header("|u1", $"({count},)"), Bytes(count));

    private static string Save(string folder, byte[] bytes)
    {
        var path = Path.Combine(folder, "a.npz");
        File.WriteAllBytes(path, bytes);
        return path;
    }

    private static void ReadAll(string path)
    {
        using var file = NpzFile.Open(path);
        foreach (var name in file.Names)
        {
            _ = file.Header(name);
            file.Read(name).Dispose();
        }
    }

    // Where the archive's table of contents begins; a member's sizes stand 20 and 24 bytes on.
    private static int Contents(byte[] zip) => zip.AsSpan().IndexOf("PK\x01\x02"u8);

    private static byte[] Patched(byte[] zip, int at, uint value)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(zip.AsSpan(at), value);
        return zip;
    }

    public static Test Tests =>
        Runner.TestList(
            "An .npz file",
            [
                Check.InFolder(
                    "returns what was written, of every type and shape",
                    folder =>
                    {
                        using var scope = NewDisposeScope();
                        var path = Path.Combine(folder, "new", "a.npz");
                        long[][] shapes =
                        [
                            [],
                            [0],
                            [5],
                            [2, 0, 3],
                            [4, 3, 2],
                            [100_000, 3],
                        ];
                        var written =
                            from type in types
                            from shape in shapes
                            select (
                                $"{type} {string.Join("x", shape)}",
                                arange(shape.Aggregate(1L, (p, d) => p * d)).remainder(2).to(type).view(shape)
                            );
                        var all = written.ToArray();
                        using (var writer = new NpzWriter(path))
                        {
                            foreach (var (name, values) in all)
                                writer.Add(name, values);
                            writer.Commit();
                        }
                        using var file = NpzFile.Open(path);
                        Check.Same(file.Names, [.. all.Select(a => a.Item1)]);
                        foreach (var (name, values) in all)
                        {
                            var header = file.Header(name);
                            var read = file.Read(name);
                            Expect.equal(header.Type, values.dtype, name);
                            Expect.equal(read.dtype, values.dtype, name);
                            Check.Same(header.Shape, values.shape);
                            Check.Same(read, values);
                        }
                    }
                ),
                Check.InFolder(
                    "holds a view of a tensor as its elements in order",
                    folder =>
                    {
                        using var scope = NewDisposeScope();
                        var path = Path.Combine(folder, "a.npz");
                        var values = arange(24, ScalarType.Float32).view(2, 3, 4).requires_grad_().permute(2, 0, 1);
                        using (var writer = new NpzWriter(path))
                        {
                            writer.Add("view", values);
                            writer.Add("ints", [3, -1, long.MaxValue]);
                            writer.Commit();
                        }
                        using var file = NpzFile.Open(path);
                        Check.Same(file.Read("view"), values);
                        Check.Same<long>(file.ReadInts("ints"), 3, -1, long.MaxValue);
                    }
                ),
                Check.InFolder(
                    "is written a batch at a time, several arrays in step",
                    folder =>
                    {
                        using var scope = NewDisposeScope();
                        var path = Path.Combine(folder, "a.npz");
                        var maps = rand(7, 2, 3);
                        using (var writer = new NpzWriter(path))
                        {
                            var a = writer.AddStreamed("a", ScalarType.Float32, 7, 2, 3);
                            writer.Add("between", [1]);
                            var b = writer.AddStreamed("b", ScalarType.Float64, 7, 2);
                            foreach (var range in new[] { ..3, 3..3, 3..7 })
                            {
                                a.Append(maps[TensorIndex.Slice(range.Start.Value, range.End.Value)]);
                                b.Append(maps[TensorIndex.Slice(range.Start.Value, range.End.Value)].sum(2));
                            }
                            writer.Commit();
                        }
                        using var file = NpzFile.Open(path);
                        Check.Same(file.Read("a"), maps);
                        Check.Same(file.Read("b"), maps.sum(2).to(ScalarType.Float64));
                        Check.Same(Directory.GetFiles(folder), path);
                    }
                ),
                Check.InFolder(
                    "whose streamed array lacks rows, or would have too many, is not written",
                    folder =>
                    {
                        using var scope = NewDisposeScope();
                        using var writer = new NpzWriter(Path.Combine(folder, "a.npz"));
                        var rows = writer.AddStreamed("a", ScalarType.Float32, 3, 2);
                        rows.Append(zeros(2, 2));
                        foreach (var wrong in new[] { zeros(2, 2), zeros(1, 3), zeros(2) })
                            Expect.isTrue(Throws<ArgumentException>(() => rows.Append(wrong)), "the rows");
                        Expect.isTrue(Throws<InvalidOperationException>(writer.Commit), "the end");
                    }
                ),
                Check.InFolder(
                    "that was not committed leaves the older one and nothing else",
                    folder =>
                    {
                        var path = Save(folder, [1, 2, 3]);
                        using (var writer = new NpzWriter(path))
                        {
                            writer.Add("a", [1]);
                            writer.AddStreamed("b", ScalarType.Float32, 1);
                            Expect.isTrue(Throws<ArgumentException>(() => writer.Add("a", [1])), "a name twice");
                        }
                        Check.Same(Directory.GetFiles(folder), path);
                        Check.Same<byte>(File.ReadAllBytes(path), 1, 2, 3);
                    }
                ),
                Check.InFolder(
                    "cannot be written through a file, onto a folder or of bfloat16",
                    folder =>
                    {
                        var file = Save(folder, [1]);
                        Check.Refuses(() => new NpzWriter(Path.Combine(file, "b.npz")), "folder", file);
                        Check.Refuses(() => new NpzWriter(folder + "/"), folder);
                        Directory.CreateDirectory(Path.Combine(folder, "d.npz"));
                        using var writer = new NpzWriter(Path.Combine(folder, "d.npz"));
                        using var values = zeros(1, ScalarType.BFloat16);
                        Check.Refuses(() => writer.Add("a", values), "BFloat16");
                        Check.Refuses(writer.Commit, "d.npz");
                    }
                ),
                Check.InFolder(
                    "gives whole numbers from floats, and refuses others",
                    folder =>
                    {
                        using var scope = NewDisposeScope();
                        var path = Path.Combine(folder, "a.npz");
                        using (var writer = new NpzWriter(path))
                        {
                            writer.Add("whole", tensor([1.0, -2.0]));
                            writer.Add("half", tensor([1.5]));
                            writer.Add("nan", tensor([float.NaN]));
                            writer.Add("huge", tensor([1e300]));
                            writer.Commit();
                        }
                        using var file = NpzFile.Open(path);
                        Check.Same<long>(file.ReadInts("whole"), 1, -2);
                        foreach (var name in new[] { "half", "nan", "huge" })
                            Check.Refuses(() => file.ReadInts(name), name, path, "whole numbers");
                    }
                ),
                Check.InFolder(
                    "is read whether stored or deflated, and leaves other members out",
                    folder =>
                    {
                        foreach (
                            var level in new[]
                            {
                                CompressionLevel.NoCompression,
                                CompressionLevel.Fastest,
                                CompressionLevel.SmallestSize,
                            }
                        )
                        {
                            var path = Save(
                                folder,
                                Zip(level, ("a.npy", Array(700_000)), ("note.txt", [1]), ("b/c.npy", Array(0)))
                            );
                            using var file = NpzFile.Open(path);
                            Check.Same(file.Names, "a", "b/c");
                            Expect.isTrue(file.Contains("a") && !file.Contains("note.txt"), "contains");
                            using var read = file.Read("a");
                            Check.Same(read.data<byte>().ToArray(), Bytes(700_000));
                            Check.Refuses(() => file.Read("x"), path, "'x'", "'b/c'");
                        }
                    }
                ),
                Check.InFolder(
                    "whose member's bytes do not match their checksum is refused",
                    folder =>
                    {
                        var zip = Zip(CompressionLevel.NoCompression, ("a.npy", Array(1000)));
                        zip[500] ^= 1;
                        var path = Save(folder, zip);
                        Check.Refuses(() => ReadAll(path), path, "'a'", "damaged");
                    }
                ),
                Check.InFolder(
                    "that claims more than its bytes can hold is refused before memory is taken",
                    folder =>
                    {
                        const uint Huge = 2_000_000_000;
                        foreach (var level in new[] { CompressionLevel.NoCompression, CompressionLevel.Fastest })
                        {
                            var array = NpyTests.File(NpyTests.Header("|u1", $"({Huge},)"), Bytes(1000));
                            var zip = Zip(level, ("a.npy", array));
                            var path = Save(
                                folder,
                                Patched(zip, Contents(zip) + 24, Huge + (uint)(array.Length - 1000))
                            );
                            var before = GC.GetAllocatedBytesForCurrentThread();
                            // Reading on would end as 'cut short' instead.
                            Check.Refuses(() => ReadAll(path), path, "'a'", "damaged");
                            Expect.isLessThan(GC.GetAllocatedBytesForCurrentThread() - before, 10_000_000L, "memory");
                        }
                    }
                ),
                Check.InFolder(
                    "with a name twice, an encrypted member, or one compressed otherwise, is refused",
                    folder =>
                    {
                        var twice = Save(
                            folder,
                            Zip(CompressionLevel.Fastest, ("a.npy", Array(1)), ("a.npy", Array(1)))
                        );
                        Check.Refuses(() => NpzFile.Open(twice), twice, "twice");
                        var zip = Zip(CompressionLevel.NoCompression, ("a.npy", Array(1)));
                        zip[6] |= 1;
                        zip[Contents(zip) + 8] |= 1;
                        var encrypted = Save(folder, zip);
                        Check.Refuses(() => ReadAll(encrypted), encrypted, "'a'", "encrypted");
                        // Methods of compression that NumPy reads, and .NET does not: bzip2 and LZMA.
                        foreach (var method in new byte[] { 12, 14 })
                        {
                            var other = Zip(CompressionLevel.Fastest, ("a.npy", Array(100)));
                            other[8] = other[Contents(other) + 10] = method;
                            var squeezed = Save(folder, other);
                            Check.Refuses(() => ReadAll(squeezed), squeezed, "'a'", "numpy.savez_compressed");
                        }
                    }
                ),
                Check.InFolder(
                    "that is missing, a folder, or of another format is refused by name",
                    folder =>
                    {
                        Check.Refuses(
                            () => NpzFile.Open(Path.Combine(folder, "none.npz")),
                            "none.npz",
                            "does not exist"
                        );
                        Check.Refuses(() => NpzFile.Open(folder), folder);
                        var other = Save(folder, Array(3));
                        Check.Refuses(() => NpzFile.Open(other), other, "another format");
                        if (OperatingSystem.IsLinux())
                            Check.Refuses(() => NpzFile.Open("/dev/zero"), "/dev/zero");
                    }
                ),
                // Alone, so that the memory of other tests is not counted.
                Runner.TestSequenced(
                    Runner.TestList(
                        "that is damaged",
                        [
                            Check.InFolder(
                                "by being cut short anywhere is refused",
                                folder =>
                                {
                                    foreach (
                                        var level in new[] { CompressionLevel.NoCompression, CompressionLevel.Fastest }
                                    )
                                    {
                                        var whole = Small(level);
                                        for (var length = 0; length < whole.Length; length++)
                                        {
                                            var path = Save(folder, whole[..length]);
                                            Check.Refuses(() => ReadAll(path), path);
                                        }
                                    }
                                }
                            ),
                            Check.InFolder(
                                "in any of 3000 ways is refused, or read, in little memory",
                                folder =>
                                {
                                    var random = new Random(1111);
                                    using var process = Process.GetCurrentProcess();
                                    var before = process.PeakWorkingSet64;
                                    var refused = 0;
                                    for (var i = 0; i < 3000; i++)
                                    {
                                        var zip = Small(
                                            i % 2 == 0 ? CompressionLevel.NoCompression : CompressionLevel.Fastest
                                        );
                                        Damage(zip, random);
                                        var path = Save(folder, zip);
                                        try
                                        {
                                            ReadAll(path);
                                        }
                                        catch (AttributionException)
                                        {
                                            refused++;
                                        }
                                    }
                                    process.Refresh();
                                    Expect.isGreaterThan(refused, 1000, "most damage shows");
                                    Expect.isLessThan(process.PeakWorkingSet64 - before, 100_000_000L, "memory");
                                }
                            ),
                        ]
                    )
                ),
                Check.Shared(
                    "of the course's layout is read with its types and shapes",
                    "data/cifar10-real.npz",
                    path =>
                    {
                        using var file = NpzFile.Open(path);
                        Check.Same(file.Header("X").Shape, 42, 32, 32, 3);
                        Expect.equal(file.ReadInts("Y").Length, 42, "Y");
                        using var x = file.Read("X");
                        Expect.equal(x.dtype, file.Header("X").Type, "X");
                    }
                ),
                Check.Shared(
                    "of weights has every name and a shape for each",
                    "models/vgg16-tiny.npz",
                    path =>
                    {
                        using var file = NpzFile.Open(path);
                        Expect.equal(file.Names.Count, 32, "13 convolutions and 3 dense layers, weights and biases");
                        Check.Same(file.Header("conv1_1_W").Shape.Take(3), 3, 3, 3);
                        ReadAll(path);
                    }
                ),
            ]
        );

    private static byte[] Small(CompressionLevel level) =>
        Zip(
            level,
            ("X.npy", NpyTests.File(NpyTests.Header("<f4", "(2, 3, 4)"), Bytes(96))),
            ("Y.npy", NpyTests.File(NpyTests.Header(">i2", "(2,)", fortran: true), Bytes(4)))
        );

    // A flipped bit, or a run of up to eight bytes set to one value or to random ones.
    private static void Damage(byte[] bytes, Random random)
    {
        var at = random.Next(bytes.Length);
        var run = bytes.AsSpan(at, Math.Min(random.Next(1, 9), bytes.Length - at));
        switch (random.Next(3))
        {
            case 0:
                bytes[at] ^= (byte)(1 << random.Next(8));
                break;
            case 1:
                run.Fill((byte)random.Next(256));
                break;
            default:
                random.NextBytes(run);
                break;
        }
    }

    private static bool Throws<T>(Action act)
        where T : Exception
    {
        try
        {
            act();
            return false;
        }
        catch (T)
        {
            return true;
        }
    }
}
