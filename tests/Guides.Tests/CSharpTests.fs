module CSharpTests

open System
open System.Diagnostics
open System.IO
open System.Reflection
open System.Text.RegularExpressions
open Expecto
open Support

let private compiler =
    Assembly.GetExecutingAssembly().GetCustomAttributes<AssemblyMetadataAttribute>()
    |> Seq.find (fun data -> data.Key = "Compiler")
    |> _.Value

/// What a new console project opens by itself.
let private opened = [
    "System"
    "System.Collections.Generic"
    "System.IO"
    "System.Linq"
    "System.Net.Http"
    "System.Threading"
    "System.Threading.Tasks"
]

let private references = [
    yield! Directory.GetFiles(Path.GetDirectoryName typeof<obj>.Assembly.Location, "*.dll")

    for pattern in [ "Attribution*.dll"; "TorchSharp.dll"; "FSharp.Core.dll" ] do
        yield! Directory.GetFiles(AppContext.BaseDirectory, pattern)
]

/// The blocks of a page as one program, whose errors name the page and its lines.
let private program page (blocks: Guides.Block list) =
    let isUsing (line: string) = Regex.IsMatch(line, @"^using (static )?[A-Z][\w.]*( = [\w.<>, ]+)?;$")

    let lines = [
        for block in blocks do
            for i, line in List.indexed block.Lines -> block.Line + i, line
    ]

    let usings, code = lines |> List.partition (snd >> isUsing)

    String.concat "\n" [
        for number, line in usings @ code do
            $"#line {number} \"{page}\""
            line
    ]

/// Compiles a program, and gives its entry.
let private compile folder name (source: string) =
    let write file (lines: string list) =
        File.WriteAllLines(folder </> file, lines)
        folder </> file

    let target = folder </> $"{name}.dll"

    let globals = write "Globals.cs" [ for name in opened -> $"global using {name};" ]
    let file = write $"{name}.cs" [ source ]

    let arguments =
        write "csc.rsp" [
            yield "-nologo -target:exe -nullable:enable -warnaserror -nowarn:1701,1702"
            yield! [ for reference in references -> $"-r:\"{reference}\"" ]
            yield $"-out:\"{target}\" \"{globals}\" \"{file}\""
        ]

    let info = ProcessStartInfo("dotnet", [ "exec"; compiler; $"@{arguments}" ])
    info.RedirectStandardOutput <- true
    info.RedirectStandardError <- true
    let run = finish (Process.Start info)
    Expect.equal (run.Code, run.Out.Trim()) (0, "") "it compiles without a warning"
    Assembly.LoadFrom(target).EntryPoint

/// What a program prints.
let private run (entry: MethodInfo) =
    let out = Console.Out
    use writer = new StringWriter()
    Console.SetOut writer

    try
        let arguments: obj[] = entry.GetParameters() |> Array.map (fun _ -> box Array.empty<string>)

        try
            entry.Invoke(null, arguments) |> ignore
        with :? TargetInvocationException as e ->
            Runtime.ExceptionServices.ExceptionDispatchInfo.Throw e.InnerException
    finally
        Console.SetOut out

    writer.ToString()

let tests =
    testList "C#" [
        for page in Guides.all do
            match Guides.ofLanguage "csharp" page with
            | [] -> ()
            | blocks ->
                example $"the program of {page.Name} runs, and prints what the page says" (fun folder ->
                    let name = Path.GetFileNameWithoutExtension page.Name
                    let entry = compile folder name (program page.Name (List.map fst blocks))
                    let before = Environment.CurrentDirectory
                    Reader.files folder
                    Environment.CurrentDirectory <- folder

                    try
                        run entry |> Guides.printed (List.collect snd blocks)
                    finally
                        Environment.CurrentDirectory <- before)
    ]
