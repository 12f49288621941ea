namespace Attribution.Core

open System
open Attribution
open TorchSharp

/// The tensors that were handed to libtorch last, which holds them by the time that it asks for more.
[<AbstractClass; Sealed>]
type internal Handed private () =
    [<ThreadStatic; DefaultValue>]
    static val mutable private last: Tensor list

    /// Frees those before.
    static member Keep(tensors: Tensor list) =
        if not (isNull (box Handed.last)) then
            for tensor in Handed.last do
                tensor.Dispose()

        Handed.last <- tensors

/// The one caller of autograd: it ends the process with a signal where it is misused, so nothing else may call it.
[<RequireQualifiedAccess>]
module internal Autograd =
    /// x as a variable of its own: connected to x only where an enclosing derivative is watching x.
    let private variable (x: Tensor) =
        if not (x.is_floating_point ()) then
            invalidArg "x" $"Only a floating-point tensor can be differentiated at, but x holds {x.dtype}."

        // A clone, since TorchSharp's alias is the same variable under another name.
        let copy = x.clone ()

        if copy.requires_grad then copy else copy.requires_grad_ true

    /// The tensors that stand for xs, of which some are variables, and f of them, recorded.
    let recordSome (isVariable: Tensor -> bool) (f: Tensor list -> 'a) (xs: Tensor list) : Tensor list * 'a =
        use _ = Recording.Start()
        let xs = xs |> List.map (fun x -> if isVariable x then variable x else x.alias ())
        xs, f xs

    /// The same, of which all are.
    let private record f xs = recordSome (fun _ -> true) f xs

    /// wᵀ ∂y/∂v for each v, which may be an argument or a value on the way from the arguments to y.
    let transposedProducts (keep: bool) (vs: Tensor list) (y: Tensor) (w: Tensor) : Tensor list =
        if w.shape <> y.shape then
            invalidArg
                "w"
                $"w must have the shape {Tensor.shapeText y.shape} of f x, but has {Tensor.shapeText w.shape}."

        let zeros (v: Tensor) = torch.zeros_like (v.detach ())

        if not y.requires_grad then
            List.map zeros vs
        else
            let nested = Recording.IsOn
            let watched = vs |> List.filter _.requires_grad |> Array.ofList

            Failure.Keep null

            let results = torch.autograd.grad ([| y |], watched, [| w |], keep || nested, nested, true)

            Handed.Keep []
            Failure.Raise()

            vs
            |> List.map (fun v ->
                // Not by Equals, which compares the numbers: two arguments may hold the same ones.
                match Array.FindIndex(watched, fun w -> obj.ReferenceEquals(w, v)) with
                | -1 -> zeros v
                | i when isNull results[i] || results[i].IsInvalid -> zeros v
                | i -> results[i])

    /// f by itself, whatever encloses it: (f xs, w ↦ wᵀ ∂f/∂x for each x), the map for one use. Of an x that is no
    /// floating-point tensor the derivative is 0.
    let alone (f: Tensor list -> Tensor) (xs: Tensor list) : Tensor * (Tensor -> Tensor list) =
        use scope = torch.NewDisposeScope()
        use _ = torch.inference_mode false
        use _ = torch.enable_grad ()

        let watched (x: Tensor) =
            let x = x.detach ()
            if x.is_floating_point () then x.requires_grad_ true else x

        let xs = List.map watched xs
        let y = f xs
        let value = y.detach ()
        // Nothing of the network's memory is held by what was recorded on the way from xs to y but what the way back needs.
        value :: y :: xs |> List.iter (Scope.keep scope >> ignore)
        value, transposedProducts false xs y

    /// The same, part of the derivative that encloses it, if one does.
    let within (f: Tensor list -> Tensor) (xs: Tensor list) : Tensor * (Tensor -> Tensor list) =
        if not Recording.IsOn then
            alone f xs
        else
            let xs, y = recordSome _.is_floating_point() f xs
            y, transposedProducts true xs y

    /// y, cut off from what was recorded where no enclosing derivative needs it.
    let plain (y: Tensor) = if Recording.IsOn then y else y.detach ()

    /// For f that gives y and some values on the way to it: (y, those values, w ↦ wᵀ ∂y/∂v for each argument and then each
    /// of those values); the map may be used any number of times.
    let pullbacks
        (f: Tensor list -> Tensor * Tensor list)
        (xs: Tensor list)
        : Tensor * Tensor list * (Tensor -> Tensor list) =
        let xs, (y, inner) = record f xs
        plain y, List.map plain inner, transposedProducts true (xs @ inner) y

    /// (f x, w ↦ Jᵀw); the map may be used any number of times.
    let pullback (f: Tensor -> Tensor) (x: Tensor) : Tensor * (Tensor -> Tensor) =
        let xs, y = record (List.head >> f) [ x ]
        plain y, transposedProducts true xs y >> List.head

    /// (f x, the gradient of f x's sum), for one use: what was recorded is freed on the way back.
    let gradientOfSum (f: Tensor -> Tensor) (x: Tensor) : Tensor * Tensor =
        let xs, y = record (List.head >> f) [ x ]
        plain y, (transposedProducts false xs y (torch.ones_like y)).Head

/// f of some tensors, of which a derivative keeps these alone: f is computed again on the way back.
type internal Recomputed() =
    inherit torch.autograd.SingleTensorFunction<Recomputed>()

    override _.Name = "Recomputed"

    override _.forward(context, [<ParamArray>] given: obj[]) =
        let xs = [ for x in Array.tail given -> x :?> Tensor ]
        context.save_data ("f", given[0])
        context.save_data ("answer", [ for x in xs -> x.requires_grad, x.shape, x.dtype, x.device ])
        context.save_for_backward (ResizeArray xs)

        Scope.run (fun () ->
            use _ = Recording.Pause()
            (given[0] :?> Tensor list -> Tensor) (xs |> List.map _.detach()))

    override _.backward(context, w) =
        let answer = context.get_data "answer" :?> (bool * int64[] * torch.ScalarType * torch.Device) list

        use _ = torch.NewDisposeScope()

        let products =
            try
                let f = context.get_data "f" :?> Tensor list -> Tensor
                let xs = List.ofSeq (context.get_saved_variables ())

                // Where this way back is recorded, by whomever, so is what it computes.
                use _ = if torch.is_grad_enabled () then Recording.Start() else Recording.Pause()

                // TorchSharp loses count of its tensors where y does not depend on one that is watched.
                let nothing (x: Tensor) = x.flatten().narrow(0L, 0L, 0L)

                let compute xs =
                    let y = f xs

                    let ofAll = xs |> List.filter _.requires_grad |> List.map (nothing >> _.sum().``to``(y.device))

                    List.fold Tensor.add y ofAll

                let variables, y = Autograd.recordSome _.requires_grad compute xs
                Autograd.transposedProducts true (List.filter _.requires_grad variables) y w
            with e ->
                // An exception here would end the process.
                Failure.Keep e

                [
                    for isWatched, shape, dtype, device in answer do
                        if isWatched then
                            torch.full (shape, Number.Of nan, dtype, device)
                ]

        // TorchSharp passes over what is null, and what comes after it would take its place.
        let none = torch.zeros [||]
        let rest = List.toSeq products |> _.GetEnumerator()

        let next (isWatched, _, _, _) = if isWatched && rest.MoveNext() then rest.Current else none

        let given = List.map next answer
        Handed.Keep(none :: products |> List.map _.DetachFromDisposeScope())
        ResizeArray(null :: given)

/// f of some tensors, which costs a derivative their memory and f's time once more.
[<RequireQualifiedAccess>]
module internal Recompute =
    /// f depends on no tensors but these, which may be numbers of any type; what else it holds may be freed by the time that it
    /// is computed again.
    let apply (f: Tensor list -> Tensor) (xs: Tensor list) : Tensor =
        if torch.is_grad_enabled () && List.exists (fun (x: Tensor) -> x.requires_grad) xs then
            Recomputed.apply [|
                box f
                for x in xs do
                    box x
            |]
        else
            f xs

/// b ↦ f s b, linear in b and its own transpose whatever s is: its derivative is f s of what comes back.
type internal SelfAdjoint() =
    inherit torch.autograd.SingleTensorFunction<SelfAdjoint>()

    override _.Name = "SelfAdjoint"

    override _.forward(context, [<ParamArray>] given: obj[]) =
        let setting, b = given[1] :?> Tensor, given[2] :?> Tensor
        context.save_data ("f", given[0])
        context.save_data ("answer", (b.shape, b.dtype, b.device))
        context.save_for_backward (ResizeArray [ setting ])

        Scope.run (fun () ->
            use _ = Recording.Pause()
            (given[0] :?> Tensor -> Tensor -> Tensor) setting (b.detach ()))

    override _.backward(context, w) =
        let shape, dtype, device = context.get_data "answer" :?> (int64[] * torch.ScalarType * torch.Device)
        use _ = torch.NewDisposeScope()

        let product =
            try
                SelfAdjoint.Apply(context.get_data "f", context.get_saved_variables().[0], w)
            with e ->
                // An exception here would end the process.
                Failure.Keep e
                torch.full (shape, Number.Of nan, dtype, device)

        let none = torch.zeros [||]
        Handed.Keep([ none; product ] |> List.map _.DetachFromDisposeScope())
        ResizeArray [ null; none; product ]

    /// f s b, which costs a derivative the memory of s and f's time once more.
    static member Apply(f: obj, setting: Tensor, b: Tensor) : Tensor =
        if torch.is_grad_enabled () && b.requires_grad then
            SelfAdjoint.apply [| f; box setting; box b |]
        else
            (f :?> Tensor -> Tensor -> Tensor) setting b
