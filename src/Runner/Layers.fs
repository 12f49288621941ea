[<RequireQualifiedAccess>]
module Attribution.Runner.Layers

open System

let private run arguments =
    let _, model = Inputs.model arguments
    use model = model

    model.Describe()
    |> Seq.map (fun layer -> [
        layer.Name
        layer.Operation
        String.Join("×", layer.Shape)
        if layer.Shape.Count > 0 then string layer.Units else ""
    ])
    |> Terminal.table "" 2 [ "layer"; "operation"; "shape"; "units" ]

let command = {
    Name = "layers"
    Summary = "Lists the layers at which a model can be cut."
    Syntax = "--model FILE"
    Options = Inputs.modelOptions
    Run = run
}
