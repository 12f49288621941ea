module Networks

open System.IO
open TorchSharp
open Attribution

/// A ResNet of the shapes of torchvision's resnet18 for 224×224 pixels and a number of classes, with random weights, as an ONNX file.
let resnet18 classes (file: string) =
    use _ = torch.NewDisposeScope()
    let generator = torch.manual_seed 18L
    ignore generator
    let onnx = OnnxWriter(17, [ 3L; 224L; 224L ])

    let weights (name: string) (shape: int64 list) fan =
        onnx.Numbers(name, torch.randn (Array.ofList shape) * (sqrt (2. / fan)).ToScalar())

    let conv (name: string) (x: string) (from: int64, into: int64) (side: int64) (stride: int64) =
        let w = weights $"{name}.weight" [ into; from; side; side ] (float (from * side * side))
        let bias = onnx.Numbers($"{name}.bias", torch.randn (into) * 0.01.ToScalar())
        let pad = side / 2L

        onnx.Node(
            "Conv",
            name,
            [ x; w; bias ],
            struct ("kernel_shape", box [| side; side |]),
            struct ("strides", box [| stride; stride |]),
            struct ("pads", box [| pad; pad; pad; pad |])
        )

    let relu name (x: string) = onnx.Node("Relu", name, [ x ])

    let block (x: string, from) (name, into, stride) =
        let inside = conv $"{name}.conv1" x (from, into) 3L stride |> relu $"{name}.relu1"
        let inside = conv $"{name}.conv2" inside (into, into) 3L 1L

        let past = if from = into && stride = 1L then x else conv $"{name}.downsample" x (from, into) 1L stride

        let sum = onnx.Node("Add", $"{name}.add", [ inside; past ])
        relu $"{name}.relu2" sum, into

    let stem = conv "conv1" "images" (3L, 64L) 7L 2L |> relu "relu"

    let pooled =
        onnx.Node(
            "MaxPool",
            "maxpool",
            [ stem ],
            struct ("kernel_shape", box [| 3L; 3L |]),
            struct ("strides", box [| 2L; 2L |]),
            struct ("pads", box [| 1L; 1L; 1L; 1L |])
        )

    let blocks = [
        for i, into in List.indexed [ 64L; 128L; 256L; 512L ] do
            $"layer{i + 1}.0", into, (if i = 0 then 1L else 2L)
            $"layer{i + 1}.1", into, 1L
    ]

    let last, _ = List.fold block (pooled, 64L) blocks
    let mean = onnx.Node("GlobalAveragePool", "avgpool", [ last ])
    let flat = onnx.Node("Flatten", "flatten", [ mean ])
    let w = weights "fc.weight" [ 512L; classes ] 512.
    let scores = onnx.Node("MatMul", "fc", [ flat; w ])
    File.WriteAllBytes(file, onnx.File(scores, [ classes ]))
