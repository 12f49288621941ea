namespace Attribution.Runner

open System
open System.IO
open Attribution

/// Work that machines share.
[<RequireQualifiedAccess>]
module Clusters =
    let options = [ Group.of'<ClusterOption> ]

    let submitting = options @ [ Group.of'<SubmitOption>; Group.of'<MixedOption> ]

    /// Connects to the cluster that the arguments name.
    let connect (given: Given) =
        let address = Arguments.require "--cluster" (given.Get ClusterOption.Cluster)

        let options =
            ClusterOptions(
                Credentials = Option.toObj (given.Get Creds),
                CertificateAuthority = Option.toObj (given.Get Tls_Ca),
                Certificate = Option.toObj (given.Get Tls_Cert),
                Key = Option.toObj (given.Get Tls_Key),
                Said = Terminal.say
            )

        Attribution.Cluster.Connect(address, options, given.Stop)

    /// Options that say where work is done and its results go, and how many words follow them.
    let private own =
        dict [
            for name in
                [
                    "--out"
                    "--cluster"
                    "--creds"
                    "--tls-ca"
                    "--tls-cert"
                    "--tls-key"
                    "--name"
                    "--part"
                    "--device"
                ] do
                name, 1
            "--mixed", 0
        ]

    /// Options whose words are files.
    let private files = [ "--model"; "--dataset"; "--images"; "--labels"; "--masks" ]

    /// The options among words, each with the words that follow it.
    let private byOption (words: string list) =
        let folder found (word: string) =
            match found with
            | (option, values) :: rest when not (word.StartsWith "--") -> (option, values @ [ word ]) :: rest
            | found -> (word, []) :: found

        words |> List.fold folder [] |> List.rev

    /// The words on which results depend, without files and where they go.
    let settings (counted: string list) (given: Given) =
        String.concat " " [
            if given.Has Demo then
                $"scenes of seed {Arguments.seed given}"

            for option, values in byOption given.Words do
                if not (own.ContainsKey option || List.contains option (files @ counted)) then
                    yield! option :: values
        ]

    /// What workers are told: the words, and the files among them.
    let job (given: Given) =
        let found = ResizeArray<ClusterFile>()

        let token (path: string) =
            if not (File.Exists path || Directory.Exists path) then
                raise (AttributionException $"Cannot read '{path}': it does not exist; check the path.")

            let beside =
                if Path.GetExtension(path).ToLowerInvariant() = ".onnx" then
                    Seq.skip 1 (Model.Files path) |> Array.ofSeq
                else
                    [||]

            found.Add(ClusterFile(path, Beside = beside))
            ClusterJob.Token(found.Count - 1)

        let words = [|
            given.Command

            for option, values in byOption given.Words do
                if not (own.ContainsKey option) then
                    option
                    yield! if List.contains option files then List.map token values else values
        |]

        ClusterJob(words, found)

    /// Refuses words that name files other than those below a folder.
    let requireOwnFiles (root: string) (words: string list) =
        for option, values in byOption (List.tail words) do
            for value in values do
                if
                    List.contains option files
                    && not (Path.GetFullPath(value).StartsWith(root + string Path.DirectorySeparatorChar))
                then
                    raise (
                        AttributionException
                            $"The cluster's words name the file '{value}', which is none of the study's."
                    )

                if own.ContainsKey option then
                    raise (AttributionException $"The cluster's words hold {option}, which is for this machine to say.")

    /// What results depend on: the words, and the contents of files.
    let subject (counted: string list) (files: string list) (given: Given) =
        String.concat "\n" [
            settings counted given
            for file in files do
                yield! Content.Of file
        ]

    /// Work at the place that the arguments name: the cluster, or this process.
    let at (given: Given) (work: Workplace -> 'a) : 'a =
        if (given.Get ClusterOption.Cluster).IsNone then
            work null
        else
            use cluster = connect given

            try
                work (cluster.Place(job given, Option.toObj (given.Get Name), given.Has Mixed))
            with :? OperationCanceledException ->
                Terminal.say "The cluster goes on computing: the same command collects what it found."
                reraise ()

    /// The part that --part names, and of how many.
    let part (given: Given) =
        given.Get Part
        |> Option.map (fun text ->
            match text.Split '/' |> Array.map Int32.TryParse with
            | [| true, part; true, parts |] when part >= 1 && part <= parts -> part, parts
            | _ -> Arguments.wrong $"--part takes I/N, as 3/16 for the third of sixteen parts, and not '{text}'.")
