[<RequireQualifiedAccess>]
module Attribution.Core.Diff

open TorchSharp

let private scalar name (t: Tensor) =
    if t.numel () <> 1L then
        invalidArg name $"{name} must be a single number, but has the shape {Tensor.shapeText t.shape}."

let private scalarValued (f: Tensor -> Tensor) x =
    let y = f x
    scalar "f x" y
    y

let private valueOf (f: Tensor -> Tensor) x = Autograd.plain (f x)
let private dot (a: Tensor) (b: Tensor) = Autograd.plain ((a * b).sum())

let evalReverseDiff f x = Autograd.pullback f x

let evalReverseDiffAlong f (xs: Tensor list) : Tensor * Tensor list * (Tensor -> Tensor list) = Autograd.pullbacks f xs

let fgrad f x =
    Autograd.gradientOfSum (scalarValued f) x

let grad f x = fgrad f x |> snd

let gradEach f (x: Tensor) =
    let oneEach (rows: Tensor) =
        let y: Tensor = f rows
        Tensor.requireShape "f x" [| x.shape[0] |] y
        y

    Autograd.gradientOfSum oneEach x |> snd

let fjacobianTv f x v =
    let y, pull = Autograd.pullback f x
    y, pull v

let jacobianTv f x v = fjacobianTv f x v |> snd

// Jᵀw is linear in w, so its own transposed product at any w is J·v.
let fjacobianv f (x: Tensor) (v: Tensor) =
    Tensor.requireShape "v" x.shape v
    let y: Tensor = Autograd.pullback f x |> fst
    y, jacobianTv (fun w -> jacobianTv f x w) (torch.zeros_like y) v

let jacobianv f x v = fjacobianv f x v |> snd

let fjacobian f (x: Tensor) =
    let y, pull = Autograd.pullback f x

    if y.numel () = 0L then
        y, torch.zeros (Array.append y.shape x.shape, x.dtype, x.device)
    else
        let units = torch.eye (y.numel (), dtype = y.dtype, device = y.device)
        let rows = [| for i in 0L .. y.numel () - 1L -> pull (units[i].reshape y.shape) |]
        y, torch.stack(rows).reshape(Array.append y.shape x.shape)

let jacobian f x = fjacobian f x |> snd

let fgradv f x v =
    let y, gradient = fgrad f x
    Tensor.requireShape "v" x.shape v
    y, dot gradient v

let gradv f x v = fgradv f x v |> snd

let fdiff f (x: Tensor) =
    scalar "x" x
    fjacobianv f x (torch.ones_like x)

let diff f x = fdiff f x |> snd

let rec diffn n f x =
    if n < 0 then
        invalidArg "n" $"The order of a derivative is 0 or more, but n is {n}."
    elif n = 0 then
        valueOf f x
    else
        diff (diffn (n - 1) f) x

let fdiffn n f x = valueOf f x, diffn n f x
let diff2 f x = diffn 2 f x
let fdiff2 f x = fdiffn 2 f x

// The Jacobian of the gradient, row by row: H is symmetric.
let gradhessian f x = fjacobian (grad f) x
let hessian f x = gradhessian f x |> snd
let fhessian f x = valueOf f x, hessian f x

let fgradhessian f x =
    let gradient, hessian = gradhessian f x
    valueOf f x, gradient, hessian

let gradhessianv f x v =
    let gradient, product = fjacobianTv (grad f) x v
    dot gradient v, product

let hessianv f x v = gradhessianv f x v |> snd
let fhessianv f x v = valueOf f x, hessianv f x v

let fgradhessianv f x v =
    let slope, product = gradhessianv f x v
    valueOf f x, slope, product

let private requireVector (x: Tensor) = Tensor.requireDims "x" [ 1 ] x

let flaplacian f x =
    requireVector x
    let y, hessian = fhessian f x
    y, hessian.trace ()

let laplacian f x = flaplacian f x |> snd

let private fieldJacobian f (x: Tensor) =
    requireVector x
    let y, jacobian = fjacobian f x
    Tensor.requireShape "f x" x.shape y
    y, jacobian

let fdivergence f x =
    let y, jacobian = fieldJacobian f x
    y, jacobian.trace ()

let divergence f x = fdivergence f x |> snd

let fcurldivergence f (x: Tensor) =
    Tensor.requireShape "x" [| 3L |] x
    let y, j = fieldJacobian f x
    let rotation a b = j[a, b] - j[b, a]
    y, torch.stack [| rotation 2L 1L; rotation 0L 2L; rotation 1L 0L |], j.trace ()

let fcurl f x =
    let y, rotation, _ = fcurldivergence f x
    y, rotation

let curl f x = fcurl f x |> snd
