// Which neuron tells pointed ears from round ones, and what does it see? See README.md for how to run it.
#r "nuget: Attribution.Demo, 0.1.0"
#r "nuget: Attribution.Pages, 0.1.0"
// On Windows libtorch-cpu-win-x64, on macOS libtorch-cpu-osx-arm64.
#r "nuget: libtorch-cpu-linux-x64, 2.10.0"

open Attribution

let model = Model.LoadVgg16 DemoNetwork.WeightsPath
let scenes = ConceptScenes.Draw 140
let cats = scenes.Images.Where(2, 3)

let explainer = InflDirected(model, "fc1l", Quantity.Margin(2, 3))
let expert = explainer.DisInfluence cats
let cat = cats.Take [ 0 ]
let map = IntegratedGrad(model, "fc1l", expert).Attribute cat
let activity = explainer.Activity(expert, cats)
printfn $"Unit {expert} of fc1l is active on %.0f{100. * activity.ActiveShare()}%% of {cats.Count} cats."

let picture =
    ExplanationPicture("integrated-gradients", $"of unit {expert}", "a cat", ClassNames.Of ConceptScenes.ClassNames, 2)

picture.Write("cat.png", cat.Images()[0], map[0])
printfn "What it sees in one of them is in cat.png."
