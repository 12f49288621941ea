module Support

open System
open System.Diagnostics
open System.IO
open System.IO.Compression
open System.Runtime.InteropServices
open System.Xml.Linq
open Expecto

let (</>) left right = Path.Combine(left, right)

/// The repository's folder, from which the tests were built.
let root =
    let rec up (folder: DirectoryInfo) =
        if File.Exists(folder.FullName </> "packages.proj") then folder.FullName else up folder.Parent

    up (DirectoryInfo AppContext.BaseDirectory)

/// The system that the tests run on, as packages name it.
let system =
    let name =
        if OperatingSystem.IsWindows() then "win"
        elif OperatingSystem.IsMacOS() then "osx"
        else "linux"

    $"{name}-{RuntimeInformation.OSArchitecture.ToString().ToLowerInvariant()}"

let libtorch = $"libtorch-cpu-{system}"

/// What a run of a program left.
type Outcome = { Code: int; Out: string; Error: string }

/// Runs a program to its end, in a folder and with variables of its own.
let run (folder: string) (variables: (string * string) list) (program: string) (arguments: string list) =
    let info =
        ProcessStartInfo(
            program,
            arguments,
            WorkingDirectory = folder,
            RedirectStandardOutput = true,
            RedirectStandardError = true
        )

    for name, value in variables do
        info.Environment[name] <- value

    use running = Process.Start info
    let error = running.StandardError.ReadToEndAsync()
    let out = running.StandardOutput.ReadToEnd()
    running.WaitForExit()

    { Code = running.ExitCode; Out = out; Error = error.Result }

/// The run's output; a run that ended badly is a failed test.
let ok outcome =
    if outcome.Code <> 0 then
        failtest $"It ended with {outcome.Code}.\n{outcome.Out}\n{outcome.Error}"

    outcome.Out

/// A folder with nothing above it but temporary files, for the packages, programs that use them, and a home of its own.
let folder = Directory.CreateTempSubdirectory "attribution-packages-"

/// Where `samples/nuget.config` looks for packages, from a copy of the samples in `folder`.
let feed =
    lazy
        (let feed = folder.FullName </> "out" </> "packages"
         run root [] "bash" [ root </> "pack"; feed; system ] |> ok |> ignore
         feed)

/// A file of the feed by its name without version.
let file (name: string) =
    Directory.GetFiles(feed.Value, $"{Path.GetFileNameWithoutExtension name}.0*{Path.GetExtension name}")
    |> Array.exactlyOne

/// The packed files of a package by their paths, less the container's own.
let entries (name: string) =
    use archive = ZipFile.OpenRead(file name)

    [
        for entry in archive.Entries do
            if
                not (entry.FullName.StartsWith("_rels/", StringComparison.Ordinal))
                && not (entry.FullName.StartsWith("package/", StringComparison.Ordinal))
                && entry.FullName <> "[Content_Types].xml"
            then
                entry.FullName
    ]
    |> List.sort

/// The bytes of a packed file.
let content (name: string) (path: string) =
    use archive = ZipFile.OpenRead(file name)
    use stream = archive.GetEntry(path).Open()
    use memory = new MemoryStream()
    stream.CopyTo memory
    memory.ToArray()

/// The elements of that name in a package's description.
let described (package: string) (element: string) =
    use stream = new MemoryStream(content $"{package}.nupkg" $"{package}.nuspec")
    let nuspec = XDocument.Load stream

    nuspec.Descendants() |> Seq.filter (fun e -> e.Name.LocalName = element) |> List.ofSeq

let attribute (name: string) (element: XElement) = element.Attribute(XName.Get name).Value
