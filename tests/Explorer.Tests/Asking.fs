module Asking

open System
open System.IO
open System.Net.Http
open System.Text.Json
open Expecto
open TorchSharp
open Attribution

/// A network and images, with an explorer over them.
type Table(model: Model, images: ImageSet, options: ExplorerOptions, owner: IDisposable) =
    let explorer =
        try
            Explorer.Start(model, images, options)
        with _ ->
            model.Dispose()
            owner.Dispose()
            reraise ()

    let client = new HttpClient(BaseAddress = explorer.Address)
    member _.Model = model
    member _.Images = images
    member _.Address = explorer.Address
    member _.Client = client

    interface IDisposable with
        member _.Dispose() =
            client.Dispose()
            (explorer :> IDisposable).Dispose()
            model.Dispose()
            owner.Dispose()

/// The demo's network and a few scenes of every class.
let demo options =
    let scenes = ConceptScenes.Draw(28, 5)
    new Table(Model.LoadVgg16 DemoNetwork.WeightsPath, scenes.Images, options, scenes)

/// A ResNet18 of 14 classes with random weights, and as many images of 224×224 pixels.
let resnet options =
    let file = Path.Combine(Directory.CreateTempSubdirectory("attribution-test-").FullName, "resnet18.onnx")
    Networks.resnet18 14L file
    let model = Model.LoadOnnx(file, Preprocessing.ImageNet)
    Directory.Delete(Path.GetDirectoryName file, true)

    let pixels =
        use _ = torch.NewDisposeScope()
        (torch.randint (256L, [| 14L; 3L; 224L; 224L |], dtype = torch.uint8)).MoveToOuterDisposeScope()

    let images = ImageSet.FromTensor(pixels, trueClasses = [| 0L .. 13L |])
    new Table(model, images, options, images)

let names = ClassNames.Of ConceptScenes.ClassNames

let usual = ExplorerOptions(Port = 0, Names = names, Given = "--demo")

let wait (work: Threading.Tasks.Task<'a>) = work.GetAwaiter().GetResult()

let parse (text: string) = (JsonDocument.Parse text).RootElement

/// The events of a stream, by their names, and what they say.
let events (text: string) = [
    for part in text.Split("\n\n", StringSplitOptions.RemoveEmptyEntries) do
        match part.Split('\n', 2) with
        | [| name; data |] when name.StartsWith "event: " -> name.Substring 7, parse (data.Substring 6)
        | _ -> ()
]

/// The last event of a question.
let last (client: HttpClient) (question: string) =
    let response = wait (client.GetAsync $"ask?{question}")
    let body = wait (response.Content.ReadAsStringAsync())

    if response.IsSuccessStatusCode then List.last (events body) else "failure", parse body

let answer client question =
    match last client question with
    | "answer", data -> data
    | name, data -> failtest $"{question} gave {name}: {data}"

let sentence (data: JsonElement) = (data.GetProperty "sentence").GetString()

let text (name: string) (data: JsonElement) = (data.GetProperty name).GetString()

let number (name: string) (data: JsonElement) = (data.GetProperty name).GetDouble()

let items (name: string) (data: JsonElement) = (data.GetProperty name).EnumerateArray() |> List.ofSeq

let floats (name: string) (data: JsonElement) =
    let bytes = Convert.FromBase64String(text name data)
    Array.init (bytes.Length / 4) (fun i -> float (BitConverter.ToSingle(bytes, 4 * i)))

let whole (name: string) (data: JsonElement) =
    let bytes = Convert.FromBase64String(text name data)
    Array.init (bytes.Length / 4) (fun i -> BitConverter.ToInt32(bytes, 4 * i))

let doubles (values: torch.Tensor) = values.``to``(torch.float64).flatten().data<float>().ToArray()

/// A status and what was said with it.
let refusal (response: HttpResponseMessage) =
    int response.StatusCode, sentence (parse (wait (response.Content.ReadAsStringAsync())))
