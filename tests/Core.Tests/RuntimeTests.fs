module RuntimeTests

open System
open System.IO
open System.Runtime.InteropServices
open System.Text
open Expecto
open FsCheck
open TorchSharp
open Attribution.Core
open Support

let private replacement = "_ZNSt8ios_base4InitC1Ev"

/// A shared library of a section table, two symbols, and the two versions of libstdc++ that it needs.
let private library =
    let strings = ResizeArray<byte> [ 0uy ]

    let text (s: string) =
        let at = strings.Count
        strings.AddRange(Encoding.ASCII.GetBytes(s + "\000"))
        at

    let malloc, initialise = text "malloc", text Elf.Symbol

    let file, older, newer = text "libstdc++.so.6", text "GLIBCXX_3.4", text "GLIBCXX_3.4.32"

    use stream = new MemoryStream()
    use writer = new BinaryWriter(stream)
    let u16 (n: int) = writer.Write(uint16 n)
    let u32 (n: int) = writer.Write(uint32 n)
    let u64 (n: int) = writer.Write(uint64 n)
    let names, symbols, versions, needs, sections = 64, 256, 336, 352, 416

    let at (offset: int) write =
        stream.Position <- int64 offset
        write ()

    at 0 (fun () ->
        writer.Write [| 0x7fuy; 'E'B; 'L'B; 'F'B; 2uy; 1uy; 1uy |]
        stream.Position <- 0x28L
        u64 sections
        stream.Position <- 0x3aL
        u16 64
        u16 5)

    at names (fun () -> writer.Write(strings.ToArray()))

    at symbols (fun () ->
        for name in [ 0; malloc; initialise ] do
            u32 name
            writer.Write(Array.zeroCreate<byte> 20))

    at versions (fun () -> List.iter u16 [ 0; 7; 3 ])

    at needs (fun () ->
        // One library (version 1, two entries, its name, entries 16 bytes on, no next), then hash, flags, index, name, next.
        u16 1
        u16 2
        u32 file
        u32 16
        u32 0

        for name, index, next in [ newer, 3, 16; older, 2, 0 ] do
            u32 0x1234
            u16 0
            u16 index
            u32 name
            u32 next)

    at sections (fun () ->
        for kind, offset, size, link in
            [
                0, 0, 0, 0
                11, symbols, 72, 2
                3, names, strings.Count, 0
                0x6ffffffe, needs, 48, 2
                0x6fffffff, versions, 6, 1
            ] do
            let start = int stream.Position
            u32 0
            u32 kind
            at (start + 0x18) (fun () -> u64 offset)
            u64 size
            u32 link
            at (start + 64) ignore

        stream.SetLength(int64 (sections + 5 * 64)))

    stream.ToArray()

let private contains (text: string) (bytes: byte[]) =
    bytes.AsSpan().IndexOf(ReadOnlySpan(Encoding.ASCII.GetBytes text)) >= 0

let private elf =
    testList "Elf.patch" [
        testCase "makes the version weak and puts the older symbol in the newer one's place" (fun () ->
            let patched = Expect.wantSome (Elf.patch library) "the library needs the symbol"
            Expect.isFalse (contains Elf.Symbol patched) "the newer symbol's name"
            Expect.isTrue (contains (replacement + "\000") patched) "the older symbol's name"

            let changed = [
                for i in 0 .. library.Length - 1 do
                    if library[i] <> patched[i] then
                        i
            ]

            Expect.equal patched.Length library.Length "length"
            // The weak flag of the newer version, and the version index of the symbol.
            Expect.equal (int patched[352 + 16 + 4]) 2 "flags of GLIBCXX_3.4.32"
            Expect.equal (int patched[352 + 32 + 4]) 0 "flags of GLIBCXX_3.4"
            Expect.equal (int patched[336 + 4]) 2 "version of the symbol"
            Expect.equal (int patched[336 + 2]) 7 "version of the other symbol"
            let name = Array.init Elf.Symbol.Length (fun i -> 64 + 8 + i)
            Expect.isEmpty (List.except [ yield! name; 336 + 4; 352 + 16 + 4 ] changed) "anything else that changed")

        testCase "leaves its argument alone, and a patched library needs no second patch" (fun () ->
            let original = Array.copy library
            let patched = Expect.wantSome (Elf.patch library) "patched"
            Expect.equal library original "argument"
            Expect.isNone (Elf.patch patched) "patched again")

        testCase "takes every truncation for what it is" (fun () ->
            // The last 32 bytes are fields of the last section that tell nothing needed here.
            for length in 0 .. library.Length - 33 do
                Expect.isNone (Elf.patch library[.. length - 1]) $"the first {length} bytes")

        testPropertyWithConfig
            { FsCheckConfig.defaultConfig with maxTest = 3000 }
            "never fails, whatever bytes are changed"
            (fun (seed: int) ->
                let rng = Random seed
                let bytes = Array.copy library

                for _ in 0 .. rng.Next 8 do
                    let extreme = [| 0uy; 1uy; 0x7fuy; 0x80uy; 0xffuy; byte (rng.Next 256) |]
                    bytes[rng.Next bytes.Length] <- extreme[rng.Next extreme.Length]

                Elf.patch bytes |> ignore)

        testProperty "never fails, whatever follows the first bytes of an ELF file" (fun (tail: byte[]) ->
            Expect.isNone (Elf.patch (Array.append library[..6] tail)) "short"

            Elf.patch (Array.append library[..63] (Array.replicate 40 tail |> Array.concat)) |> ignore)

        testCase "is not led around in circles" (fun () ->
            // Each entry of the needed versions points at itself, then far beyond the end, then just before the start.
            for next in [ 0u; 1u; 16u; 0x7fffffffu; 0xfffffff0u; 0xffffffffu ] do
                for at in [ 352 + 12; 352 + 8; 352 + 28; 352 + 44 ] do
                    let bytes = Array.copy library
                    BitConverter.TryWriteBytes(Span(bytes, at, 4), next) |> ignore
                    Elf.patch bytes |> ignore

            let long = Array.append library (Array.init (4 <<< 20) (fun i -> if i % 4 = 0 then 4uy else 0uy))

            BitConverter.TryWriteBytes(Span(long, 352 + 28, 4), uint32 library.Length - 368u) |> ignore

            Elf.patch long |> ignore)

        testCase "patches the library of TorchSharp itself" (fun () ->
            let file =
                Directory.GetFiles(AppContext.BaseDirectory, "libLibTorchSharp.so", SearchOption.AllDirectories)

            if file.Length = 0 then
                skiptest "TorchSharp's Linux library is not part of this build."

            let original = File.ReadAllBytes file[0]

            let count (bytes: byte[]) = Encoding.Latin1.GetString(bytes).Split(Elf.Symbol).Length - 1

            match Elf.patch original with
            | Some patched ->
                Expect.equal (count patched) (count original - 1) "the newer symbol's name in the dynamic table"
                Expect.equal patched.Length original.Length "length"
            | None -> Expect.equal (count original) 0 "nothing to patch")
    ]

let tests =
    testList "Runtime" [
        elf

        example "start may be called again, and tensors work" (fun () ->
            Runtime.start ()
            Runtime.start ()
            Expect.equal (torch.ones(3).sum().item<float32>()) 3f "sum")

        testCase "a file of the cache is made whole where it is missing or damaged, and its path stays" (fun () ->
            let bytes = Array.append "kept"B (Guid.NewGuid().ToByteArray())
            let path = Runtime.keep "file" bytes bytes

            try
                File.WriteAllBytes(path, bytes[..9])
                Expect.equal (Runtime.keep "file" bytes bytes) path "path"
                Expect.equal (File.ReadAllBytes path) bytes "bytes"
                Expect.equal (Directory.GetFileSystemEntries(Path.GetDirectoryName path)) [| path |] "no draft is left"
            finally
                Directory.Delete(Path.GetDirectoryName path, true))

        example
            "libtorch's own warnings are kept from the terminal, unless TORCH_CPP_LOG_LEVEL asks for them"
            (fun () ->
                torch.ones 1L |> ignore

                match Runtime.tryFind "libc10.so", Environment.GetEnvironmentVariable "TORCH_CPP_LOG_LEVEL" with
                | Some library, null ->
                    let place = NativeLibrary.GetExport(NativeLibrary.Load library, "FLAGS_caffe2_log_level")

                    Expect.equal (Marshal.ReadInt32 place) 2 "errors alone"
                | _ -> ())
    ]
