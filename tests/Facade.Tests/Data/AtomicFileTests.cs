using System;
using System.IO;
using Attribution;
using Expecto;
using Expecto.CSharp;

namespace Facade.Tests;

public static class AtomicFileTests
{
    public static Test Tests =>
        Runner.TestList(
            "A file that is written whole or not at all",
            [
                Check.InFolder(
                    "replaces the older one, in a folder made for it if need be",
                    folder =>
                    {
                        var path = Path.Combine(folder, "new", "a.txt");
                        foreach (var value in new byte[] { 1, 2 })
                            AtomicFile.Write(path, stream => stream.WriteByte(value));
                        Check.Same<byte>(File.ReadAllBytes(path), 2);
                        Check.Same(Directory.GetFiles(Path.Combine(folder, "new")), path);
                    }
                ),
                Check.InFolder(
                    "leaves the older one when writing fails midway",
                    folder =>
                    {
                        var path = Path.Combine(folder, "a.txt");
                        File.WriteAllText(path, "old");
                        Check.Refuses(
                            () =>
                                AtomicFile.Write(
                                    path,
                                    stream =>
                                    {
                                        stream.WriteByte(1);
                                        throw new IOException("No space left on device.");
                                    }
                                ),
                            path,
                            "No space left"
                        );
                        Expect.equal(File.ReadAllText(path), "old", "contents");
                        Check.Same(Directory.GetFiles(folder), path);
                    }
                ),
                Check.InFolder(
                    "names the folder that cannot be made, and the target that is a folder",
                    folder =>
                    {
                        var file = Path.Combine(folder, "file");
                        File.WriteAllText(file, "");
                        Check.Refuses(
                            () => AtomicFile.Write(Path.Combine(file, "sub", "a.txt"), _ => { }),
                            Path.Combine(file, "sub")
                        );
                        Check.Refuses(() => AtomicFile.Write(folder, _ => { }), folder);
                        Check.Refuses(() => AtomicFile.Write("", _ => { }), "folder");
                        Check.Same(Directory.GetFiles(folder), file);
                    }
                ),
            ]
        );
}
