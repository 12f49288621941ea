/// Finds code that makes TorchSharp make a scalar which nothing keeps (see Number).
module NumberAudit

open System
open System.Collections.Generic
open System.Reflection
open System.Reflection.Emit
open TorchSharp
open Attribution.Core

/// Every method that a type of the assembly has.
let private methodsOf (assembly: Assembly) : MethodBase seq =
    let all =
        BindingFlags.Public
        ||| BindingFlags.NonPublic
        ||| BindingFlags.Static
        ||| BindingFlags.Instance
        ||| BindingFlags.DeclaredOnly

    assembly.GetTypes()
    |> Seq.collect (fun each ->
        Seq.append (Seq.cast<MethodBase>(each.GetMethods all)) (Seq.cast (each.GetConstructors all)))

let private codes =
    lazy
        (dict [
            for field in typeof<OpCodes>.GetFields(BindingFlags.Public ||| BindingFlags.Static) do
                let code = field.GetValue null :?> OpCode
                code.Value, code
        ])

/// The methods that the code of a method calls, or takes for a delegate.
let private called (caller: MethodBase) : MethodBase list =
    match caller.GetMethodBody() with
    | null -> []
    | body ->
        let il = body.GetILAsByteArray()

        let arguments isGeneric (get: unit -> Type[]) = if isGeneric then get () else [||]
        let ofType = caller.DeclaringType
        let types = arguments ofType.IsGenericType ofType.GetGenericArguments
        let own = arguments caller.IsGenericMethod caller.GetGenericArguments

        let rec read at found =
            if at >= il.Length then
                found
            else
                let code, start =
                    if il[at] = 0xFEuy then
                        codes.Value[int16 (0xFE00 ||| int il[at + 1])], at + 2
                    else
                        codes.Value[int16 il[at]], at + 1

                let token () = BitConverter.ToInt32(il, start)

                match code.OperandType with
                | OperandType.InlineNone -> read start found
                | OperandType.ShortInlineBrTarget
                | OperandType.ShortInlineI
                | OperandType.ShortInlineVar -> read (start + 1) found
                | OperandType.InlineVar -> read (start + 2) found
                | OperandType.InlineI8
                | OperandType.InlineR -> read (start + 8) found
                | OperandType.InlineSwitch -> read (start + 4 + 4 * token ()) found
                | OperandType.InlineMethod ->
                    read (start + 4) (caller.Module.ResolveMethod(token (), types, own) :: found)
                | _ -> read (start + 4) found

        read 0 []

let private key (m: MethodBase) = m.Module.ModuleVersionId, m.MetadataToken

/// The methods of TorchSharp that make a scalar, or call one that does.
let private makers =
    lazy
        (let torchSharp = typeof<Scalar>.Assembly
         let callers = Dictionary<_, ResizeArray<MethodBase>>()

         for caller in methodsOf torchSharp do
             for callee in called caller do
                 if callee.Module.Assembly = torchSharp then
                     match callers.TryGetValue(key callee) with
                     | true, others -> others.Add caller
                     | _ -> callers[key callee] <- ResizeArray [ caller ]

         let found = HashSet()

         let rec add (maker: MethodBase) =
             if found.Add(key maker) then
                 match callers.TryGetValue(key maker) with
                 | true, others -> Seq.iter add others
                 | _ -> ()

         for constructor in typeof<Scalar>.GetConstructors(BindingFlags.NonPublic ||| BindingFlags.Instance) do
             add constructor

         found)

/// The calls of a method that make TorchSharp make a scalar.
let scalarsMadeIn (caller: MethodBase) : string list =
    called caller
    |> List.filter (key >> makers.Value.Contains)
    |> List.map (fun callee ->
        $"{caller.DeclaringType.FullName}.{caller.Name} calls {callee.DeclaringType.Name}.{callee.Name}")

/// Those of an assembly's methods, but for Number's own.
let scalarsMadeBy (assembly: Assembly) : string list =
    methodsOf assembly
    |> Seq.filter (fun each -> not (each.DeclaringType = typeof<Number> && each.Name = "Of"))
    |> Seq.collect scalarsMadeIn
    |> List.ofSeq
