module Server

open System
open System.Diagnostics
open System.IO
open System.Net
open System.Net.Sockets
open System.Threading
open Expecto
open Attribution
open Support

let private program =
    (Environment.GetEnvironmentVariable "PATH" + ":/usr/sbin").Split ':'
    |> Array.map (fun folder -> folder </> "nats-server")
    |> Array.tryFind File.Exists

/// A port that nobody listens at.
let freePort () =
    use listener = new TcpListener(IPAddress.Loopback, 0)
    listener.Start()
    (listener.LocalEndpoint :?> IPEndPoint).Port

/// A server of the test's own, whose store outlives it.
type Server(folder: string, settings: string) =
    let port = freePort ()
    let config = folder </> "server.conf"
    let mutable running: Process = null

    let start settings =
        File.WriteAllText(config, $"""listen: "127.0.0.1:{port}"{'\n'}{settings}""")
        let info = ProcessStartInfo(program.Value, $"-c \"{config}\"")
        info.RedirectStandardError <- true
        running <- Process.Start info
        running.ErrorDataReceived.Add ignore
        running.BeginErrorReadLine()
        let clock = Stopwatch.StartNew()

        let rec wait () =
            try
                use client = new TcpClient("127.0.0.1", port)
                ()
            with _ when clock.Elapsed.TotalSeconds < 20. ->
                Thread.Sleep 30
                wait ()

        wait ()

    do start settings

    /// With JetStream, in a folder of the test.
    static member In(folder: string) = new Server(folder, $"""jetstream {{ store_dir: "{folder </> "store"}" }}""")

    member _.Address = $"nats://127.0.0.1:{port}"

    /// Ends it as a failure of power would.
    member _.Kill() =
        running.Kill()
        running.WaitForExit()

    member _.Start() = start settings

    member _.StartWith settings = start settings

    /// A connection of a worker or a submitter, with leases short enough to wait for.
    member this.Connect(?said: string -> unit) =
        let said = defaultArg said ignore
        Cluster.Connect(this.Address, ClusterOptions(Lease = TimeSpan.FromSeconds 2., Said = said))

    interface IDisposable with
        member this.Dispose() = this.Kill()

/// A test with a server; skipped, which is said, where there is none.
let withServer name (test: Server -> unit) =
    if program.IsSome then
        example name (fun folder ->
            use server = Server.In folder
            test server)
    else
        ptestCase $"{name} (skipped: there is no nats-server)" ignore

/// A test that starts servers itself.
let withServers name (test: string -> unit) =
    if program.IsSome then
        example name test
    else
        ptestCase $"{name} (skipped: there is no nats-server)" ignore
