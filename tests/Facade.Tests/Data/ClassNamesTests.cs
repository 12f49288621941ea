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
                        Check.Refuses(() => ClassNames.Load(path), path);
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
