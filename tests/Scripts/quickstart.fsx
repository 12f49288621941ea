// Explains an image in F# Interactive, after ./attribution has built the assemblies:
//     dotnet fsi tests/Scripts/quickstart.fsx
#I "../../src/Runner/bin/Release/net10.0"
#r "TorchSharp.dll"
#r "Attribution.Core.dll"
#r "Attribution.dll"
#r "Attribution.Pages.dll"
#r "Attribution.Demo.dll"

open Attribution

TorchRuntime.Start()
let model = Model.LoadVgg16 DemoNetwork.WeightsPath
let scenes = ConceptScenes.Draw 140
let cats = scenes.Images.Where(2, 3)

// Which neuron tells pointed ears from round ones, and what does it see in the first cat?
let explainer = InflDirected(model, "fc1l", Quantity.Margin(2, 3))
let expert = explainer.DisInfluence cats
let cat = cats.Take [ 0 ]
let map = IntegratedGrad(model, "fc1l", expert).Attribute cat
let activity = explainer.Activity(expert, cats)
printfn $"Unit {expert} of fc1l is active on %.0f{100. * activity.ActiveShare()}%% of {cats.Count} cats."

let picture =
    ExplanationPicture("integrated-gradients", $"of unit {expert}", "a cat", ClassNames.Of ConceptScenes.ClassNames, 2)

picture.Write("quickstart.png", cat.Images()[0], map[0])
printfn "What it sees in one of them is in quickstart.png."
