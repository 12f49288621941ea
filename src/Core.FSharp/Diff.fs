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

// Keeps the result alone, and records nothing but for a derivative that encloses it.
let private evaluate (work: unit -> Tensor) = Scope.run (fun () -> Autograd.plain (Scope.quietly work))

let private valueOf (f: Tensor -> Tensor) x = evaluate (fun () -> f x)
let private dot (a: Tensor) (b: Tensor) = Autograd.plain ((a * b).sum())

let evalReverseDiff f x = Autograd.pullback f x

let evalReverseDiffAlong f (xs: Tensor list) : Tensor * Tensor list * (Tensor -> Tensor list) = Autograd.pullbacks f xs

let fgrad f x = Autograd.gradientOfSum (scalarValued f) x

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

let rec private repeated derivative n f x =
    if n < 0 then invalidArg "n" $"The order of a derivative is 0 or more, but n is {n}."
    elif n = 0 then valueOf f x
    else derivative (repeated derivative (n - 1) f) x

let diffn n f x = repeated diff n f x

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

let private fieldJacobian (jacobianOf: (Tensor -> Tensor) -> Tensor -> Tensor * Tensor) f (x: Tensor) =
    requireVector x
    let y, jacobian = jacobianOf f x
    Tensor.requireShape "f x" x.shape y
    y, jacobian

let fdivergence f x =
    let y, jacobian = fieldJacobian fjacobian f x
    y, jacobian.trace ()

let divergence f x = fdivergence f x |> snd

let private spaceJacobian jacobianOf f (x: Tensor) =
    Tensor.requireShape "x" [| 3L |] x
    fieldJacobian jacobianOf f x

let private rotation (j: Tensor) =
    evaluate (fun () ->
        let turn a b = j[a, b] - j[b, a]
        torch.stack [| turn 2L 1L; turn 0L 2L; turn 1L 0L |])

let fcurldivergence f x =
    let y, j = spaceJacobian fjacobian f x
    y, rotation j, j.trace ()

let curldivergence f x =
    let _, rotation, divergence = fcurldivergence f x
    rotation, divergence

let curl f x = curldivergence f x |> fst

let fcurl f x =
    let y, rotation, _ = fcurldivergence f x
    y, rotation

// A tensor and no scalar, since TorchSharp may free a scalar while it is read (see Tensor).
let private numberLike (t: Tensor) (value: float) = torch.tensor (value, dtype = t.dtype, device = t.device)

let numjacobianv epsilon (f: Tensor -> Tensor) (x: Tensor) (v: Tensor) =
    if not (epsilon > 0. && System.Double.IsFinite epsilon) then
        invalidArg "epsilon" $"The step of a difference is a number above 0, but epsilon is {epsilon}."

    if not (x.is_floating_point ()) then
        invalidArg "x" $"Differences can be taken only at a floating-point tensor, but x holds {x.dtype}."

    Tensor.requireShape "v" x.shape v

    evaluate (fun () ->
        let step = v * numberLike x epsilon

        let after, before = valueOf f (Tensor.add x step), valueOf f (x - step)

        (after - before) / numberLike x (2. * epsilon))

// One direction at a time: all the unit vectors together would take the square of x's memory.
let private alongEach (x: Tensor) (derivative: Tensor -> Tensor) =
    let unit (i: int64) =
        torch.nn.functional.one_hot(torch.tensor (i, device = x.device), x.numel ()).``to``(x.dtype).reshape x.shape

    [| for i in 0L .. x.numel () - 1L -> evaluate (fun () -> derivative (unit i)) |]

let numjacobian epsilon f (x: Tensor) =
    evaluate (fun () ->
        if x.numel () = 0L then
            torch.zeros (Array.append (valueOf f x).shape x.shape, x.dtype, x.device)
        else
            let columns = alongEach x (numjacobianv epsilon f x)
            torch.stack(columns, -1L).reshape(Array.append columns[0].shape x.shape))

let private numberValued f x = (scalarValued f x).reshape [||]
let numgrad epsilon f x = numjacobian epsilon (numberValued f) x

let numgradv epsilon f x v = numjacobianv epsilon (numberValued f) x v

// Jᵀv is the gradient of ⟨f x, v⟩.
let numjacobianTv epsilon (f: Tensor -> Tensor) x (v: Tensor) =
    let weighted x =
        let y = f x
        Tensor.requireShape "v" y.shape v
        (y * v).sum()

    numgrad epsilon weighted x

let numdiff epsilon f (x: Tensor) =
    scalar "x" x
    evaluate (fun () -> numjacobianv epsilon f x (torch.ones_like x))

let numdiffn epsilon n f x = repeated (numdiff epsilon) n f x
let numdiff2 epsilon f x = numdiffn epsilon 2 f x

let numhessian epsilon f x = numjacobian epsilon (numgrad epsilon f) x

let numhessianv epsilon f x v = numjacobianv epsilon (numgrad epsilon f) x v

let numgradhessian epsilon f x = numgrad epsilon f x, numhessian epsilon f x

let numgradhessianv epsilon f x v = numgradv epsilon f x v, numhessianv epsilon f x v

// The diagonal of H alone: four values of f for each number of x, where all of H takes four for each pair.
let numlaplacian epsilon f (x: Tensor) =
    requireVector x

    let second e = numgradv epsilon (fun x -> numgradv epsilon f x e) x e

    evaluate (fun () -> alongEach x second |> Array.fold Tensor.add (torch.zeros ([||], x.dtype, x.device)))

let numfjacobian epsilon f x = valueOf f x, numjacobian epsilon f x

let numdivergence epsilon f x = evaluate (fun () -> (fieldJacobian (numfjacobian epsilon) f x |> snd).trace())

let numcurldivergence epsilon f x =
    use j = evaluate (fun () -> spaceJacobian (numfjacobian epsilon) f x |> snd)
    rotation j, evaluate j.trace

let numcurl epsilon f x = evaluate (fun () -> numcurldivergence epsilon f x |> fst)

let numfdiff epsilon f x = valueOf f x, numdiff epsilon f x
let numfdiff2 epsilon f x = valueOf f x, numdiff2 epsilon f x
let numfdiffn epsilon n f x = valueOf f x, numdiffn epsilon n f x
let numfgrad epsilon f x = valueOf f x, numgrad epsilon f x
let numfgradv epsilon f x v = valueOf f x, numgradv epsilon f x v
let numfjacobianv epsilon f x v = valueOf f x, numjacobianv epsilon f x v

let numfjacobianTv epsilon f x v = valueOf f x, numjacobianTv epsilon f x v

let numfhessian epsilon f x = valueOf f x, numhessian epsilon f x
let numfhessianv epsilon f x v = valueOf f x, numhessianv epsilon f x v

let numfgradhessian epsilon f x = valueOf f x, numgrad epsilon f x, numhessian epsilon f x

let numfgradhessianv epsilon f x v = valueOf f x, numgradv epsilon f x v, numhessianv epsilon f x v

let numflaplacian epsilon f x = valueOf f x, numlaplacian epsilon f x
let numfdivergence epsilon f x = valueOf f x, numdivergence epsilon f x
let numfcurl epsilon f x = valueOf f x, numcurl epsilon f x

let numfcurldivergence epsilon f x =
    let rotation, divergence = numcurldivergence epsilon f x
    valueOf f x, rotation, divergence
