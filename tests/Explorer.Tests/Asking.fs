module Asking

open System
open System.Net.Http
open System.Text.Json
open Expecto
open TorchSharp
open Attribution

/// The demo's network and a few scenes of every class, with an explorer over them.
type Table(options: ExplorerOptions) =
    let scenes = ConceptScenes.Draw(28, 5)
    let model = Model.LoadVgg16 DemoNetwork.WeightsPath
    let explorer = Explorer.Start(model, scenes.Images, options)
    let client = new HttpClient(BaseAddress = explorer.Address)
    member _.Model = model
    member _.Images = scenes.Images
    member _.Address = explorer.Address
    member _.Client = client

    interface IDisposable with
        member _.Dispose() =
            client.Dispose()
            (explorer :> IDisposable).Dispose()
            model.Dispose()
            scenes.Dispose()

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

    if response.IsSuccessStatusCode then
        List.last (events body)
    else
        "failure", parse body

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

let doubles (values: torch.Tensor) =
    values.``to``(torch.float64).flatten().data<float>().ToArray()

/// A status and what was said with it.
let refusal (response: HttpResponseMessage) =
    int response.StatusCode, sentence (parse (wait (response.Content.ReadAsStringAsync())))
