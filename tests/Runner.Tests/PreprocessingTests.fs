module PreprocessingTests

open Expecto
open TorchSharp
open Attribution
open Support

/// The maps of the first image, as x ⊙ ∇ of the score of the class that is explained.
let private maps folder options =
    attribution
        $"explain --model {folder}/m.onnx --dataset {Tiny.dataset folder} --indices 0 --method saliency --quantity class:0 {options} --out {folder}/out"
    |> ok
    |> ignore

    snd (read (folder </> "out/attributions-saliency.npz") "attributions")

/// Options, and what the façade is given for the same.
let private ways = [
    "", Preprocessing()
    "--preprocess none", Preprocessing.None
    "--preprocess unit", Preprocessing.Unit
    "--preprocess imagenet", Preprocessing.ImageNet
    "--preprocess caffe", Preprocessing.Caffe
    "--preprocess cifar10", Preprocessing.Cifar10
    "--preprocess imagenet --std 2 --channel-order bgr",
    Preprocessing(255., [ 0.485; 0.456; 0.406 ], [ 2. ], ChannelOrder.Bgr)
    "--scale 3 --mean 1,2,3 --std 4,5,6 --channel-order rgb",
    Preprocessing(3., [ 1.; 2.; 3. ], [ 4.; 5.; 6. ], ChannelOrder.Rgb)
]

/// 24 images that are bluest, and of the class of blue where channels are in the order of images.
let private blue folder =
    let pixels = Array.init (24 * 32 * 32 * 3) (fun i -> byte (i % 97 + (if i % 3 = 2 then 100 else 0)))

    Tiny.write (folder </> "blue.npz") [
        "X", torch.tensor(pixels).reshape(24L, 32L, 32L, 3L)
        "Y", torch.tensor (Array.create 24 2L)
    ]

let private notes folder = [
    for note in (json (folder </> "out/summary.json")).GetProperty("notes").EnumerateArray() -> note.GetString()
]

let tests =
    testList "preprocessing" [
        for options, steps in ways do
            example $"of '{options}' is the façade's" (fun folder ->
                let file = Tiny.onnx [] folder
                let actual = maps folder options
                use model = Model.LoadOnnx(file, steps)
                use images = ImageSet.LoadNpz(folder </> "data.npz")

                let expected =
                    SaliencyMap(model, Quantity.Class 0).Attribute(images.Take [ 0 ]).permute(0L, 2L, 3L, 1L)

                close 1e-6 (expected.contiguous().``to``(torch.float64).data<float>()) actual "maps")

        example "is read from the model's metadata, which is said, and options win" (fun folder ->
            let file = Tiny.onnx [ "attribution.channel_order", "bgr" ] folder

            let layers options = attribution $"layers --model {file} {options}" |> ok

            Expect.stringContains (layers "") "as the model's metadata say: channel order bgr." "said"
            let told = layers "--channel-order rgb"
            Expect.isFalse (told.Contains "metadata" || told.Contains "bgr") "options win")

        example "that makes predictions no better than guesses is warned of" (fun folder ->
            let options = $"--model {Tiny.onnx [] folder} --dataset {blue folder}"

            let explain order =
                attribution $"explain {options} --channel-order {order} --method saliency --out {folder}/out" |> ok

            let evaluate order =
                attribution
                    $"evaluate {options} --channel-order {order} --methods saliency --metrics average-drop --out {folder}/scores"
                |> ok

            let warning = "right on 0 of 24 images"
            Expect.stringContains (explain "bgr") warning "explain"
            Expect.exists (notes folder) _.Contains(warning) "summary.json"
            Expect.stringContains (evaluate "bgr") warning "evaluate"
            Expect.isFalse ((explain "rgb" + evaluate "rgb").Contains "images are preprocessed") "nothing is wrong"
            Expect.equal (notes folder) [] "nothing to note")

        example "that makes all scores equal is warned of" (fun folder ->
            let options = $"--model {Tiny.onnx [] folder} --dataset {Tiny.dataset folder}"

            let said = attribution $"explain {options} --mean 1e12 --method saliency --out {folder}/out" |> ok

            Expect.stringContains said "all 10 images the same scores" "explain")
    ]
