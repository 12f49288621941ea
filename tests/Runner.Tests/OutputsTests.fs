module OutputsTests

open System
open System.Collections.Generic
open Expecto
open TorchSharp
open Attribution
open Support

let private options folder = $"--model {Tiny.heads folder} --preprocess none --dataset {Tiny.unlabelled folder}"

let private maps folder =
    use file = NpzFile.Open(folder </> "attributions-saliency.npz")
    file.Read("attributions").``to``(torch.float64).data<float>().ToArray(), file.ReadInts "Pred"

let private score (file: string) (metric: string) = (json file).GetProperty("saliency").GetProperty(metric)

let tests =
    testList "outputs" [
        example "the output that looks like scores is taken, and said; --output names another" (fun folder ->
            let said = attribution $"explain {options folder} --method saliency --out {folder}/out" |> ok

            Expect.stringContains said "'prob' is taken" "the choice"
            Expect.stringContains said "'label', 'redness'" "the others"
            Expect.stringContains said "The final Softmax ('prob') is left out" "the softmax"

            let asked =
                attribution $"explain {options folder} --output y --method saliency --out {folder}/asked" |> ok

            Expect.isFalse (asked.Contains "taken") "what is asked for needs no word"
            Expect.equal (fst (maps $"{folder}/asked")) (fst (maps $"{folder}/out")) "the logits are the tensor 'y'"

            for command in [ "layers"; "bench --part memory" ] do
                attribution $"{command} --model {folder}/heads.onnx --output y" |> ok |> ignore)

        example "an output that there is not, or that holds labels, is refused" (fun folder ->
            let explain output =
                attribution $"explain {options folder} --output {output} --method saliency --out {folder}/out"
                |> fails

            Expect.stringContains (explain "logits") "its outputs are 'label', 'prob', 'redness'" "unknown"
            Expect.stringContains (explain "label") "no scores in 'label'" "labels"

            let vgg = attribution $"explain {tiny folder} --output y --method saliency --out {folder}/out"

            Expect.stringContains (misused "explain" vgg) "--output is for .onnx models" "others have one"
            Expect.isEmpty (files $"{folder}/out") "nothing is written")

        example "one logit stands for two classes: z for class 1 and -z for class 0" (fun folder ->
            let explain quantity =
                attribution
                    $"explain {options folder} --output redness --method saliency --quantity {quantity} --out {folder}/out"
                |> ok
                |> fun said -> Expect.stringContains said "one logit" "it is said"

                maps $"{folder}/out"

            let positive, classes = explain "class:1"
            let negative, _ = explain "class:0"
            let own, _ = explain "predicted"
            use model = Model.LoadOnnx(folder </> "heads.onnx", output = "redness")
            use images = ImageSet.LoadNpz(folder </> "unlabelled.npz")
            let z = model.Logits(images).flatten().``to``(torch.float64).data<float>().ToArray()
            Expect.isTrue (Array.exists (fun z -> z > 0.) z && Array.exists (fun z -> z < 0.) z) "both sides"
            Expect.equal classes [| for z in z -> if z > 0. then 1L else 0L |] "the classes"
            Expect.equal negative (Array.map (~-) positive) "the other class"
            let each = positive.Length / z.Length
            Expect.equal own [| for i in 0 .. own.Length - 1 -> float (sign z[i / each]) * positive[i] |] "predicted"

            attribution
                $"explain {options folder} --output redness --method saliency --quantity class:2 --out {folder}/out"
            |> fails
            |> fun said -> Expect.stringContains said "2 classes, 0 to 1" "there is no third")

        example "of one logit every metric but the random logit test is computed, which is said" (fun folder ->
            let said =
                attribution
                    $"evaluate {options folder} --output redness --methods saliency --metrics all --pixels-per-step 100 --out {folder}/out"
                |> ok

            Expect.stringContains said "Left out: random-logit" "what is left out is named"
            use model = Model.LoadOnnx(folder </> "heads.onnx", output = "redness")
            use images = ImageSet.LoadNpz(folder </> "unlabelled.npz")
            let maps = SaliencyMap(model).Attribute images

            let written metric = numbers ((score (folder </> "out/scores.json") metric).GetProperty "per_instance")

            close 1e-5 (Deletion(model, pixelsPerStep = 100).Evaluate(maps, images)) (written "deletion") "deletion"
            close 1e-5 (AverageGain(model).Evaluate(maps, images)) (written "average-gain") "average gain"

            for metric in AttributionMetric.All do
                if metric.Name <> "random-logit" && not metric.NeedsMasks then
                    Expect.hasLength (written metric.Name) images.Count metric.Name

            Expect.throwsT<KeyNotFoundException> (fun () -> written "random-logit" |> ignore) "it has no scores"

            attribution
                $"evaluate {options folder} --output redness --methods saliency --metrics random-logit --out {folder}/none"
            |> fails
            |> fun said -> Expect.stringContains said "choose another metric" "alone it is refused"

            attribution
                $"study {options folder} --output redness --methods saliency occlusion --metrics deletion random-logit --out {folder}/study"
            |> ok
            |> fun said -> Expect.stringContains said "Left out: random-logit" "a study leaves it out too")
    ]
