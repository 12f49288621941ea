[<RequireQualifiedAccess>]
module Attribution.Runner.Registry

open Attribution

let private entry (name: string) title formula source =
    String.concat "\n" [ $"{name, -28} {title}"; $"    {formula}"; $"    {source}" ]

let private run _ =
    Terminal.say "METHODS, for --method and --methods\n"

    Terminal.say (
        entry
            "influence-directed"
            "Influence-directed explanation"
            "x ⊙ ∇ₓ h_i(x), unit i having the largest mean of ∂q(g(z))/∂z, z = h(x), over the distribution"
            "Leino, Sen, Datta, Fredrikson and Li, arXiv 1802.03788"
    )

    for m in AttributionMethod.All do
        Terminal.say (entry m.Name m.Title m.Formula m.Source)

    Terminal.say "\nMETRICS, for --metrics\n"

    for m in AttributionMetric.All do
        let better = (string m.Better).ToLowerInvariant()
        let over = (string m.Over).ToLowerInvariant()

        let hidden = if m.Blank = "-" then "" else $", hidden pixels {m.Blank}"

        Terminal.say (entry m.Name $"{m.Title}: {better} is better, {m.Range}, over {over}{hidden}" m.Formula m.Source)

let command = {
    Name = "methods"
    Summary = "Lists the methods and the metrics, with formulas and sources."
    Syntax = ""
    Options = []
    Run = run
}
