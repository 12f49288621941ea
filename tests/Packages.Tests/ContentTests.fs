/// What the packages hold.
module ContentTests

open System
open System.IO
open System.Text
open System.Text.RegularExpressions
open System.Xml.Linq
open Expecto
open Support

/// The libraries' packages, each with its project's folder.
let private libraries = [
    "Attribution.Core", "Core.FSharp"
    "Attribution", "Facade.CSharp"
    "Attribution.Pages", "Pages.FSharp"
    "Attribution.Demo", "Demo.CSharp"
    "Attribution.Cluster", "Cluster.CSharp"
    "Attribution.Explorer", "Explorer.CSharp"
]

/// What a project references, as its package must depend on it: packages, and projects by their packages.
let private referenced project =
    let folder = root </> "src" </> project

    let packages =
        File.ReadAllLines(folder </> "paket.references")
        |> Array.filter (fun line -> line <> "" && line <> "Grpc.Tools")

    let projects =
        Directory.GetFiles(folder, "*proj")
        |> Array.collect (File.ReadAllText >> Regex("<ProjectReference Include=\"([^\"]*)\" />").Matches >> Array.ofSeq)
        |> Array.map (fun found ->
            let folder = Path.GetFileName(Path.GetDirectoryName(found.Groups[1].Value.Replace('\\', '/')))

            libraries |> List.find (fun (_, project) -> project = folder) |> fst)

    Array.append packages projects |> Array.sort |> List.ofArray

let private library (package, project) =
    testList package [
        testCase "holds its assembly, the documentation of it and a README, and its symbols lie beside" (fun () ->
            Expect.equal
                (entries $"{package}.nupkg")
                (List.sort [
                    $"{package}.nuspec"
                    "README.md"
                    $"lib/net10.0/{package}.dll"
                    $"lib/net10.0/{package}.xml"
                ])
                "package"

            Expect.equal
                (entries $"{package}.snupkg")
                (List.sort [ $"{package}.nuspec"; $"lib/net10.0/{package}.pdb" ])
                "symbols"

            // One < that is not escaped, and no editor shows any of it.
            use documentation = new MemoryStream(content $"{package}.nupkg" $"lib/net10.0/{package}.xml")

            let members = XDocument.Load(documentation).Descendants(XName.Get "summary")
            Expect.isNonEmpty members "members are documented"
            let readme = Encoding.UTF8.GetString(content $"{package}.nupkg" "README.md")
            Expect.stringContains readme $"# {package}" "a README of its own")

        testCase "depends on what its project references, and on no tool of the build" (fun () ->
            Expect.equal
                (described package "dependency" |> List.map (attribute "id") |> List.sort)
                (referenced project)
                "dependencies")

        testCase "is under the MIT licence and says what it is for" (fun () ->
            Expect.equal (described package "license" |> List.map _.Value) [ "MIT" ] "licence"
            Expect.isNotEmpty (described package "description" |> List.map _.Value |> List.exactlyOne) "description")

        testCase "names no folder of the machine that it was built on" (fun () ->
            for name, path in
                [
                    $"{package}.nupkg", $"lib/net10.0/{package}.dll"
                    $"{package}.snupkg", $"lib/net10.0/{package}.pdb"
                ] do
                let bytes = content name path

                for encoding in [ Encoding.UTF8; Encoding.Unicode ] do
                    let at = bytes.AsSpan().IndexOf(ReadOnlySpan(encoding.GetBytes root))

                    // F# writes the path of a file into it for a match that it believes may fail.
                    if at >= 0 then
                        let text = encoding.GetString(bytes, at, min 200 (bytes.Length - at))
                        failtest $"{path} has '{text}': if it is a match of F#'s, end it by a wildcard.")
    ]

let private tool =
    testList "Attribution.Tool" [
        testCase "points to a package for each system" (fun () ->
            let settings =
                Encoding.UTF8.GetString(content "Attribution.Tool.nupkg" "tools/any/any/DotnetToolSettings.xml")

            Expect.stringContains settings "<Command Name=\"attribution\"" "command"

            for system in [ "linux-x64"; "win-x64"; "osx-arm64" ] do
                Expect.stringContains settings $"Id=\"Attribution.Tool.{system}\"" system)

        testCase "holds this system's libraries alone, and no symbols" (fun () ->
            let files = entries $"Attribution.Tool.{system}.nupkg" |> List.map (fun path -> Path.GetFileName path)

            let native =
                if OperatingSystem.IsWindows() then
                    [ "torch_cpu.dll"; "LibTorchSharp.dll"; "libSkiaSharp.dll" ]
                elif OperatingSystem.IsMacOS() then
                    [ "libtorch_cpu.dylib"; "libLibTorchSharp.dylib"; "libSkiaSharp.dylib" ]
                else
                    [ "libtorch_cpu.so"; "libLibTorchSharp.so"; "libSkiaSharp.so" ]

            for name in native do
                Expect.equal (files |> List.filter ((=) name) |> List.length) 1 name

            for name in files do
                Expect.isFalse (name.EndsWith(".pdb", StringComparison.Ordinal)) name
                Expect.isFalse (name.StartsWith("libtorch_python", StringComparison.Ordinal)) name)
    ]

let tests = testList "Content" (List.map library libraries @ [ tool ])
