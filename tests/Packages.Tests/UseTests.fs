/// The packages in use: in an empty folder, with a home and a cache of packages of its own.
module UseTests

open System
open System.IO
open System.Text.RegularExpressions
open Expecto
open Support

/// A home in which nobody has worked yet, but for the feeds that this machine's packages come from and the packages that it
/// has already, which are linked to instead of copied. Data stay in the user's own folder: what was found out about the
/// machine's kernels.
let private home =
    lazy
        (let home = folder.FullName </> "home"
         let own = Environment.GetFolderPath Environment.SpecialFolder.UserProfile
         let cached = home </> ".nuget" </> "packages"
         Directory.CreateDirectory cached |> ignore

         let link from into = run own [] "cp" [ "-a"; from; into ] |> ignore

         for settings in [ ".nuget/NuGet"; ".config/NuGet" ] do
             if Directory.Exists(own </> settings) then
                 Directory.CreateDirectory(Path.GetDirectoryName(home </> settings)) |> ignore
                 link (own </> settings) (home </> settings)

         let known =
             let answer = run own [] "dotnet" [ "nuget"; "locals"; "global-packages"; "--list" ] |> ok

             (answer.Split(": ", 2)[1]).Trim()

         let packages =
             Directory.GetDirectories known
             |> Array.filter (fun package -> not ((Path.GetFileName package).StartsWith "attribution"))
             |> List.ofArray

         // A failure to link, as to another disk, leaves the package to be fetched.
         run own [] "cp" ([ "-a"; "--link" ] @ packages @ [ cached ]) |> ignore
         home)

let private variables =
    lazy
        [
            "HOME", home.Value
            "DOTNET_CLI_HOME", home.Value
            "NUGET_PACKAGES", home.Value </> ".nuget" </> "packages"
            "XDG_DATA_HOME",
            Environment.GetFolderPath(
                Environment.SpecialFolder.LocalApplicationData,
                Environment.SpecialFolderOption.Create
            )
            "DOTNET_NOLOGO", "1"
            "DOTNET_SKIP_FIRST_TIME_EXPERIENCE", "1"
            "MSBUILDDISABLENODEREUSE", "1"
        ]

/// A copy of the samples, with the feed where they look for it, changed by `edit`.
let private samples (name: string) (edit: string -> string) =
    feed.Value |> ignore
    let copy = folder.FullName </> name
    let from = root </> "samples"

    for file in Directory.GetFiles(from, "*", SearchOption.AllDirectories) do
        let path = Path.GetRelativePath(from, file)

        if not (Regex.IsMatch(path, "(^|[/\\\\])(bin|obj)[/\\\\]")) then
            let into = copy </> path
            Directory.CreateDirectory(Path.GetDirectoryName into) |> ignore
            File.WriteAllText(into, edit ((File.ReadAllText file).Replace("libtorch-cpu-linux-x64", libtorch)))

    copy

let private dotnet folder arguments = run folder variables.Value "dotnet" arguments

let private isPng path = Expect.equal (File.ReadAllBytes(path)[1..3]) "PNG"B path

let private torchLine = $"""<PackageReference Include="{libtorch}" Version="2.10.0" />"""

let tests =
    testList "Use" [
        testCase "the C# sample explains, scores, draws and trains by the gradient of a map" (fun () ->
            let sample = samples "samples" id </> "console"
            let out = dotnet sample [ "run"; "-c"; "Release" ] |> ok
            isPng (sample </> "scene.png")
            let drop = Regex.Match(out, "Average drop: ([0-9.]+) %")
            Expect.isTrue drop.Success out
            Expect.isLessThan (float drop.Groups[1].Value) 100. "a share"

            let outside = [ for step in Regex.Matches(out, "Step [0-9]: ([0-9.]+) %") -> float step.Groups[1].Value ]

            Expect.hasLength outside 5 out
            Expect.isLessThan (List.last outside) (List.head outside) "each step is against the gradient")

        testCase "the F# script names an expert and draws what it sees" (fun () ->
            let sample = samples "samples" id
            let outcome = dotnet sample [ "fsi"; "script.fsx" ]
            Expect.stringContains (ok outcome) "of fc1l is active on" "the expert"
            Expect.equal outcome.Error "" "not a word of complaint"
            isPng (sample </> "cat.png"))

        testCase "where there is no libtorch, the message says the line that the sample has" (fun () ->
            let withIt = File.ReadAllText(samples "samples" id </> "console" </> "Console.csproj")

            Expect.stringContains withIt torchLine "the sample"
            let sample = samples "without" _.Replace(torchLine, "") </> "console"
            let outcome = dotnet sample [ "run"; "-c"; "Release" ]
            Expect.notEqual outcome.Code 0 outcome.Out
            Expect.stringContains outcome.Error torchLine "the project's line"
            Expect.stringContains outcome.Error $"#r \"nuget: {libtorch}, 2.10.0\"" "the script's line")

        testCase "the tool is installed by its name, and explains" (fun () ->
            let place = samples "tool" id
            let tools = place </> "tools"

            dotnet place [ "tool"; "install"; "Attribution.Tool"; "--tool-path"; tools ] |> ok |> ignore

            let attribution line =
                run place variables.Value (tools </> "attribution") (List.ofArray ((line: string).Split ' ')) |> ok

            Expect.stringContains (attribution "methods") "Influence-directed explanation" "methods"

            attribution "explain --demo --indices 0,1 --method saliency --out maps" |> ignore

            Expect.isTrue (File.Exists(place </> "maps" </> "attributions-saliency.npz")) "maps"
            Expect.hasLength (Directory.GetFiles(place </> "maps", "*.png")) 2 "pictures")
    ]
