using System;
using System.IO;
using System.Linq;
using Attribution;
using Expecto;
using Expecto.CSharp;

namespace Facade.Tests;

public static class ClassNamesTests
{
    private static ClassNames Load(string folder, string text)
    {
        var path = Path.Combine(folder, "names.txt");
        File.WriteAllText(path, text);
        return ClassNames.Load(path);
    }

    public static Test Tests =>
        Runner.TestList(
            "Class names",
            [
                Check.InFolder(
                    "are the same in each of the forms of file",
                    folder =>
                    {
                        foreach (
                            var text in new[]
                            {
                                "tench, Tinca tinca\nit's \"q\"\n\ncar wheel\n",
                                "\ufefftench, Tinca tinca\r\nit's \"q\"\r\n\r\ncar wheel\r\n\r\n",
                                "n01440764 tench, Tinca tinca\nn01443537 it's \"q\"\n\nn02974003\tcar wheel",
                                """{"0": ["n01440764", "tench, Tinca tinca"], "1": ["n01443537", "it's \"q\""], "3": ["n02974003", "car wheel"]}""",
                                """{"3": "car wheel", "0": "tench, Tinca tinca", "1": "it's \u0022q\u0022"}""",
                                """["tench, Tinca tinca", "it's \"q\"", "", "car wheel"]""",
                                """['tench, Tinca tinca', 'it\'s "q"', '', "car wheel",]""",
                                "[ 'tench, Tinca tinca' ,\n \"it's \\\"q\\\"\",\n '',\n 'car wheel'\n]\n",
                                """{0: 'tench, Tinca tinca', 1: 'it\'s "q"', 3: 'car wheel'}""",
                                """{"tench, Tinca tinca": 0, "car wheel": 3, "it's \"q\"": 1}""",
                                "0,\"tench, Tinca tinca\"\n1,it's \"q\"\n3,car wheel\n",
                                "index,name\n1;it's \"q\"\n0;n01440764 tench, Tinca tinca\n\n3;car wheel\n",
                                "0: tench, Tinca tinca\r\n3: car wheel\r\n1: it's \"q\"",
                                "label\tid\ntench, Tinca tinca\t0\nit's \"q\"\t1\ncar wheel\t3",
                                "nc: 4\nnames:\n  0: tench, Tinca tinca  # a fish\n  1: it's \"q\"\n  3: 'car wheel'\npath: x\n",
                            }
                        )
                        {
                            var names = Load(folder, text);
                            Expect.equal(names[0], "tench, Tinca tinca", text);
                            Expect.equal(names[1], "it's \"q\"", text);
                            Expect.equal(names[2], "class 2", text);
                            Expect.equal(names[3], "car wheel", text);
                            Expect.equal(names.Count, 3, text);
                        }
                    }
                ),
                Check.InFolder(
                    "keep the places of lines without a name, and count from 0 where the file counts from 1",
                    folder =>
                    {
                        foreach (
                            var (text, expected) in new[]
                            {
                                ("\ncat\ndog\n", "class 0|cat|dog"),
                                ("\n\ncat\n\n", "class 0|class 1|cat"),
                                ("1 cat\n2 dog\n3 hen", "cat|dog|hen"),
                                ("k,name\n1,cat\n2,dog\n", "cat|dog"),
                                ("names:\n- cat\n- 'dog'\n", "cat|dog"),
                                ("train: a\nnames: [cat, \"dog\", hen]\n", "cat|dog|hen"),
                                ("names: {0: cat, 1: dog}", "cat|dog"),
                                // Numbers that do not count are of the names.
                                ("747 jet\n380 jet\n", "747 jet|380 jet"),
                                ("7\n8\n9", "7|8|9"),
                            }
                        )
                        {
                            var names = Load(folder, text);
                            var found = string.Join('|', expected.Split('|').Select((_, k) => names[k]));
                            Expect.equal(found, expected, text);
                        }
                        Expect.equal(Load(folder, "cat\ndog").Note, null, "plain");
                        Expect.stringContains(
                            Load(folder, "k,name\n0,cat\n1,dog").Note,
                            "'k,name'",
                            "a header is told"
                        );
                    }
                ),
                Check.InFolder(
                    "are told of where they are not as many as the classes",
                    folder =>
                    {
                        string? Warning(string text, int classes) => Load(folder, text).Warning(classes, "'f'");
                        Expect.equal(Warning("cat\ndog", 2), null, "as many");
                        Expect.equal(Warning("cat\ndog", 1), null, "two names of one score");
                        Expect.equal(ClassNames.None.Warning(3, "f"), null, "no names");
                        foreach (
                            var (text, classes, words) in new[]
                            {
                                ("name\ncat\ndog", 2, new[] { "'f' has 3 names", "up to 2", "2 classes, 0 to 1" }),
                                ("cat\ndog", 5, new[] { "'f' has 2 names", "5 classes" }),
                                ("\ncat\ndog", 3, new[] { "2 names", "3 classes" }),
                                ("{\"5\": \"cat\"}", 5, new[] { "1 names", "up to 5" }),
                            }
                        )
                        foreach (var word in words)
                            Expect.stringContains(Warning(text, classes), word, text);
                    }
                ),
                Runner.TestCase(
                    "are found by one name alone",
                    () =>
                    {
                        var names = ClassNames.Of(["hen", "sports_car", "crane", "crane"]);
                        Expect.equal(names.NumberOf("Sports car"), 1, "case and underscores");
                        Expect.equal(names.NumberOf("crane"), null, "two");
                        Expect.equal(names.NumberOf("0"), null, "no number");
                    }
                ),
                Check.InFolder(
                    "are refused in any other form of file",
                    folder =>
                    {
                        var path = Path.Combine(folder, "names.txt");
                        foreach (
                            var text in new[]
                            {
                                "",
                                " \n ",
                                "{",
                                "{\"a\": \"b\"}",
                                "{\"1\": 2}",
                                "{\"1\": [\"n\"]}",
                                "{\"1\": null}",
                                "{}",
                                "[]",
                                "['a",
                                "['a' 1]",
                                "[1]",
                                "['\\",
                                "[,]",
                                "['\\q']",
                                "a\0b",
                                "{\"99999999999\": \"a\"}",
                            }
                        )
                            Check.Refuses(() => Load(folder, text), path);
                        File.WriteAllBytes(path, [0x61, 0xff, 0xfe, 0x62]);
                        Check.Refuses(() => ClassNames.Load(path), path, "not UTF-8");
                        Check.Refuses(() => Load(folder, "names: 5\n"), path);
                        File.Delete(path);
                        Check.Refuses(() => ClassNames.Load(path), path, "does not exist");
                        Check.Refuses(() => ClassNames.Load(folder), folder);
                        if (OperatingSystem.IsLinux())
                            Check.Refuses(() => ClassNames.Load("/dev/zero"), "/dev/zero");
                    }
                ),
                Runner.TestCase(
                    "of the course are fourteen, and other classes have numbers",
                    () =>
                    {
                        Expect.equal(ClassNames.Course.Count, 14, "count");
                        Expect.equal(ClassNames.Course[817], "sports car", "817");
                        Expect.equal(ClassNames.Course[2], "class 2", "2");
                    }
                ),
                Check.InFolder(
                    "are found by number, name or synonym in any case",
                    folder =>
                    {
                        var names = Load(folder, "great white shark, white shark\ncrane\nhen\ncrane\nwhite shark");
                        Expect.equal(names.Find("3"), 3, "number");
                        Expect.equal(names.Find(" 99 "), 99, "number without a name");
                        Expect.equal(names.Find("HEN"), 2, "case");
                        Expect.equal(names.Find("Great_White_Shark"), 0, "synonym");
                        Expect.equal(names.Find("white shark"), 4, "a whole name before a synonym");
                        Check.Refuses(() => names.Find("crane"), "crane", "1, 3");
                        Check.Refuses(() => names.Find("hne"), "'hne'", "'hen'");
                        Check.Refuses(() => names.Find("-1"), "'-1'");
                        Check.Refuses(() => ClassNames.Course.Find("husky"), "'Siberian husky'");
                        Check.Refuses(() => names.Find(new string('x', 1_000_000)), "closest");
                    }
                ),
                Runner.TestCase(
                    "have the distance of Levenshtein",
                    () =>
                    {
                        foreach (
                            var (a, b, distance) in new[]
                            {
                                ("kitten", "sitting", 3),
                                ("", "abc", 3),
                                ("same", "same", 0),
                                ("flaw", "lawn", 2),
                            }
                        )
                        {
                            Expect.equal(Closest.Distance(a, b), distance, $"{a} {b}");
                            Expect.equal(Closest.Distance(b, a), distance, $"{b} {a}");
                        }
                    }
                ),
                Check.Shared(
                    "of ImageNet are a thousand, and agree with the course's",
                    "data/synset_words.txt",
                    path =>
                    {
                        var names = ClassNames.Load(path);
                        Expect.equal(names.Count, 1000, "count");
                        foreach (var k in new[] { 1, 163, 250, 283, 284, 340, 354, 356, 386, 397, 479, 511, 734, 817 })
                            Expect.isTrue(
                                names[k].Contains(ClassNames.Course[k], StringComparison.OrdinalIgnoreCase),
                                names[k]
                            );
                        Expect.equal(names.Find("goldfish"), 1, "goldfish");
                    }
                ),
            ]
        );
}
