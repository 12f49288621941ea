module UsageTests

open System.Diagnostics
open System.IO
open System.Threading
open FSharp.Reflection
open Expecto
open Attribution.Runner
open Support

let private required =
    Map [
        "explain", "--method saliency --out out"
        "experts", "--layer fc1l --out out"
        "compress", "--layer fc1l --out out"
        "evaluate", "--methods saliency --metrics average-drop --out out"
        "study", "--out out"
        "layers", ""
    ]

/// Wrong ways to call a command, and what the first line of the answer holds.
let private wrong = [
    "explain", "", "--method is missing"
    "explain", "--model m.npz --dataset d.npz --out out", "--method is missing"
    "explain", "--model m.npz --dataset d.npz --method saliency", "--out is missing"
    "explain", "--dataset d.npz --method saliency --out DIR", "--model is missing"
    "explain", "--model m.npz --dataset d.npz --method saliency,gradcam --out DIR", "'gradcam'"
    "explain", "--model m.npz --bogus", "--bogus"
    "explain", "--model m.npz --top 3", "does not take --top"
    "explain", "--model", "--model"
    "explain", "TINY --method saliency --quantity best --out DIR", "'best'"
    "explain", "TINY --method saliency --quantity margin:1 --out DIR", "margin:A,B"
    "explain", "TINY --method influence-directed --units pixels --out DIR", "'pixels'"
    "explain", "TINY --method influence-directed --distribution some --out DIR", "'some'"
    "explain", "TINY --method integrated-gradients --baseline grey --out DIR", "'grey'"
    "explain", "TINY --method integrated-gradients --baseline random:x --out DIR", "'random:x'"
    "explain", "TINY --method integrated-gradients --rule left --out DIR", "'left'"
    "explain", "TINY --method integrated-gradients --steps 0 --out DIR", "--steps must be at least 1"
    "explain", "TINY --method integrated-gradients --steps few --out DIR", "--steps"
    "explain", "TINY --method saliency --batch-size 0 --out DIR", "--batch-size"
    "explain", "TINY --method smoothgrad --samples 0 --out DIR", "--samples must be at least 1"
    "explain", "TINY --method smoothgrad --noise -0.1 --out DIR", "--noise"
    "explain", "TINY --method smoothgrad --noise NaN --out DIR", "--noise"
    "explain", "TINY --method occlusion --window 0 --out DIR", "--window must be at least 1"
    "explain", "TINY --method occlusion --stride 0 --out DIR", "--stride must be at least 1"
    "explain", "TINY --method occlusion --window 3 --stride 4 --out DIR", "4 is more than 3"
    "train-demo", "--prior corner", "'corner'"
    "priors", "--demo --seeds 0 --out DIR", "--seeds must be at least 1"
    "priors", "--demo", "--out is missing"
    "attack", "TINY --beta 0 --out DIR", "--beta is a number above 0"
    "attack", "TINY --radius -1 --out DIR", "--radius is a number above 0"
    "attack", "TINY --iterations 0 --out DIR", "--iterations must be at least 1"
    "attack", "TINY --method salience --out DIR", "not 'salience'"
    "optimal", "TINY --metrics area --out DIR", "not 'area'"
    "interactions", "TINY --grid 0 --out DIR", "--grid must be at least 1"
    "interactions", "TINY --beta NaN --out DIR", "--beta"
    "tracin", "TINY --out DIR", "--training is missing"
    "tracin", "--demo --training t.npz --out DIR", "--demo has training images of its own"
    "tracin", "TINY --training t.npz --last 0 --out DIR", "--last must be at least 1"
    "concepts", "TINY --out DIR", "--concept is missing"
    "concepts", "TINY --concept stripes --out DIR", "NAME=FOLDER"
    "concepts", "TINY --concept a=b --runs 1 --out DIR", "--runs must be at least 2"
    "concepts", "TINY --craft --concept a=b --out DIR", "leave --concept out"
    "concepts", "TINY --craft --count 0 --out DIR", "--count must be at least 1"
    "concepts", "--demo", "--out is missing"
    "worker", "", "--cluster is missing"
    "worker", "--cluster here", "nats://host:4222"
    "worker", "--cluster nats://a:1 --device gpu", "'gpu'"
    "cluster", "--cluster nats://me:secret@host", "--creds"
    "study", "TINY --part 4/3 --out DIR", "--part takes I/N"
    "study", "TINY --part 1/2 --cluster nats://a:1 --out DIR", "leave --cluster out"
    "merge", "--out DIR", "--parts is missing"
    "explain", "--demo --model m.npz --method saliency --out DIR", "--demo stands for a model and images"
    "explain", "TINY --method saliency --device gpu --out DIR", "'gpu'"
    "explain", "TINY --method saliency --precision half --out DIR", "'half'"
    "explain", "TINY --method saliency --indices 1,x --out DIR", "'x'"
    "explain", "TINY --images a.png --method saliency --out DIR", "not both"
    "explain", "MODEL --method saliency --out DIR", "Images are missing"
    "explain", "TINY --scale 255 --method saliency --out DIR", "--scale"
    "explain", "TINY --scale wide --method saliency --out DIR", "'wide'"
    "evaluate", "TINY --scale shared --methods saliency --metrics sparseness --out DIR", "explain's pictures"
    "explain", "TINY --preprocess imagenet --method saliency --out DIR", "--preprocess"
    "explain", "TINY --preprocess keras --method saliency --out DIR", "'keras'"
    "layers", "--model m.onnx --channel-order grb", "'grb'"
    "layers", "--model m.onnx --mean a,b", "--mean"
    "experts", "TINY --top 0 --out DIR", "--top"
    "experts", "TINY --layer fc1l --ideal --no-pictures --out DIR", "leave --no-pictures out"
    "experts", "TINY --layer fc1l --iterations 5 --out DIR", "--iterations is for --ideal"
    "experts", "TINY --layer fc1l --ideal --iterations 0 --out DIR", "--iterations must be at least 1"
    "examples", "TINY", "--out is missing"
    "examples", "TINY --count 0 --out DIR", "--count must be at least 1"
    "examples", "TINY --method saliency --out DIR", "does not take --method"
    "compress", "TINY --layer fc1l --quantity margin:0,1 --out DIR", "class:K"
    "compress", "TINY --layer fc1l --keep few --out DIR", "'few'"
    "experts", "TINY --around circle --out DIR", "'circle'"
    "experts", "TINY --around gaussian --out DIR", "gaussian:SIGMA"
    "experts", "TINY --around gaussian:-1 --out DIR", "'gaussian:-1'"
    "experts", "TINY --around gaussian:1 --samples 0 --out DIR", "--samples"
    "experts", "TINY --around line --steps auto --out DIR", "--around line"
    "experts", "TINY --around line --baseline grey --out DIR", "'grey'"
    "experts", "TINY --quantity margin:1+,+ --out DIR", "margin:A,B"
    "experts", "TINY --quantity one-vs-rest: --out DIR", "'one-vs-rest:'"
    "experts", "TINY --quantity threshold:1 --out DIR", "threshold:K,T"
    "experts", "TINY --quantity threshold:1,high --out DIR", "'1,high'"
    "experts", "TINY --quantity unit:fc1l --out DIR", "unit:LAYER,U"
    "experts", "TINY --quantity unit:fc1l,-1 --out DIR", "'fc1l,-1'"
    "experts", "TINY --quantity unit:fc2,0 --distribution own --out DIR", "--distribution own"
    "evaluate", "TINY --methods saliency --out DIR", "--metrics is missing"
    "evaluate", "TINY --methods saliency --metrics area --out DIR", "'area'"
    "evaluate", "TINY --methods salience --metrics average-drop --out DIR", "not 'salience'"
    "evaluate", "TINY --methods all,salience --metrics average-drop --out DIR", "not 'salience'"
    "study", "TINY --methods salience --out DIR", "not 'salience'"
    "study", "TINY --metrics area --out DIR", "not 'area'"
    "study", "TINY", "--out is missing"
    "study", "--demo --dataset d.npz --out DIR", "--demo stands for a model and images"
    "evaluate",
    "TINY --methods saliency --metrics necessity-ordering --pixels-per-step 0 --out DIR",
    "--pixels-per-step"
    "layers", "", "--model is missing"
    "layers", "--demo --model m.npz", "--demo stands for a model and images"
    "layers", "--model m.npz --dataset d.npz", "does not take --dataset"
]

let tests =
    testList "usage" [
        for command in Map.keys required do
            testCase $"'{command} --help' lists the options" (fun () ->
                let said = attribution $"{command} --help" |> ok
                Expect.stringStarts said $"USAGE: attribution {command}" "usage"

                for option in [ "--model"; "--preprocess"; "--channel-order" ] do
                    Expect.stringContains said option "options")

        for command, line, message in wrong do
            example $"'{command} {line}' is answered by what is wrong and the usage, and leaves no file" (fun folder ->
                let words =
                    line
                        .Replace("TINY", tiny folder)
                        .Replace("MODEL", $"--model {Tiny.vgg16 folder}")
                        .Replace("DIR", $"{folder}/out")

                let told = attribution $"{command} {words}" |> misused command
                Expect.stringContains told message "what is wrong"
                Expect.isFalse (Directory.Exists(folder </> "out")) "no folder")

        // A case of two unions is the later one's wherever it is read, and the other's values are lost.
        testCase "an option is a case of one union" (fun () ->
            let unions =
                typeof<DemoOption>.Assembly.GetTypes()
                |> Array.filter (fun t -> FSharpType.IsUnion t && typeof<Argu.IArgParserTemplate>.IsAssignableFrom t)

            let shared =
                unions
                |> Seq.filter (fun t -> not t.IsNested)
                |> Seq.collect FSharpType.GetUnionCases
                |> Seq.countBy _.Name
                |> Seq.filter (fun (_, n) -> n > 1)

            Expect.isGreaterThan unions.Length 10 "unions"
            Expect.isEmpty shared "options of two unions")

        testCase "no command, and one that does not exist, are answered by the commands" (fun () ->
            for line in [ ""; "explian --model m" ] do
                let outcome = attribution line
                Expect.equal outcome.Code 2 "exit code"

                for command in Map.keys required do
                    Expect.stringContains outcome.Error command "commands")

        testCase "'--help' tells the commands" (fun () ->
            let said = attribution "--help" |> ok
            Expect.stringContains said "evaluate" "commands")

        example "--option=value is --option value" (fun folder ->
            attribution $"layers --model={Tiny.vgg16 folder}" |> ok |> ignore)

        testCase "numbers mean the same everywhere" (fun () ->
            Expect.equal (Arguments.floats "--mean" "0.5, 1e-2,-3") [ 0.5; 0.01; -3. ] "floats"
            Expect.equal (Arguments.integers "--ids" "4,-2") [ 4L; -2L ] "integers")

        example "a run that is interrupted stops soon, with code 130 and nothing left behind" (fun folder ->
            let out = folder </> "out"

            use running = start $"explain {tiny folder} --method integrated-gradients --steps 1000000 --out {out}"

            let clock = Stopwatch.StartNew()

            while not (Directory.Exists out) && clock.Elapsed.TotalSeconds < 60. do
                Thread.Sleep 50

            Thread.Sleep 1500
            // Not -INT, which every process ignores that a script started in the background.
            use kill = Process.Start("kill", [ "-TERM"; string running.Id ])
            kill.WaitForExit()
            let clock = Stopwatch.StartNew()

            if not (running.WaitForExit 20000) then
                running.Kill()

            let outcome = finish running
            Expect.equal outcome.Code 130 "exit code"
            Expect.isLessThan clock.Elapsed.TotalSeconds 20. "it stops"
            Expect.isFalse (outcome.Error.Contains "   at ") "no stack trace"
            Expect.isFalse (Directory.Exists out) "nothing is left")
    ]
