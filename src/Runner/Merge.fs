[<RequireQualifiedAccess>]
module Attribution.Runner.Merge

open System.IO
open Attribution

let private run (given: Given) =
    let folders = List.concat (given.All Parts)

    if folders.IsEmpty then
        Arguments.wrong "--parts is missing."

    let files = [| for folder in folders -> Path.Combine(folder, Study.Kept) |]
    use output = Output.Of given
    let count = Attribution.Study.Merge(files, output.Draft Study.Kept, given.Has Mixed)

    Terminal.say
        $"""{Words.Count(count, "result")} of {Words.Count(folders.Length, "part")}: the study's own command, without --part and into the same folder, makes its tables and its figure of them, and computes what is missing."""

    output.Commit Study.Kept

let command = {
    Name = "merge"
    Summary = "Joins the parts of a study that 'study --part I/N' computed on several machines."
    Syntax = "--parts FOLDER… --out FOLDER"
    Options = [ Group.of'<MergeOption>; Group.of'<MixedOption>; Group.of'<OutOption> ]
    Run = run
}
