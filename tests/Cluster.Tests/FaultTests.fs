module FaultTests

open System
open System.IO
open System.Net
open System.Net.Sockets
open System.Security.Cryptography
open System.Security.Cryptography.X509Certificates
open System.Text
open System.Threading
open System.Threading.Tasks
open Expecto
open NATS.Client.Core
open NATS.Client.JetStream
open NATS.Client.ObjectStore
open Attribution
open Support
open Server
open Toy

let private refused (address: string) options =
    try
        use cluster = Cluster.Connect(address, options)
        failtest "It connects."
    with :? AttributionException as e ->
        Expect.isTrue (e.Message.EndsWith '.' && not (e.Message.Contains '\n')) $"a sentence: {e.Message}"
        e.Message

/// A server of an older version, or without JetStream, as far as a client sees at first.
let private pretending (info: string) test =
    let listener = new TcpListener(IPAddress.Loopback, 0)
    listener.Start()

    let serving = task {
        use! client = listener.AcceptTcpClientAsync()
        use stream = client.GetStream()
        do! stream.WriteAsync(ReadOnlyMemory(Encoding.ASCII.GetBytes($"INFO {info}\r\n")))
        let buffer = Array.zeroCreate<byte> 4096
        let mutable isOpen = true

        while isOpen do
            let! n = stream.ReadAsync(Memory buffer)
            isOpen <- n > 0

            if Encoding.ASCII.GetString(buffer, 0, n).Contains "PING" then
                do! stream.WriteAsync(ReadOnlyMemory(Encoding.ASCII.GetBytes "PONG\r\n"))
    }

    try
        test $"nats://127.0.0.1:{(listener.LocalEndpoint :?> IPEndPoint).Port}"
    finally
        listener.Stop()

        try
            serving.Wait 1000 |> ignore
        with _ ->
            ()

let private info version jetStream =
    $"""{{"server_id":"X","version":"{version}","proto":1,"max_payload":1048576,"jetstream":{jetStream},"headers":true}}"""

let tests =
    testList "faults" [
        testCase "a server that cannot be used is told of in a sentence" (fun () ->
            let options = ClusterOptions()

            Expect.stringContains
                (refused $"nats://127.0.0.1:{freePort ()}" options)
                "cannot be reached"
                "nobody there"

            pretending (info "2.2.0" "true") (fun address ->
                Expect.stringContains (refused address options) "too old: it is 2.2.0" "old")

            pretending (info "2.10.0" "false") (fun address ->
                Expect.stringContains (refused address options) "has no JetStream" "bare")

            for address, what in [ "here", "nats://host"; "nats://me:secret@host", "--creds" ] do
                let told = Expect.throwsC (fun () -> Cluster.Connect address |> ignore) _.Message
                Expect.stringContains told what "the address"
                Expect.isFalse (told.Contains "secret") "no password is repeated"

            let missing = ClusterOptions(Credentials = "/no/such.creds")
            Expect.stringContains (refused "nats://127.0.0.1:1" missing) "/no/such.creds" "the file of credentials")

        withServers "a server that refuses the credentials is told of" (fun folder ->
            use server =
                new Server(
                    folder,
                    $"""jetstream {{ store_dir: "{folder </> "store"}" }}{'\n'}authorization {{ token: "t" }}"""
                )

            Expect.stringContains (refused server.Address (ClusterOptions())) "refuses the credentials" "without any")

        withServers
            "a connection is encrypted where that is asked for, and one that cannot be is refused"
            (fun folder ->
                use key = ECDsa.Create()
                let request = CertificateRequest("CN=127.0.0.1", key, HashAlgorithmName.SHA256)
                let names = SubjectAlternativeNameBuilder()
                names.AddIpAddress IPAddress.Loopback
                request.CertificateExtensions.Add(names.Build())

                use certificate =
                    request.CreateSelfSigned(DateTimeOffset.Now.AddDays -1., DateTimeOffset.Now.AddDays 1.)

                let ca, own = folder </> "ca.pem", folder </> "key.pem"
                File.WriteAllText(ca, certificate.ExportCertificatePem())
                File.WriteAllText(own, key.ExportPkcs8PrivateKeyPem())

                use server =
                    new Server(
                        folder,
                        $"""jetstream {{ store_dir: "{folder </> "store"}" }}
tls {{ cert_file: "{ca}", key_file: "{own}" }}"""
                    )

                use cluster = Cluster.Connect(server.Address, ClusterOptions(CertificateAuthority = ca))
                Expect.isEmpty (cluster.Studies()) "it can be asked"
                let address = server.Address.Replace("nats:", "tls:")
                Expect.stringContains (refused address (ClusterOptions())) "--tls-ca" "whose authority nobody knows"
                let creds = folder </> "my.creds"
                File.WriteAllText(creds, "secret")
                let told = refused address (ClusterOptions(Credentials = creds))
                Expect.stringContains told "holds no credentials" "a file of something else"
                Expect.isFalse (told.Contains "secret") "what is in it is not told")

        withServers "a server without JetStream is told of" (fun folder ->
            use server = new Server(folder, "")
            Expect.stringContains (refused server.Address (ClusterOptions())) "JetStream" "bare")

        withServer "a server that dies and comes back loses nothing" (fun server ->
            let work = Toy 40

            let slow =
                Toy(
                    40,
                    fun i _ ->
                        Thread.Sleep 60
                        WorkResult(Toy.Result i)
                )

            use first = new Worker(server, slow, "toy")

            use second =
                new Worker(
                    server,
                    Toy(
                        40,
                        fun i _ ->
                            Thread.Sleep 60
                            WorkResult(Toy.Result i)
                    ),
                    "toy"
                )

            let running = Task.Run(fun () -> submit server work "toy" false ignore)

            for _ in 1..3 do
                Thread.Sleep 500
                server.Kill()
                Thread.Sleep 300
                server.Start()

            running.Wait()
            Expect.equal work.Known (Toy.Whole 40) "results"
            Expect.isEmpty work.Lost "none lost")

        withServers "a full disk is told of, and the work goes on when there is room" (fun folder ->
            let store = folder </> "store"
            let limited = $"""jetstream {{ store_dir: "{store}", max_file_store: 400KB }}"""
            use server = new Server(folder, limited)
            let large i = String(char (int 'a' + i % 26), 60_000)
            let work, said = Toy 12, System.Collections.Concurrent.ConcurrentQueue<string>()
            use worker = new Worker(server, Toy(12, fun i _ -> WorkResult(large i)), "toy", said = said.Enqueue)
            let running = Task.Run(fun () -> submit server work "toy" false said.Enqueue)
            let clock = Diagnostics.Stopwatch.StartNew()

            while not (said |> Seq.exists _.Contains("disk is full")) && clock.Elapsed.TotalSeconds < 30. do
                Thread.Sleep 100

            Expect.isTrue (said |> Seq.exists _.Contains("disk is full")) $"%A{List.ofSeq said}"
            Expect.isFalse running.IsCompleted "it waits"
            server.Kill()
            server.StartWith $"""jetstream {{ store_dir: "{store}", max_file_store: 400MB }}"""
            running.Wait()
            Expect.equal work.Known [ for i in 0..11 -> large i ] "results")

        withServer "messages of strangers are thrown away" (fun server ->
            use cluster = server.Connect()
            let connection = new NatsConnection(NatsOpts(Url = server.Address))
            let stream = NatsJSContext connection
            let place = (Workload.Digest machine)[..15]

            let send (unit: string) (text: string) =
                (stream.PublishAsync($"attribution.units.{place}.toy.{unit}", text)).AsTask().Wait()

            let id (key: string) = (Workload.Digest key)[..31]
            send ("toy." + id "unit 0") "unit 1"
            send ("toy." + id "unit 99") "unit 99"
            send "toy.short" "unit 2"
            send ("other." + id "unit 2") "unit 2"
            send ("toy." + id "{}") "{}"
            let work, own, said = Toy 5, Toy 5, ResizeArray()
            use worker = new Worker(server, own, "toy", said = said.Add)
            submit server work "toy" false ignore
            Expect.equal work.Known (Toy.Whole 5) "results"
            Expect.equal (List.sort own.Computed) [ 0..4 ] "nothing else was computed"
            Expect.isTrue (said |> Seq.exists _.Contains("thrown away")) "it is said")

        withServer "other work of the same name is refused, and nothing of it is lost" (fun server ->
            let work = Toy 4
            use worker = new Worker(server, Toy 4, "toy")
            submit server work "toy" false ignore

            let told =
                Expect.throwsC (fun () -> submit server (Toy(4, subject = "another")) "toy" false ignore) _.Message

            Expect.stringContains told "a study 'toy' of other images" "why"
            let again = Toy 4
            submit server again "toy" false ignore
            Expect.equal again.Known (Toy.Whole 4) "it is there still")

        withServers
            "a worker takes its own copies, fetches others once, and refuses what is not what it should be"
            (fun folder ->
                use server = Server.In folder

                let write (name: string) (text: string) =
                    let path = folder </> name
                    Directory.CreateDirectory(Path.GetDirectoryName path) |> ignore
                    File.WriteAllText(path, text)
                    path

                let model, images =
                    write "here/net.bin" "weights", Path.GetDirectoryName(write "here/images/a/1.png" "one")

                write "here/images/2.png" "two" |> ignore
                let images = Path.GetDirectoryName images
                let root = folder </> "root"
                let seen = ResizeArray<string list>()

                let builder (own: Workload) =
                    WorkBuilder(fun words _ _ ->
                        seen.Add(List.ofSeq words)
                        struct (own, new MemoryStream() :> IDisposable))

                let working (own: Workload) root (stop: CancellationToken) =
                    Task.Run(fun () ->
                        use cluster = server.Connect()

                        try
                            cluster.Work(machine, root, builder own, stop)
                            ""
                        with
                        | :? OperationCanceledException -> ""
                        | :? AttributionException as e -> e.Message)

                let submit name subject files =
                    use cluster = server.Connect()
                    use late = new CancellationTokenSource(TimeSpan.FromSeconds 5.)
                    let files = [| for file in files -> ClusterFile file |]
                    let words = [| "study"; "--model"; yield! files |> Array.mapi (fun i _ -> ClusterJob.Token i) |]
                    let work = Toy(3, subject = subject)

                    try
                        cluster.Place(ClusterJob(words, files), name).Do(work, null, late.Token)
                    with :? OperationCanceledException ->
                        ()

                    work

                use stop = new CancellationTokenSource()
                let worker = working (Toy(3, subject = "files")) root stop.Token
                Expect.equal (submit "files" "files" [ model; images ]).Known (Toy.Whole 3) "results"
                stop.Cancel()
                worker.Wait()
                let words = Seq.exactlyOne seen
                Expect.stringStarts words[2] root "the model is below root"
                Expect.equal (File.ReadAllText words[2]) "weights" "its content"
                Expect.equal (File.ReadAllText(words[3] </> "a/1.png")) "one" "a folder's content"
                Expect.equal (File.ReadAllText(words[3] </> "2.png")) "two" "a folder's content"

                // Its own copy is taken as it is.
                let mine = write "second/mine/net.bin" "weights"
                use stop = new CancellationTokenSource()
                let worker = working (Toy(3, subject = "own")) (folder </> "second") stop.Token
                Expect.equal (submit "own" "own" [ model ]).Known (Toy.Whole 3) "results"
                stop.Cancel()
                worker.Wait()
                let taken = seen[1]
                Expect.equal taken[2] mine "this machine's own"

                // What the cluster holds under a hash is another file.
                let other = write "here/other.bin" "other"
                let connection = new NatsConnection(NatsOpts(Url = server.Address))

                let store =
                    (NatsObjContext(NatsJSContext connection)).GetObjectStoreAsync("attribution_files").AsTask().Result

                store.PutAsync(Content.Hash other, Encoding.UTF8.GetBytes "else").AsTask().Wait()
                use stop = new CancellationTokenSource()
                let worker = working (Toy(3, subject = "wrong")) (folder </> "third") stop.Token
                submit "wrong" "wrong" [ other ] |> ignore
                Expect.isTrue (worker.Wait 10000) "it stops"
                Expect.stringContains worker.Result "another file than the study's" "the hash"

                // A program is not fetched.
                let script = write "here/net.pt" "code"
                use cluster = server.Connect()
                cluster.Forget "wrong"
                use stop = new CancellationTokenSource()
                let worker = working (Toy(3, subject = "script")) (folder </> "fourth") stop.Token
                submit "script" "script" [ script ] |> ignore
                Expect.isTrue (worker.Wait 10000) "it stops"
                Expect.stringContains worker.Result "not run from the network" "a TorchScript file")
    ]
