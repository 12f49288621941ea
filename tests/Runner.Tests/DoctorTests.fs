module DoctorTests

open System
open System.Diagnostics
open System.IO
open Expecto
open Attribution
open Support

let private cache =
    Path.Combine(Environment.GetFolderPath Environment.SpecialFolder.LocalApplicationData, "attribution")

/// The probe's answer about this machine, which the doctor leaves in the cache.
let private table () =
    attribution "doctor" |> ignore

    Directory.GetFiles(cache, "kernels-*.txt") |> Array.maxBy File.GetLastWriteTimeUtc

/// The command line as a process of its own, with variables of its own.
let private run (environment: (string * string) list) (line: string) =
    let info =
        ProcessStartInfo("dotnet", $"exec \"{typeof<Attribution.Runner.Command>.Assembly.Location}\" {line}")

    info.RedirectStandardOutput <- true
    info.RedirectStandardError <- true

    for name, value in environment do
        info.Environment[name] <- value

    use running = Process.Start info
    finish running

/// The first 12 attributions of a network in float32.
let private maps folder environment (model: string) =
    let out = Directory.CreateTempSubdirectory().FullName

    try
        run
            environment
            $"explain --model {model} --dataset {Tiny.dataset folder} --precision float32 --method saliency,grad-cam --out {out}"
        |> ok
        |> fun said -> said, read (out </> "attributions-saliency.npz") "attributions"
    finally
        Directory.Delete(out, true)

let tests =
    testList "doctor" [
        testCase "tells of the machine, and ends with a verdict" (fun () ->
            let outcome = attribution "doctor"

            for word in [ "processor"; "libtorch"; "memory"; "oneDNN in float32"; "oneDNN in bfloat16"; "GFLOP/s" ] do
                Expect.stringContains outcome.Out word "a fact"

            let verdict =
                if outcome.Code = 0 then outcome.Out.TrimEnd('\n').Split('\n') |> Array.last else fails outcome

            Expect.isTrue (verdict.TrimEnd('\n').EndsWith ".") "a sentence")

        example "a float32 network's maps are the same by every choice of kernels" (fun folder ->
            let model = Tiny.vgg16 folder

            match
                [ "probe"; "each"; "each"; "libtorch"; "products" ]
                |> List.map (fun choice -> maps folder [ "ATTRIBUTION_KERNELS", choice ] model)
            with
            | (_, (shape, first)) :: others ->
                for _, (shape', other) in others do
                    Expect.equal shape' shape "shape"
                    close 1e-4 first other "maps"
            | [] -> ())

        example "where oneDNN is wrong, what it gets wrong takes another path, and the person is told" (fun folder ->
            let model = Tiny.vgg16 folder
            let _, (_, right) = maps folder [] model
            let table = table ()

            // This machine, if oneDNN were wrong in every third case that it gets right, and ended the process in some.
            let ill =
                File.ReadAllLines table
                |> Array.mapi (fun i line ->
                    let parts = line.Split '\t'

                    if parts.Length < 3 || parts[1] <> "Native" || i % 3 > 0 then
                        line
                    else
                        let kernel, how =
                            if i % 2 = 0 then "Products", "ends the process" else "Relaid", "wrong by 14 %"

                        $"{parts[0]}\t{kernel}\t{how}")

            Directory.CreateDirectory(folder </> "attribution") |> ignore
            File.WriteAllLines(folder </> "attribution" </> Path.GetFileName table, ill)
            let environment = [ "XDG_DATA_HOME", folder ]

            for _ in 1..2 do
                let said, (_, found) = maps folder environment model
                Expect.stringContains said "On this machine oneDNN computes" "told"
                close 1e-4 right found "maps"

            let outcome = run environment "doctor"
            let verdict = fails outcome
            Expect.stringContains verdict "results can be trusted" "verdict"
            Expect.stringContains outcome.Out "ends the process" "a fault"
            Expect.stringContains outcome.Out "wrong by 14 %" "another")

        testCase "an unknown choice of kernels is told" (fun () ->
            let outcome =
                run [ "ATTRIBUTION_KERNELS", "fast" ] "experts --demo --precision float32 --layer conv1_1 --out ."

            Expect.stringContains (fails outcome) "may be probe, each, onednn, libtorch or products" "the choices")
    ]
