[<RequireQualifiedAccess>]
module Attribution.Runner.Layers

open Attribution

let private run (given: Given) =
    use model = snd (Inputs.model given)
    Terminal.table (model.Describe().Table())

let command = {
    Name = "layers"
    Summary = "Lists the layers at which a model can be cut."
    Syntax = "(--demo [--network vgg|vit|swin|segmentation] | --model FILE)"
    Options = [ Group.of'<DemoOption>; Group.of'<NetworkOption>; Group.of'<ModelOption>; Group.of'<DeviceOption> ]
    Run = run
}
