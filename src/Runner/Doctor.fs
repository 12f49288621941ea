[<RequireQualifiedAccess>]
module Attribution.Runner.Doctor

open Attribution

let private run (_: Given) =
    let found = Doctor.Examine()
    Seq.iter Terminal.table (found.Tables())

    if found.IsSound then Terminal.say found.Verdict else raise (AttributionException found.Verdict)

let command = {
    Name = "doctor"
    Summary = "Examines this machine: whether its kernels are right, and how fast they are."
    Syntax = ""
    Options = []
    Run = run
}
