namespace Attribution.Core

open System
open System.Buffers.Binary
open System.IO
open System.Reflection
open System.Runtime.InteropServices
open System.Security.Cryptography
open System.Text

/// Makes a private copy of TorchSharp's native library that an older libstdc++ can load.
///
/// The library asks for version GLIBCXX_3.4.32 for the sake of one symbol, `ios_base_library_init`, which Debian 12,
/// Ubuntu 22.04 and RHEL 9 lack. In the copy that version is weak, and the symbol is renamed to the constructor of
/// `ios_base::Init`, which has the same effect (it initialises the standard streams and never reads its argument).
module internal Elf =
    [<Literal>]
    let Symbol = "_ZSt21ios_base_library_initv"

    let private replacement = "_ZNSt8ios_base4InitC1Ev"
    let private newVersion, oldVersion = "GLIBCXX_3.4.32", "GLIBCXX_3.4"

    // Section types and the weak flag of the ELF specification and its GNU extensions.
    let private dynamicSymbols, versionNeeds, versionSymbols = 11u, 0x6ffffffeu, 0x6fffffffu

    let private weak = 2us

    let private patchElf (library: byte[]) =
        let bytes = Array.copy library

        let u16 at = BinaryPrimitives.ReadUInt16LittleEndian(ReadOnlySpan(bytes, at, 2))

        let u32 at = BinaryPrimitives.ReadUInt32LittleEndian(ReadOnlySpan(bytes, at, 4))

        let i64 at = int (BinaryPrimitives.ReadUInt64LittleEndian(ReadOnlySpan(bytes, at, 8)))

        let put16 at (value: uint16) = BinaryPrimitives.WriteUInt16LittleEndian(Span(bytes, at, 2), value)

        let spells (text: string) at =
            ReadOnlySpan(bytes, at, bytes.Length - at).StartsWith(ReadOnlySpan(Encoding.ASCII.GetBytes(text + "\000")))

        let isElf = bytes.Length > 64 && u32 0 = 0x464c457fu && bytes[4] = 2uy && bytes[5] = 1uy

        if not isElf then
            None
        else
            let section i = i64 0x28 + i * int (u16 0x3a)
            let offset i = i64 (section i + 0x18)
            let size i = i64 (section i + 0x20)

            let find kind = Seq.tryFind (fun i -> u32 (section i + 4) = kind) (seq { 0 .. int (u16 0x3c) - 1 })

            match find dynamicSymbols, find versionNeeds, find versionSymbols with
            | Some symbols, Some needs, Some versions ->
                let names = offset (int (u32 (section symbols + 0x28)))

                // Each record says, 12 bytes in, how far on the next one is.
                let rec chain at = seq {
                    yield at
                    let next = int (u32 (at + 12))

                    if next <> 0 then
                        yield! chain (at + next)
                }

                // Each needed library lists the versions that it must have; a damaged file's lists may have no end.
                let entry version =
                    chain (offset needs)
                    |> Seq.collect (fun library -> chain (library + int (u32 (library + 8))))
                    |> Seq.truncate 0xffff
                    |> Seq.tryFind (fun at -> spells version (names + int (u32 (at + 8))))

                let symbol =
                    Seq.tryFind
                        (fun i -> spells Symbol (names + int (u32 (offset symbols + 24 * i))))
                        (seq { 0 .. size symbols / 24 - 1 })

                match entry newVersion, entry oldVersion, symbol with
                | Some tooNew, Some old, Some i ->
                    put16 (tooNew + 4) (u16 (tooNew + 4) ||| weak)
                    put16 (offset versions + 2 * i) (u16 (old + 6))
                    let name = names + int (u32 (offset symbols + 24 * i))
                    Encoding.ASCII.GetBytes(replacement + "\000").CopyTo(bytes, name)
                    Some bytes
                | _ -> None
            | _ -> None

    /// The patched bytes, or None where the library is not a sound 64-bit little-endian ELF file that needs the symbol.
    let patch (library: byte[]) : byte[] option =
        try
            patchElf library
        with :? ArgumentException ->
            // An offset that leads out of the file.
            None

/// What must be settled before the first tensor is made: that the native library loads, and how memory is kept.
[<RequireQualifiedAccess>]
module Runtime =
    [<DllImport("libc", EntryPoint = "mallopt")>]
    extern int private mallopt(int parameter, int value)

    // With glibc's defaults every large activation is mapped and unmapped anew, and page faults take half the run; and what one
    // thread gave back another cannot take.
    // ATTRIBUTION_ALLOCATOR=default leaves it as it is, for a program that has settings of its own.
    let private keepMemory () =
        try
            if Environment.GetEnvironmentVariable "ATTRIBUTION_ALLOCATOR" <> "default" then
                for parameter, value in [ -4, 0; -1, Int32.MaxValue; -2, 256 <<< 20; -8, 1 ] do
                    mallopt (parameter, value) |> ignore
        with
        | :? EntryPointNotFoundException
        | :? DllNotFoundException -> ()

    let private libraryName = "libLibTorchSharp.so"

    // The libtorch that TorchSharp was made for, as Directory.Build.targets names it.
    let private torchVersion = "2.10.0"

    let private torchFile, platform =
        let file, system =
            if OperatingSystem.IsWindows() then "torch.dll", "win"
            elif OperatingSystem.IsMacOS() then "libtorch.dylib", "osx"
            else "libtorch.so", "linux"

        file, $"{system}-{RuntimeInformation.ProcessArchitecture.ToString().ToLowerInvariant()}"

    let private torchPackage = $"libtorch-cpu-{platform}"

    /// Folders in which the host or the packages of TorchSharp and libtorch keep native libraries.
    let internal nativeFolders () =
        let besideTorchSharp =
            match (typeof<TorchSharp.torch>.Assembly: Assembly).Location with
            | "" -> AppContext.BaseDirectory
            | location -> Path.GetDirectoryName location

        let fromHost =
            match AppContext.GetData "NATIVE_DLL_SEARCH_DIRECTORIES" with
            | :? string as folders -> folders.Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries)
            | _ -> [||]

        let inPackage = Path.Combine("runtimes", platform, "native")

        // F# Interactive adds to PATH where the packages of a script keep theirs.
        let fromScript =
            match Environment.GetEnvironmentVariable "PATH" with
            | null -> [||]
            | folders ->
                folders.Split Path.PathSeparator |> Array.filter _.EndsWith(inPackage, StringComparison.Ordinal)

        let inCache = Path.Combine(besideTorchSharp, "..", "..", "..", "..")

        [
            yield! fromHost
            besideTorchSharp
            Path.Combine(besideTorchSharp, inPackage)
            yield! fromScript
            Path.Combine(besideTorchSharp, "..", "..", inPackage)
            Path.Combine(inCache, torchPackage, torchVersion, inPackage)
        ]

    let internal tryFind file = nativeFolders () |> Seq.map (fun f -> Path.Combine(f, file)) |> Seq.tryFind File.Exists

    /// What `write` makes in this library's folder of the user's cache, or of temporary files where that cannot be written.
    let internal inCache (write: string -> 'a) : 'a =
        let inRoot root =
            let folder = Path.Combine(root, "attribution")
            Directory.CreateDirectory folder |> ignore
            write folder

        let home () =
            Environment.GetFolderPath(
                Environment.SpecialFolder.LocalApplicationData,
                Environment.SpecialFolderOption.Create
            )

        try
            match home () with
            | "" -> inRoot (Path.GetTempPath())
            | home -> inRoot home
        with
        | :? IOException
        | :? UnauthorizedAccessException -> inRoot (Path.GetTempPath())

    /// A file that appears whole or not at all.
    let internal writeWhole (file: string) (bytes: byte[]) =
        let draft = Path.Combine(Path.GetDirectoryName file, Path.GetRandomFileName())

        File.WriteAllBytes(draft, bytes)
        File.Move(draft, file, true)

    /// The path of a file in the cache, in a folder that is keyed by what the file was made from; written where it is not
    /// there, or not whole.
    let internal keep (name: string) (source: byte[]) (content: byte[]) =
        let key = Convert.ToHexString(SHA256.HashData source).Substring(0, 16)

        inCache (fun folder ->
            let folder = Path.Combine(folder, key)
            let file = Path.Combine(folder, name)

            if not (File.Exists file && File.ReadAllBytes(file).AsSpan().SequenceEqual(ReadOnlySpan content)) then
                Directory.CreateDirectory folder |> ignore
                writeWhole file content

            file)

    let private hostLacksSymbol () =
        let found, handle = NativeLibrary.TryLoad "libstdc++.so.6"
        found && not (fst (NativeLibrary.TryGetExport(handle, Elf.Symbol)))

    let private loadRepaired (torch: string) =
        match tryFind libraryName with
        | Some library when RuntimeInformation.ProcessArchitecture = Architecture.X64 && hostLacksSymbol () ->
            let original = File.ReadAllBytes library

            match Elf.patch original with
            | Some patched ->
                NativeLibrary.Load torch |> ignore
                NativeLibrary.Load(keep libraryName original patched) |> ignore
            | None -> ()
        | _ -> ()

    /// The least severe of libtorch's own messages that reach the terminal: errors, unless TORCH_CPP_LOG_LEVEL says otherwise.
    /// libtorch reads that variable only where a program asks it to.
    let private quieten (torch: string) =
        let level =
            match Environment.GetEnvironmentVariable "TORCH_CPP_LOG_LEVEL" with
            | null
            | "" -> 2
            | text ->
                match text.ToUpperInvariant(), Int32.TryParse text with
                | _, (true, level) -> level
                | "INFO", _ -> 0
                | "WARNING", _ -> 1
                | "FATAL", _ -> 3
                | _ -> 2

        let library = Path.Combine(Path.GetDirectoryName torch, "libc10.so")
        let found, handle = NativeLibrary.TryLoad library

        if found then
            match NativeLibrary.TryGetExport(handle, "FLAGS_caffe2_log_level") with
            | true, place -> Marshal.WriteInt32(place, level)
            | _ -> ()

    let private loadNative () =
        match tryFind torchFile with
        | Some torch when OperatingSystem.IsLinux() ->
            loadRepaired torch
            quieten torch
        | Some _ -> ()
        // Where a program keeps libraries in a place of its own, the system finds them.
        | None when fst (NativeLibrary.TryLoad("torch", typeof<TorchSharp.torch>.Assembly, Nullable())) -> ()
        | None ->
            let inProject = $"""<PackageReference Include="{torchPackage}" Version="{torchVersion}" />"""

            let inScript = $"""#r "nuget: {torchPackage}, {torchVersion}" """

            raise (
                DllNotFoundException
                    $"libtorch is missing: add {inProject} to the program's project, or {inScript}to the script."
            )

    /// Bytes of memory that are free now, a container's limit respected.
    let freeMemory () : int64 =
        let limit = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes

        try
            let line = File.ReadLines "/proc/meminfo" |> Seq.find _.StartsWith("MemAvailable:")
            let kibibytes = line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1]
            min limit (Int64.Parse kibibytes * 1024L)
        with _ ->
            limit

    let private started =
        lazy
            (keepMemory ()
             loadNative ())

    /// <summary>Prepares the process for TorchSharp: repairs the native library on older Linux, and tells the allocator
    /// to keep memory between batches. Call it before the first tensor; any further call does nothing. The C# façade
    /// calls it by itself.</summary>
    /// <exception cref="T:System.DllNotFoundException">There is no libtorch: the message says which package to add.</exception>
    let start () = started.Force()
