module GuardTests

open System
open System.IO
open System.Net
open System.Net.Http
open System.Net.Sockets
open System.Text
open Expecto
open Attribution
open Asking

let private table = lazy (demo usual)

/// A request to the usual table with headers of its own.
let private send (method: HttpMethod) (path: string) (headers: (string * string) list) =
    use request = new HttpRequestMessage(method, path)

    for name, value in headers do
        if name = "Host" then
            request.Headers.Host <- value
        else
            request.Headers.TryAddWithoutValidation(name, value) |> ignore

    if method = HttpMethod.Post then
        request.Content <- new ByteArrayContent [| 1uy; 2uy; 3uy |]

    wait (table.Value.Client.SendAsync request)

let private status response = fst (refusal response)
let private port () = table.Value.Address.Port

/// Bytes as they are on the wire.
let private raw (request: string) =
    use client = new TcpClient()
    client.Connect(IPAddress.Loopback, port ())
    use stream = client.GetStream()
    stream.Write(Encoding.ASCII.GetBytes request)
    stream.ReadTimeout <- 5000
    use reader = new StreamReader(stream)

    try
        reader.ReadToEnd()
    with :? IOException ->
        ""

let tests =
    testList "Guard" [
        testCase
            "a name that is not the explorer's is not answered, so that no stranger's name can be bound to it"
            (fun () ->
                for host in [ "evil.example"; "evil.example:80"; "127.0.0.1.evil.example"; "localhost.evil.example" ] do
                    for path in [ "/"; "/about"; "/ask?of=scores&image=0"; "/explorer.js" ] do
                        Expect.equal (status (send HttpMethod.Get path [ "Host", host ])) 421 $"{host}{path}"

                for host in [ "localhost"; "127.0.0.1"; "[::1]" ] do
                    Expect.equal
                        (int (send HttpMethod.Get "/about" [ "Host", $"{host}:{port ()}" ]).StatusCode)
                        200
                        host)

        testCase "what another site's page asks is not answered" (fun () ->
            let own = $"http://127.0.0.1:{port ()}"

            for origin in
                [
                    "http://evil.example"
                    "null"
                    $"http://localhost:{port ()}"
                    $"https://127.0.0.1:{port ()}"
                    "http://127.0.0.1"
                ] do
                for method, path in [ HttpMethod.Get, "/about"; HttpMethod.Post, "/image" ] do
                    Expect.equal (status (send method path [ "Origin", origin ])) 403 $"{origin} {method} {path}"

            for site in [ "cross-site"; "same-site" ] do
                Expect.equal
                    (status (send HttpMethod.Get "/ask?of=scores&image=0" [ "Sec-Fetch-Site", site ]))
                    403
                    site

            Expect.equal
                (int (send HttpMethod.Get "/about" [ "Origin", own; "Sec-Fetch-Site", "same-origin" ]).StatusCode)
                200
                "its own"

            Expect.equal
                (int
                    (send HttpMethod.Get "/" [ "Sec-Fetch-Site", "cross-site"; "Sec-Fetch-Mode", "navigate" ])
                        .StatusCode)
                200
                "a link from anywhere"

            for path in [ "/about"; "/export?as=csv&of=map&image=0"; "/ask?of=scores&image=0" ] do
                Expect.equal
                    (status (send HttpMethod.Get path [ "Sec-Fetch-Site", "cross-site"; "Sec-Fetch-Mode", "navigate" ]))
                    403
                    "which leads to nothing but the page")

        testCase "the page may run nothing but its own program, and stand in no other page" (fun () ->
            for path in [ "/"; "/about"; "/explorer.js"; "/image?image=0"; "/nothing" ] do
                let response = send HttpMethod.Get path []
                let header name = String.Join(",", response.Headers.GetValues name)
                let policy = header "Content-Security-Policy"
                Expect.stringContains policy "default-src 'none'" path
                Expect.stringContains policy "script-src 'self';" path
                Expect.stringContains policy "frame-ancestors 'none'" path
                Expect.isFalse (policy.Contains "unsafe") path
                Expect.equal (header "X-Content-Type-Options") "nosniff" path
                Expect.equal (header "Cross-Origin-Resource-Policy") "same-origin" path
                Expect.isFalse (response.Headers.Contains "Access-Control-Allow-Origin") path

            let html = wait (table.Value.Client.GetStringAsync "/")
            Expect.isFalse (html.Contains "style=") "no style in the page"

            Expect.isFalse
                (Text.RegularExpressions.Regex.IsMatch(html, @"<script(?![^>]*\bsrc=)|\son\w+=|javascript:"))
                "no program in the page"

            Expect.isFalse (html.Contains "http") "nothing of another server")

        testCase "no path of the disk can be asked for" (fun () ->
            let secret = Path.Combine(Path.GetTempPath(), "secret.png")

            for path in
                [
                    "/../../etc/passwd"
                    "/..%2f..%2fetc/passwd"
                    "/explorer.js/../../x"
                    "/image?image=../secret.png"
                    $"/image?image={Uri.EscapeDataString secret}"
                    "/image?image=-1"
                    "/image?image=999"
                    "/image?image="
                    "/image"
                ] do
                let response = send HttpMethod.Get path []
                Expect.isGreaterThanOrEqual (int response.StatusCode) 400 path
                Expect.isNonEmpty (snd (refusal response)) path

            for quantity in [ $"region:0@{secret}"; "region:0@/etc/passwd" ] do
                let said = send HttpMethod.Get $"/ask?of=map&image=0&quantity={Uri.EscapeDataString quantity}" []
                Expect.stringContains (snd (refusal said)) "reads no file" quantity)

        testCase "what is added is bounded, and is a picture" (fun () ->
            let add (bytes: byte[]) (name: string) =
                use request = new HttpRequestMessage(HttpMethod.Post, "/image", Content = new ByteArrayContent(bytes))
                request.Headers.TryAddWithoutValidation("X-Name", Uri.EscapeDataString name) |> ignore
                wait (table.Value.Client.SendAsync request)

            let code, said = refusal (add (Array.zeroCreate (21 <<< 20)) "big.png")
            Expect.equal code 413 "too large"
            Expect.stringContains said "20 MB" "too large"

            for bytes, what in
                [ [||], "empty"; "<svg onload=alert(1)>"B, "svg"; "GIF89a"B, "cut short"; "not a picture"B, "text" ] do
                let code, said = refusal (add bytes "<b>x</b>.png")
                Expect.equal code 400 what
                Expect.stringContains said "<b>x</b>.png" "the file is named"

            let picture = wait (table.Value.Client.GetByteArrayAsync "/image?image=3")
            let whole = add picture "../../etc/<b>passwd\n</b>"
            let data = parse (wait (whole.Content.ReadAsStringAsync()))
            Expect.equal (text "label" data) "../../etc/<b>passwd</b>" "a name is only a name"
            Expect.equal (text "key" data).Length 64 "its key is its content"

            Expect.equal
                (wait (table.Value.Client.GetByteArrayAsync $"""/image?image={text "key" data}"""))
                picture
                "the same pixels"

            let half = add picture[.. picture.Length / 2] "half.png"
            Expect.equal (int half.StatusCode) 400 "a picture that is cut short")

        testCase "a picture that the explorer has no more is asked for again" (fun () ->
            let key = String('a', 64)
            let response = send HttpMethod.Get $"/ask?of=scores&image={key}" []
            let data = parse (wait (response.Content.ReadAsStringAsync()))
            Expect.equal (int response.StatusCode, text "unknownImage" data) (410, key) "told so")

        testCase "requests that are none end in a sentence or a closed line, and the explorer lives on" (fun () ->
            for request in
                [
                    "GET / HTTP/1.1\r\n\r\n"
                    "GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n"
                    $"""GET /ask?of=map&quantity={String('x', 40000)} HTTP/1.1{"\r\n"}Host: localhost{"\r\n\r\n"}"""
                    "POST /image HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n"
                    "POST /image HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\nzz"
                    "\x00\x01\x02\r\n\r\n"
                    "PUT /image HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                    "OPTIONS / HTTP/1.1\r\nHost: localhost\r\nOrigin: http://evil.example\r\nConnection: close\r\n\r\n"
                ] do
                let said = raw request
                Expect.isFalse (said.StartsWith "HTTP/1.1 200") request[.. min 60 (request.Length - 1)]
                Expect.isFalse (said.Contains "   at ") "no stack trace"

            Expect.equal (int (send HttpMethod.Get "/about" []).StatusCode) 200 "it lives on")

        testCase "questions that cannot be meant are told so in a sentence" (fun () ->
            for question, word in
                [
                    "of=nothing&image=0", "kind"
                    "of=map", "no image"
                    "of=map&image=all", "one image"
                    "of=map&image=0&method=none", "no method"
                    "of=map&image=0&image=1", "more than once"
                    "of=map&image=0&quantity=class:99", "99"
                    "of=map&image=0&quantity=nonsense", "quantity"
                    "of=map&image=0&method=integrated-gradients&steps=0", "whole number"
                    "of=map&image=0&method=integrated-gradients&steps=1e9", "whole number"
                    "of=map&image=0&method=smoothgrad&noise=NaN", "number"
                    "of=map&image=0&method=grad-cam&map-layer=none", "layer"
                    "of=experts&layer=none", "did you mean"
                    "of=experts&quantity=class:0&distribution=class:77", "77"
                    "of=measure&image=0&metrics=", "No metric"
                    "of=measure&image=0&metrics=none", "no metric"
                ] do
                let response = wait (table.Value.Client.GetAsync $"/ask?{question}")
                let body = wait (response.Content.ReadAsStringAsync())

                let said =
                    if int response.StatusCode >= 400 then
                        sentence (parse body)
                    else
                        let name, data = List.last (events body)
                        Expect.equal name "failure" question
                        sentence data

                Expect.stringContains (said.ToLowerInvariant()) (word.ToLowerInvariant()) question
                Expect.isFalse (said.Contains "error of attribution itself") question)

        testCase "off the loopback address nobody asks without the token" (fun () ->
            use open' = demo (ExplorerOptions(Port = 0, Host = "0.0.0.0", Token = "secret"))
            Expect.equal open'.Address.Query "?token=secret" "the address has the token"
            use stranger = new HttpClient(BaseAddress = Uri $"http://127.0.0.1:{open'.Address.Port}")

            for path in [ "/"; "/about"; "/explorer.js"; "/?token=wrong"; "/?token="; "/ask?of=scores&image=0" ] do
                let code, said = refusal (wait (stranger.GetAsync path))
                Expect.equal code 401 path
                Expect.stringContains said "token" path

            use handler = new HttpClientHandler(AllowAutoRedirect = false)
            use knower = new HttpClient(handler, BaseAddress = stranger.BaseAddress)
            let first = wait (knower.GetAsync "/?token=secret")
            Expect.equal (int first.StatusCode, string first.Headers.Location) (302, "/") "out of the address"
            let cookie = String.Join(";", first.Headers.GetValues "Set-Cookie")

            for part in [ "httponly"; "samesite=lax" ] do
                Expect.stringContains (cookie.ToLowerInvariant()) part "the cookie"

            Expect.equal (int (wait (knower.GetAsync "/about")).StatusCode) 200 "with the cookie"
            use request = new HttpRequestMessage(HttpMethod.Get, "/about")
            request.Headers.Host <- "evil.example"
            Expect.equal (int (wait (knower.SendAsync request)).StatusCode) 421 "the name is looked at all the same")

        testCase "on the loopback address no other address of the machine is listened on" (fun () ->
            let others =
                Dns.GetHostAddresses(Dns.GetHostName())
                |> Array.filter (fun a -> not (IPAddress.IsLoopback a) && a.AddressFamily = AddressFamily.InterNetwork)

            for address in others do
                use client = new TcpClient()
                Expect.throws (fun () -> client.Connect(address, port ())) (string address))

        testCase "what cannot be started says why" (fun () ->
            let start options = (fun () -> (demo options :> IDisposable).Dispose())

            let fails options word =
                let e = Expect.throwsC (start options) id
                Expect.isTrue (e :? AttributionException) $"{e}"
                Expect.stringContains e.Message word "the sentence"

            fails (ExplorerOptions(Port = port ())) "is in use"
            fails (ExplorerOptions(Host = "203.0.113.7", Port = 0)) "no address 203.0.113.7"
            fails (ExplorerOptions(Host = "nowhere")) "no address to listen on")
    ]
    |> testSequenced
