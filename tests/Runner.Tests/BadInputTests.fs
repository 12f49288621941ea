module BadInputTests

open System
open System.IO
open System.IO.Compression
open System.Text
open Expecto
open TorchSharp
open Attribution
open Support

let private bytes (path: string) (content: byte[]) =
    File.WriteAllBytes(path, content)
    path

let private truncated (path: string) (source: string) =
    let content = File.ReadAllBytes source
    bytes path content[.. content.Length / 2]

/// An array that claims to be far larger than it is.
let private lying path name =
    use zip = ZipFile.Open(path, ZipArchiveMode.Create)
    use stream = zip.CreateEntry($"{name}.npy").Open()

    let header =
        "{'descr': '|u1', 'fortran_order': False, 'shape': (99999999, 32, 32, 3), }".PadRight(117) + "\n"

    stream.Write(ReadOnlySpan(Encoding.Latin1.GetBytes("\u0093NUMPY\u0001\u0000v\u0000" + header)))
    path

let private torchScript =
    let file name = AppContext.BaseDirectory </> $"Models/TorchScript/{name}"

    $"""--model {file "net.pt"} --dataset {file "net.npz"}"""

/// Means of channels: no ReLU, no convolution, no weights.
let private means d = $"--model {Tiny.onnx [] d} --dataset {Tiny.dataset d}"

let private explain model data more = $"explain --model {model} --dataset {data} --method saliency {more}"

/// Each: its name, a command line without --out from a folder to write in, and what the sentence holds.
let private rows: (string * (string -> string) * string list) list = [
    "a missing model", (fun d -> explain $"{d}/no.npz" (Tiny.dataset d) ""), [ "no.npz"; "does not exist" ]
    "a device that is not there", (fun d -> explain (Tiny.vgg16 d) (Tiny.dataset d) "--device cuda:9"), [ "CUDA" ]
    "a missing ONNX model", (fun d -> explain $"{d}/no.onnx" (Tiny.dataset d) ""), [ "no.onnx"; "does not exist" ]
    "a model of an unknown kind",
    (fun d -> explain (bytes $"{d}/net.h5" [||]) (Tiny.dataset d) ""),
    [ "net.h5"; ".onnx" ]
    "an empty model", (fun d -> explain (bytes $"{d}/e.npz" [||]) (Tiny.dataset d) ""), [ "e.npz" ]
    "an empty ONNX model", (fun d -> explain (bytes $"{d}/e.onnx" [||]) (Tiny.dataset d) ""), [ "e.onnx" ]
    "an ONNX model of noise",
    (fun d -> explain (bytes $"{d}/n.onnx" [| for i in 0..999 -> byte (i * 7) |]) (Tiny.dataset d) ""),
    [ "n.onnx" ]
    "a truncated model", (fun d -> explain (truncated $"{d}/t.npz" (Tiny.vgg16 d)) (Tiny.dataset d) ""), [ "t.npz" ]
    "a model without weights", (fun d -> explain (Tiny.dataset d) (Tiny.dataset d) ""), [ "data.npz"; "conv1_1_W" ]
    "a missing data set", (fun d -> explain (Tiny.vgg16 d) $"{d}/no.npz" ""), [ "no.npz"; "does not exist" ]
    "an empty data set", (fun d -> explain (Tiny.vgg16 d) (bytes $"{d}/e.npz" [||]) ""), [ "e.npz" ]
    "a truncated data set", (fun d -> explain (Tiny.vgg16 d) (truncated $"{d}/t.npz" (Tiny.dataset d)) ""), [ "t.npz" ]
    "a lying data set", (fun d -> explain (Tiny.vgg16 d) (lying $"{d}/l.npz" "X") ""), [ "l.npz"; "X" ]
    "a data set without images",
    (fun d -> explain (Tiny.vgg16 d) (Tiny.write $"{d}/y.npz" [ "Y", torch.tensor [| 1L |] ]) ""),
    [ "y.npz"; "X" ]
    "images of a size that the model does not take",
    (fun d -> explain (Tiny.vgg16 d) (Tiny.small d) ""),
    [ "small.npz"; "3×32×32"; "3×16×16" ]
    "a missing image", (fun d -> $"explain --model {Tiny.vgg16 d} --images {d}/no.png --method saliency"), [ "no.png" ]
    "a picture that is none",
    (fun d -> $"""explain --model {Tiny.vgg16 d} --images {bytes $"{d}/x.png" [| 1uy; 2uy |]} --method saliency"""),
    [ "x.png" ]
    "a folder without pictures",
    (fun d ->
        $"""explain --model {Tiny.vgg16 d} --images {Directory.CreateDirectory($"{d}/none").FullName} --method saliency"""),
    [ "none" ]
    "missing labels", (fun d -> explain (Tiny.vgg16 d) (Tiny.dataset d) $"--labels {d}/no.txt"), [ "no.txt" ]
    "an unknown layer", (fun d -> $"experts {tiny d} --layer fc1x"), [ "fc1x"; "'fc1'"; "'fc1l'" ]
    "an unknown layer, to explain",
    (fun d -> $"explain {tiny d} --method influence-directed --layer pool9"),
    [ "pool9"; "did you mean" ]
    "an unknown class", (fun d -> $"explain {tiny d} --method saliency --quantity class:9"), [ "class 9"; "0 to 3" ]
    "an unknown class of a margin", (fun d -> $"experts {tiny d} --layer fc1 --quantity margin:1,4"), [ "class 4" ]
    "a class name without labels",
    (fun d -> $"experts {tiny d} --layer fc1 --quantity class:cat"),
    [ "cat"; "--labels" ]
    "a class name that the labels lack",
    (fun d ->
        $"""experts {tiny d} --layer fc1 --quantity class:cta --labels {(File.WriteAllText($"{d}/n.txt", "cat\ndog")
                                                                         $"{d}/n.txt")}"""),
    [ "cta"; "'cat'" ]
    "an unknown index", (fun d -> $"explain {tiny d} --method saliency --indices 3,10"), [ "10"; "0 to 9" ]
    "a negative index", (fun d -> $"explain {tiny d} --method saliency --indices -1"), [ "-1"; "0 to 9" ]
    "an unknown id", (fun d -> $"explain {tiny d} --method saliency --ids 100,7"), [ "id 7"; "100" ]
    "ids where there are none", (fun d -> explain (Tiny.vgg16 d) (Tiny.unlabelled d) "--ids 7"), [ "Idx" ]
    "true classes where there are none",
    (fun d -> explain (Tiny.vgg16 d) (Tiny.unlabelled d) "--quantity true"),
    [ "Y" ]
    "an empty distribution", (fun d -> $"experts {tiny d} --layer fc1 --distribution class:3"), [ "class 3"; "0, 1, 2" ]
    "a distribution where true classes are unknown",
    (fun d -> $"experts --model {Tiny.vgg16 d} --dataset {Tiny.unlabelled d} --layer fc1 --distribution class:1"),
    [ "Y" ]
    "NaN in the model's output",
    (fun d -> explain (Tiny.vgg16With [| 0f; nanf; 0f; 0f |] $"{d}/nan.npz") (Tiny.dataset d) ""),
    [ "not a finite number"; "image 0" ]
    "scores that are not positive",
    (fun d ->
        $"""evaluate --model {Tiny.vgg16With (Array.create 4 -1e6f) $"{d}/neg.npz"} --dataset {Tiny.dataset d} --methods saliency --metrics average-drop"""),
    [ "10 of 10 images"; "--skip-non-positive" ]
    "a layer without positions, for a class activation map",
    (fun d -> $"explain {tiny d} --method grad-cam --map-layer fc1l"),
    [ "'fc1l'"; "positions" ]
    "an unknown layer, for a class activation map",
    (fun d -> $"explain {tiny d} --method saliency layer-cam --map-layer conv9"),
    [ "'conv9'"; "did you mean" ]
    "grad-cam on a model without convolutions", (fun d -> $"explain {means d} --method grad-cam"), [ "no convolution" ]
    "grad-cam on a model of one piece",
    (fun _ -> $"explain {torchScript} --method grad-cam"),
    [ "cannot be cut: export the model to ONNX" ]
    for method, what in
        [ "guided-backpropagation", "ReLUs"; "deconvolution", "ReLUs"; "lrp-epsilon", "layers of weights" ] do
        $"{method} on a model without {what}", (fun d -> $"explain {means d} --method {method}"), [ what ]

        $"{method} on a model of one piece",
        (fun _ -> $"evaluate {torchScript} --methods {method} --metrics sparseness"),
        [ what; "ONNX" ]
    "more samples than memory has room for",
    (fun d -> $"explain {tiny d} --method smoothgrad --samples 2000000000"),
    [ "Samples are 1 to" ]
    "too few steps for the rule",
    (fun d -> $"explain {tiny d} --method integrated-gradients --rule trapezoid --steps 1"),
    [ "step" ]
]

let tests =
    testList "bad input" [
        for name, line, words in rows do
            example $"{name} is answered in one sentence, and leaves no file" (fun folder ->
                let line = line folder
                let before = files folder
                let told = attribution $"{line} --out {folder}/out" |> fails

                for word in words do
                    Expect.stringContains told word "what it names"

                Expect.equal (files folder) before "no new file")

        example "an output folder that cannot be written is answered before the model is read" (fun folder ->
            let file = bytes (folder </> "file") [||]

            for out in [ file; file </> "below"; "/proc/attribution" ] do
                let told =
                    attribution
                        $"explain --model {folder}/no.onnx --dataset {folder}/no.npz --method saliency --out {out}"
                    |> fails

                Expect.stringContains told out "what it names"

            Expect.equal (files folder) [ "file" ] "no new file")

        example "a run that fails leaves what was in the folder" (fun folder ->
            let out = Directory.CreateDirectory(folder </> "out").FullName
            File.WriteAllText(out </> "summary.json", "old")

            attribution $"explain {tiny folder} --method saliency --quantity class:9 --out {out}"
            |> fails
            |> ignore

            Expect.equal (files out) [ "summary.json" ] "files"
            Expect.equal (File.ReadAllText(out </> "summary.json")) "old" "as it was")

        example "a failure in one of the selected images names its position in the data" (fun folder ->
            // Bright pixels alone pass the first layer, and overflow in those after it.
            use source = NpzFile.Open(Tiny.vgg16 folder)

            let model =
                Tiny.write (folder </> "overflow.npz") [
                    for name in source.Names do
                        let values = source.Read name

                        match name with
                        | "conv1_1_b" -> values.fill_ (-1e6f.ToScalar())
                        | weights when weights.EndsWith "_W" && weights <> "conv1_1_W" ->
                            values.abs () * 1e37f.ToScalar()
                        | weights when weights.EndsWith "_W" -> values.abs ()
                        | _ -> values
                        |> fun values -> name, values
                ]

            let x = torch.zeros ([| 10L; 32L; 32L; 3L |], torch.float32)
            x[7L].fill_(1e9f.ToScalar()) |> ignore
            let data = Tiny.write (folder </> "bright.npz") [ "X", x ]

            for command in
                [
                    "explain --method saliency"
                    "experts --layer fc1l"
                    "evaluate --methods saliency --metrics average-drop"
                ] do
                let told =
                    attribution $"{command} --model {model} --dataset {data} --indices 2,7 --out {folder}/out" |> fails

                Expect.stringContains told "output for image 7 is not a finite number" command)

        sharedExample "an image size that an ONNX model does not take is answered in one sentence" (fun shared folder ->
            let told =
                attribution
                    $"explain --model {shared}/models/mnist.onnx --dataset {shared}/data/cifar10-real.npz --method saliency --out {folder}/out"
                |> fails

            Expect.stringContains told "1×28×28" "what the model takes")

        example "a process that fails says so in one sentence on standard error, with code 1" (fun folder ->
            let outcome = start $"layers --model {folder}/no.npz" |> finish
            Expect.stringContains (fails outcome) "no.npz" "the sentence"
            Expect.equal outcome.Out "" "standard output")
    ]
