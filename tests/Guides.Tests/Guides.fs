/// The README and the pages of docs, as their readers have them.
[<RequireQualifiedAccess>]
module Guides

open System
open System.IO
open System.Text.RegularExpressions
open Expecto
open Support

/// A fenced block.
type Block = {
    /// What follows the opening fence: a language, and perhaps "ignore".
    Info: string
    /// The line of the page that its first line is.
    Line: int
    Lines: string list
}

type Page = {
    /// Its path from the repository's folder.
    Name: string
    Text: string
    Blocks: Block list
}

let root =
    match checkout with
    | Some root -> root
    | None -> failwith "There is no checkout around the tests."

let private blocks (text: string) =
    let rec outside line lines found =
        match lines with
        | [] -> List.rev found
        | (head: string) :: rest when head.StartsWith "```" ->
            inside (line + 1) (head[3..].Trim()) (line + 1) [] rest found
        | _ :: rest -> outside (line + 1) rest found

    and inside line info first taken lines found =
        match lines with
        | [] -> failwith $"The block at line {first} has no end."
        | (head: string) :: rest when head.TrimEnd() = "```" ->
            let block = { Info = info; Line = first; Lines = List.rev taken }

            outside (line + 1) rest (block :: found)
        | head :: rest -> inside (line + 1) info first (head :: taken) rest found

    outside 1 (text.Split '\n' |> List.ofArray) []

let private page path =
    let text = File.ReadAllText(path).ReplaceLineEndings "\n"

    { Name = Path.GetRelativePath(root, path); Text = text; Blocks = blocks text }

let private pagesOf folder (depth: SearchOption) =
    Directory.GetFiles(folder, "*.md", depth) |> Array.sort |> List.ofArray |> List.map page

/// The README and the guides: what a reader copies from.
let all =
    page (root </> "README.md") :: pagesOf (root </> "docs" </> "guides") SearchOption.TopDirectoryOnly

/// Every page.
let everything = page (root </> "README.md") :: pagesOf (root </> "docs") SearchOption.AllDirectories

/// The blocks of a language, and after each what it says that it prints.
let ofLanguage language page =
    let rec run blocks =
        match blocks with
        | code :: said :: rest when code.Info = language && said.Info = "text" -> (code, said.Lines) :: run rest
        | code :: rest when code.Info = language -> (code, []) :: run rest
        | _ :: rest -> run rest
        | [] -> []

    run page.Blocks

/// Requires that lines were printed, in order: the words as they stand, and numbers within 5 %.
let printed (expected: string list) (output: string) =
    let number = Regex @"-?\d+(?:\.\d+)?"

    let words line = number.Replace(Regex.Replace(line, @"\s+", " ").Trim(), "#")

    let numbers line = [ for m in number.Matches line -> float m.Value ]

    let isSame expected line =
        words expected = words line
        && List.forall2 (fun (e: float) a -> abs (e - a) <= 0.05 * abs e + 1e-9) (numbers expected) (numbers line)

    let rec find expected (lines: string list) =
        match expected, lines with
        | [], _ -> ()
        | wanted :: rest, line :: others when isSame wanted line -> find rest others
        | _, _ :: others -> find expected others
        | wanted :: _, [] -> failtest $"'{wanted}' is not printed, in its place; what is:\n{output}"

    find expected (output.Split '\n' |> List.ofArray)
