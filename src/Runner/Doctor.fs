[<RequireQualifiedAccess>]
module Attribution.Runner.Doctor

open Attribution

// A person reads the first; a machine with many is wrong altogether.
[<Literal>]
let private MostFaults = 20

let private run (_: Given) =
    let found = Doctor.Examine()
    Terminal.table "" 2 [ "what"; "found" ] [ for struct (name, value) in found.Facts -> [ name; value ] ]

    if found.Faults.Count > 0 then
        Terminal.table $"Convolutions that oneDNN gets wrong (the first of {found.Faults.Count})" 3 [
            "convolution"
            "oneDNN"
            "computed by"
        ] [
            for fault in Seq.truncate MostFaults found.Faults -> [ fault.Convolution; fault.Fault; fault.Instead ]
        ]

    if found.IsSound then
        Terminal.say found.Verdict
    else
        raise (AttributionException found.Verdict)

let command = {
    Name = "doctor"
    Summary = "Examines this machine: whether its kernels are right, and how fast they are."
    Syntax = ""
    Options = []
    Run = run
}
