module DocsTests

open System.IO
open Expecto
open Attribution
open Support

let tests =
    testList "docs" [
        example "a file in a folder inside the output appears with the others, or not at all" (fun folder ->
            let write name =
                use output = new OutputFolder(folder </> name)
                File.WriteAllText(output.Draft "page.md", "")
                File.WriteAllText(output.Draft "pictures/a.png", "")
                Expect.isFalse (File.Exists(folder </> name </> "page.md")) "only drafts so far"

                if name = "kept" then
                    let names = output.Commit() |> List.ofSeq
                    Expect.equal names [ "page.md"; "pictures/a.png" ] "what is committed"

            write "kept"
            write "dropped"
            Expect.equal (files folder) [ "kept"; "kept/page.md"; "kept/pictures"; "kept/pictures/a.png" ] "files")

        example "'attribution methods --out' that cannot write its folder says so in a sentence" (fun folder ->
            File.WriteAllText(folder </> "taken", "")
            let told = attribution $"methods --out {folder}/taken" |> fails
            Expect.stringContains told "taken" "the folder")
    ]
