namespace Attribution.Core

open System
open TorchSharp

/// How many derivatives enclose the code that this thread is running.
[<AbstractClass; Sealed>]
type internal Nesting private () =
    [<ThreadStatic; DefaultValue>]
    static val mutable private depth: int

    /// A derivative that is itself being differentiated must be recorded.
    static member IsInside = Nesting.depth > 0

    static member Enter() =
        Nesting.depth <- Nesting.depth + 1

        {
            new IDisposable with
                member _.Dispose() = Nesting.depth <- Nesting.depth - 1
        }

/// The one caller of autograd: it ends the process with a signal where it is misused, so nothing else may call it.
[<RequireQualifiedAccess>]
module internal Autograd =
    /// x as a variable of its own: connected to x only where an enclosing derivative is watching x.
    let private variable (x: Tensor) =
        if not (x.is_floating_point ()) then
            invalidArg "x" $"Only a floating-point tensor can be differentiated at, but x holds {x.dtype}."

        // A clone, since TorchSharp's alias is the same variable under another name.
        let copy = x.clone ()

        if copy.requires_grad then
            copy
        else
            copy.requires_grad_ true

    let private record (f: Tensor -> Tensor) (x: Tensor) =
        use _ = torch.inference_mode false
        use _ = torch.enable_grad ()
        use _ = Nesting.Enter()
        let x = variable x
        x, f x

    let private transposedProduct (keep: bool) (x: Tensor) (y: Tensor) (w: Tensor) : Tensor =
        if w.shape <> y.shape then
            invalidArg
                "w"
                $"w must have the shape {Tensor.shapeText y.shape} of f x, but has {Tensor.shapeText w.shape}."

        if not y.requires_grad then
            torch.zeros_like (x.detach ())
        else
            let nested = Nesting.IsInside

            let result =
                torch.autograd.grad([| y |], [| x |], [| w |], keep || nested, nested, true).[0]

            if isNull result || result.IsInvalid then
                torch.zeros_like (x.detach ())
            else
                result

    /// y, cut off from what was recorded where no enclosing derivative needs it.
    let plain (y: Tensor) =
        if Nesting.IsInside then y else y.detach ()

    /// (f x, w ↦ Jᵀw); the map may be used any number of times.
    let pullback (f: Tensor -> Tensor) (x: Tensor) : Tensor * (Tensor -> Tensor) =
        let x, y = record f x
        plain y, transposedProduct true x y

    /// (f x, the gradient of f x's sum), for one use: what was recorded is freed on the way back.
    let gradientOfSum (f: Tensor -> Tensor) (x: Tensor) : Tensor * Tensor =
        let x, y = record f x
        plain y, transposedProduct false x y (torch.ones_like y)
