using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Text;
using Attribution;
using Expecto;
using Expecto.CSharp;
using TorchSharp;
using static TorchSharp.torch;

namespace Facade.Tests;

public static class NpyTests
{
    /// <summary>A file as NumPy writes it: the data follows as given.</summary>
    internal static byte[] File(string header, byte[] data, int version = 1)
    {
        var text = Encoding.Latin1.GetBytes(header);
        var length = BitConverter.GetBytes(text.Length)[..(version == 1 ? 2 : 4)];
        return [0x93, .. "NUMPY"u8, (byte)version, 0, .. length, .. text, .. data];
    }

    internal static string Header(string descr, string shape, bool fortran = false) =>
        $"{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}\n";

    // For each of NumPy's codes: six values, their bytes, and the type they are read as.
    private static readonly (string Code, double[] Values, Func<double, byte[]> Bytes, ScalarType Type)[] kinds =
    [
        ("b1", [0, 1, 1, 0, 1, 0], v => [(byte)v], ScalarType.Bool),
        ("u1", [0, 1, 127, 128, 200, 255], v => [(byte)v], ScalarType.Byte),
        ("i1", [0, 1, 127, -128, -1, 5], v => [(byte)(sbyte)v], ScalarType.Int8),
        ("u2", [0, 1, 256, 32768, 65535, 5], v => BitConverter.GetBytes((ushort)v), ScalarType.Int32),
        ("i2", [0, 1, 256, -32768, -1, 32767], v => BitConverter.GetBytes((short)v), ScalarType.Int16),
        ("u4", [0, 1, 65536, 2147483648, 4294967295, 5], v => BitConverter.GetBytes((uint)v), ScalarType.Int64),
        ("i4", [0, 1, 65536, -2147483648, -1, 2147483647], v => BitConverter.GetBytes((int)v), ScalarType.Int32),
        ("u8", [0, 1, 4294967296, 1L << 53, 4, 5], v => BitConverter.GetBytes((ulong)v), ScalarType.Int64),
        ("i8", [0, 1, 4294967296, -(1L << 53), -1, 5], v => BitConverter.GetBytes((long)v), ScalarType.Int64),
        ("f2", [0, 1, -2.5, 65504, 0.125, 5], v => BitConverter.GetBytes((Half)v), ScalarType.Float16),
        ("f4", [0, 1, -2.5, 1e10f, 0.1f, 5], v => BitConverter.GetBytes((float)v), ScalarType.Float32),
        ("f8", [0, 1, -2.5, 1e300, 0.1, 5], v => BitConverter.GetBytes(v), ScalarType.Float64),
    ];

    private static double[] Doubles(Tensor t) => t.to(ScalarType.Float64).data<double>().ToArray();

    private static void Load(string path, byte[] bytes, Action<Tensor> check)
    {
        using var scope = NewDisposeScope();
        System.IO.File.WriteAllBytes(path, bytes);
        check(NpyArray.Load(path));
    }

    public static Test Tests =>
        Runner.TestList(
            "A .npy file",
            [
                .. kinds.Select(kind =>
                    Check.InFolder(
                        $"of {kind.Code} is read in either byte order, either element order and every version",
                        folder =>
                        {
                            foreach (var order in kind.Code[1] == '1' ? "|" : "<>=")
                            foreach (var fortran in new[] { false, true })
                            foreach (var version in new[] { 1, 2, 3 })
                            {
                                // Element (i, j) of a 2 x 3 array is stored at i + 2j in Fortran's order.
                                double[] values = fortran
                                    ?
                                    [
                                        .. from j in Enumerable.Range(0, 3)
                                        from i in new[] { 0, 1 }
                                        select kind.Values[3 * i + j],
                                    ]
                                    : kind.Values;
                                var data = values.SelectMany(v =>
                                    order == '>' ? kind.Bytes(v).Reverse() : kind.Bytes(v)
                                );
                                var header = Header(order + kind.Code, "(2, 3)", fortran);
                                Load(
                                    Path.Combine(folder, "a.npy"),
                                    File(header, [.. data], version),
                                    t =>
                                    {
                                        Expect.equal(t.dtype, kind.Type, "its type");
                                        Check.Same(t.shape, 2, 3);
                                        Check.Same(Doubles(t), kind.Values);
                                    }
                                );
                            }
                        }
                    )
                ),
                Check.InFolder(
                    "of one number is a tensor without dimensions",
                    folder =>
                        Load(
                            Path.Combine(folder, "a.npy"),
                            File(Header("<i4", "()"), [7, 0, 0, 0]),
                            t =>
                            {
                                Expect.equal(t.dim(), 0, "dimensions");
                                Expect.equal(t.ToInt32(), 7, "value");
                            }
                        )
                ),
                Check.InFolder(
                    "without elements keeps its shape",
                    folder =>
                        Load(
                            Path.Combine(folder, "a.npy"),
                            File(Header("<f4", "(0, 3)"), []),
                            t => Check.Same(t.shape, 0, 3)
                        )
                ),
                Check.InFolder(
                    "may have its keys in any order, either quote, and Python 2's long integers",
                    folder =>
                        Load(
                            Path.Combine(folder, "a.npy"),
                            File("{\"shape\":(2L,),'fortran_order':False,'descr':'|u1'}", [3, 4]),
                            t => Check.Same(Doubles(t), 3, 4)
                        )
                ),
                Check.InFolder(
                    "in Fortran's order with four dimensions is read as its transpose was written",
                    folder =>
                        Load(
                            Path.Combine(folder, "a.npy"),
                            File(
                                Header("|u1", "(2, 3, 4, 5)", fortran: true),
                                [.. Enumerable.Range(0, 120).Select(i => (byte)i)]
                            ),
                            t =>
                            {
                                Expect.isTrue(t.is_contiguous(), "rows come first in memory");
                                Expect.equal(
                                    t[1, 2, 3, 4].ToInt32(),
                                    1 + 2 * (2 + 3 * (3 + 4 * 4)),
                                    "the last element"
                                );
                                Expect.equal(t[0, 2, 0, 1].ToInt32(), 2 * (2 + 3 * 4 * 1), "another");
                            }
                        )
                ),
                .. from lie in Lies
                select Check.InFolder(
                    $"that {lie.Says} is refused",
                    folder =>
                    {
                        var path = Path.Combine(folder, "lie.npy");
                        System.IO.File.WriteAllBytes(path, lie.Bytes);
                        Check.Refuses(() => NpyArray.Load(path), path, lie.Word);
                    }
                ),
                Check.InFolder(
                    "that is missing, or is a folder, is refused by name",
                    folder =>
                    {
                        var missing = Path.Combine(folder, "none", "a.npy");
                        Check.Refuses(() => NpyArray.Load(missing), missing, "does not exist");
                        Check.Refuses(() => NpyArray.Load(folder), folder);
                        Check.Refuses(() => NpyArray.Load(""), "path is empty");
                    }
                ),
                Check.InFolder(
                    "cut short anywhere is refused",
                    folder =>
                    {
                        var path = Path.Combine(folder, "a.npy");
                        var whole = File(Header("<f4", "(2, 3)"), new byte[24]);
                        for (var length = 0; length < whole.Length; length++)
                        {
                            System.IO.File.WriteAllBytes(path, whole[..length]);
                            Check.Refuses(() => NpyArray.Load(path), path);
                        }
                    }
                ),
            ]
        );

    private static IEnumerable<(string Says, byte[] Bytes, string Word)> Lies =>
        [
            ("has more data than its shape", File(Header("<f4", "(2,)"), new byte[9]), "9 bytes"),
            ("has less data than its shape", File(Header("<f4", "(2,)"), new byte[7]), "needs 8"),
            ("claims 10^18 elements", File(Header("<f4", "(1000000000, 1000000000)"), new byte[8]), "needs"),
            (
                "has a shape whose product overflows",
                File(Header("<f4", "(4294967296, 4294967296)"), []),
                "more elements"
            ),
            ("hides an overflow behind a 0", File(Header("<f4", "(0, 4294967296, 4294967296)"), []), "more elements"),
            ("has a length beyond any integer", File(Header("<f4", "(99999999999999999999,)"), []), "header"),
            ("has a negative length", File(Header("|u1", "(-1,)"), [0]), "header"),
            ("has a length of its shape missing", File(Header("|u1", "(,)"), [0]), "header"),
            (
                "has more dimensions than NumPy allows",
                File(Header("|u1", $"({string.Concat(Enumerable.Repeat("1,", 65))})"), [0]),
                "header"
            ),
            ("pickles objects", File(Header("|O", "(1,)"), new byte[8]), "pickle"),
            ("has complex numbers", File(Header("<c8", "(1,)"), new byte[8]), "'<c8'"),
            ("has text", File(Header("<U4", "(1,)"), new byte[16]), "text ('<U4')"),
            ("has an empty type", File(Header("", "(1,)"), new byte[16]), "type"),
            (
                "has records",
                File("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}", new byte[4]),
                "header"
            ),
            (
                "names a key twice",
                File("{'descr': '|u1', 'descr': '|u1', 'fortran_order': False, 'shape': (1,)}", [0]),
                "header"
            ),
            ("lacks a key", File("{'descr': '|u1', 'shape': (1,)}", [0]), "header"),
            (
                "has an unknown key",
                File("{'descr': '|u1', 'fortran_order': False, 'shape': (1,), 'x': 'y'}", [0]),
                "header"
            ),
            ("goes on after its header's end", File(Header("|u1", "(1,)") + "}", [0]), "header"),
            ("never closes a quote", File("{'descr", [0]), "header"),
            ("has an unknown version", File(Header("|u1", "(1,)"), [0], version: 4), "begin"),
            ("has a header of 4 GB", [0x93, .. "NUMPY"u8, 2, 0, 255, 255, 255, 255, 0], "4294967295 bytes"),
            ("has a header longer than the file", [0x93, .. "NUMPY"u8, 1, 0, 255, 255, 0], "cut short"),
            ("has an integer of 2^63 or more", File(Header("<u8", "(1,)"), [0, 0, 0, 0, 0, 0, 0, 128]), "2^63"),
            ("is something else", [.. "not NumPy's format at all"u8], "begin"),
            ("is empty", [], "cut short"),
        ];
}
