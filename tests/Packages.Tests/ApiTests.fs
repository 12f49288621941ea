/// What programs compile against: every public type and member, kept in a file for each package, so that a change of it is
/// seen where it is made.
module ApiTests

open System
open System.IO
open System.Reflection
open System.Runtime.CompilerServices
open System.Text.RegularExpressions
open Expecto
open Support

let private packages = [
    "Attribution.Core"
    "Attribution"
    "Attribution.Pages"
    "Attribution.Demo"
    "Attribution.Cluster"
    "Attribution.Explorer"
]

let private accepted package = root </> "tests" </> "Packages.Tests" </> "Api" </> $"{package}.txt"

let private short (t: Type) =
    Regex.Replace(t.FullName, "`[0-9]+", "").Replace('+', '.').Replace("TorchSharp.torch.", "")

let rec private nameOf (t: Type) : string =
    let join (types: Type seq) = String.Join(", ", Seq.map nameOf types)

    if t.IsByRef then
        $"ref {nameOf (t.GetElementType())}"
    elif t.IsArray then
        $"{nameOf (t.GetElementType())}[]"
    elif t.IsGenericParameter then
        t.Name
    elif t.IsGenericType then
        $"{short (t.GetGenericTypeDefinition())}<{join (t.GetGenericArguments())}>"
    else
        short t

let private parametersOf (of': MethodBase) =
    let text (p: ParameterInfo) =
        let value =
            if not p.HasDefaultValue then
                ""
            else
                match p.RawDefaultValue with
                | null -> " = null"
                | value -> FormattableString.Invariant $" = {value}"

        $"{p.Name}: {nameOf p.ParameterType}{value}"

    String.Join(", ", of'.GetParameters() |> Seq.map text)

let private isWritten (m: MemberInfo) = not (m.IsDefined(typeof<CompilerGeneratedAttribute>, false))

let private membersOf (t: Type) = [
    let all =
        BindingFlags.Public ||| BindingFlags.Instance ||| BindingFlags.Static ||| BindingFlags.DeclaredOnly

    let owner isStatic = (if isStatic then "static " else "") + nameOf t

    for f in t.GetFields all do
        if not f.IsSpecialName then
            $"{owner f.IsStatic}.{f.Name}: {nameOf f.FieldType}"

    for p in t.GetProperties all do
        let accessors = p.GetAccessors()
        let can = String.Join(" ", accessors |> Seq.map (fun a -> a.Name.Substring(0, 3)))

        let index = if p.GetIndexParameters().Length = 0 then "" else $"({parametersOf accessors[0]})"

        $"{owner accessors[0].IsStatic}.{p.Name}{index}: {nameOf p.PropertyType}, {can}"

    for e in t.GetEvents all do
        $"{owner e.AddMethod.IsStatic}.{e.Name}: event of {nameOf e.EventHandlerType}"

    for c in t.GetConstructors all do
        if isWritten c && not c.IsStatic then
            $"new {nameOf t}({parametersOf c})"

    for m in t.GetMethods all do
        if isWritten m && (not m.IsSpecialName || m.Name.StartsWith("op_", StringComparison.Ordinal)) then
            let types = if m.IsGenericMethod then $"<{m.GetGenericArguments().Length}>" else ""

            $"{owner m.IsStatic}.{m.Name}{types}({parametersOf m}): {nameOf m.ReturnType}"
]

let private surface (package: string) = [|
    for t in Assembly.Load(package).GetExportedTypes() do
        if isWritten t then
            let kind =
                if t.IsEnum then "enum"
                elif t.IsValueType then "struct"
                elif t.IsInterface then "interface"
                elif t.IsAbstract && t.IsSealed then "static class"
                elif t.IsSealed then "sealed class"
                elif t.IsAbstract then "abstract class"
                else "class"

            let parents = [
                if not (isNull t.BaseType) && t.IsClass && t.BaseType <> typeof<obj> then
                    t.BaseType

                yield! t.GetInterfaces() |> Seq.filter _.IsPublic
            ]

            let above =
                match parents |> List.map nameOf |> List.sort with
                | [] -> ""
                | names -> " of " + String.Join(", ", names)

            $"{kind} {nameOf t}{above}"
            yield! membersOf t
|]

let private current package = surface package |> Array.sortWith (fun a b -> String.CompareOrdinal(a, b))

/// Takes what programs compile against now for what they may count on.
let accept () =
    for package in packages do
        Directory.CreateDirectory(Path.GetDirectoryName(accepted package)) |> ignore
        File.WriteAllText(accepted package, current package |> Array.map (fun line -> line + "\n") |> String.Concat)

let tests =
    testList "API" [
        for package in packages ->
            testCase
                $"{package} has the types and members that its programs were compiled against, and no others"
                (fun () ->
                    let before = File.ReadAllLines(accepted package)
                    let now = current package
                    let gone, come = Array.except now before, Array.except before now

                    if gone.Length + come.Length > 0 then
                        let lines mark = Seq.map (fun line -> $"{mark} {line}\n") >> String.Concat

                        failtest (
                            $"What programs compile against has changed:\n{lines '-' gone}{lines '+' come}"
                            + "If that is meant, accept it, and commit the file: "
                            + "dotnet tests/Packages.Tests/bin/Release/net10.0/Packages.Tests.dll --accept-api"
                        ))
    ]
