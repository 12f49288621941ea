[<RequireQualifiedAccess>]
module Attribution.Runner.Layers

open System

let private run (given: Given) =
    let _, model = Inputs.model given
    use model = model

    let layers = model.Describe()
    let haveAliases = layers |> Seq.exists (fun layer -> layer.Aliases.Count > 0)

    layers
    |> Seq.map (fun layer -> [
        layer.Name
        if haveAliases then
            Seq.tryHead layer.Aliases |> Option.defaultValue ""
        layer.Operation
        layer.Note
        String.Join("×", layer.Shape)
        if layer.Shape.Count > 0 then string layer.Units else ""
    ])
    |> Terminal.table "" (if haveAliases then 4 else 3) [
        "layer"
        if haveAliases then
            "or"
        "operation"
        "note"
        "shape"
        "units"
    ]

let command = {
    Name = "layers"
    Summary = "Lists the layers at which a model can be cut."
    Syntax = "(--demo | --model FILE)"
    Options = [ Group.of'<DemoOption>; Group.of'<ModelOption> ]
    Run = run
}
