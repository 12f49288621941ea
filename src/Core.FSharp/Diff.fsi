/// <summary>Derivatives of functions of tensors, in DiffSharp's vocabulary. Derivatives are taken of functions, never of
/// variables, and nest to any depth: a derivative may be differentiated again. Any shape of x is allowed; every tensor
/// must be floating-point. A leading <c>f</c> in a name also returns <c>f x</c>, first.</summary>
/// <remarks>Where x has the wrong shape or is not floating-point, <see cref="T:System.ArgumentException"/> is raised.
/// There is no forward mode: J·v costs two reverse passes, a Jacobian one pass a row.</remarks>
[<RequireQualifiedAccess>]
module Attribution.Core.Diff

/// (f x, w ↦ Jᵀw): evaluates f once; the map may then be used any number of times.
val evalReverseDiff: f: (Tensor -> Tensor) -> x: Tensor -> Tensor * (Tensor -> Tensor)

/// For f that gives y and some values on its way there: (y, those values, w ↦ wᵀ·∂y/∂v for each argument and then for each of
/// those values). Everything that does not pass through v is held fixed.
val evalReverseDiffAlong:
    f: (Tensor list -> Tensor * Tensor list) -> xs: Tensor list -> Tensor * Tensor list * (Tensor -> Tensor list)

/// Derivative of f at a scalar x; f may be vector-valued, and the result has its shape.
val diff: f: (Tensor -> Tensor) -> x: Tensor -> Tensor
/// (f x, derivative).
val fdiff: f: (Tensor -> Tensor) -> x: Tensor -> Tensor * Tensor
/// Second derivative of f at a scalar x.
val diff2: f: (Tensor -> Tensor) -> x: Tensor -> Tensor
/// (f x, second derivative).
val fdiff2: f: (Tensor -> Tensor) -> x: Tensor -> Tensor * Tensor
/// n-th derivative of f at a scalar x; n = 0 is f itself.
val diffn: n: int -> f: (Tensor -> Tensor) -> x: Tensor -> Tensor
/// (f x, n-th derivative).
val fdiffn: n: int -> f: (Tensor -> Tensor) -> x: Tensor -> Tensor * Tensor

/// Gradient of a scalar-valued f, of x's shape.
val grad: f: (Tensor -> Tensor) -> x: Tensor -> Tensor
/// (f x, gradient).
val fgrad: f: (Tensor -> Tensor) -> x: Tensor -> Tensor * Tensor
/// Gradient with respect to each row of x (n×…) of a function that gives one number a row (n) and treats rows
/// independently: n gradients for the price of one.
val gradEach: f: (Tensor -> Tensor) -> x: Tensor -> Tensor
/// Directional derivative ∇f·v of a scalar-valued f.
val gradv: f: (Tensor -> Tensor) -> x: Tensor -> v: Tensor -> Tensor
/// (f x, directional derivative).
val fgradv: f: (Tensor -> Tensor) -> x: Tensor -> v: Tensor -> Tensor * Tensor

/// Jacobian, of shape y.shape ++ x.shape.
val jacobian: f: (Tensor -> Tensor) -> x: Tensor -> Tensor
/// (f x, Jacobian).
val fjacobian: f: (Tensor -> Tensor) -> x: Tensor -> Tensor * Tensor
/// J·v, of y's shape, for v of x's shape.
val jacobianv: f: (Tensor -> Tensor) -> x: Tensor -> v: Tensor -> Tensor
/// (f x, J·v).
val fjacobianv: f: (Tensor -> Tensor) -> x: Tensor -> v: Tensor -> Tensor * Tensor
/// Jᵀ·v, of x's shape, for v of y's shape.
val jacobianTv: f: (Tensor -> Tensor) -> x: Tensor -> v: Tensor -> Tensor
/// (f x, Jᵀ·v).
val fjacobianTv: f: (Tensor -> Tensor) -> x: Tensor -> v: Tensor -> Tensor * Tensor

/// Hessian of a scalar-valued f, of shape x.shape ++ x.shape.
val hessian: f: (Tensor -> Tensor) -> x: Tensor -> Tensor
/// (f x, Hessian).
val fhessian: f: (Tensor -> Tensor) -> x: Tensor -> Tensor * Tensor
/// H·v, of x's shape, in two passes.
val hessianv: f: (Tensor -> Tensor) -> x: Tensor -> v: Tensor -> Tensor
/// (f x, H·v).
val fhessianv: f: (Tensor -> Tensor) -> x: Tensor -> v: Tensor -> Tensor * Tensor
/// (gradient, Hessian).
val gradhessian: f: (Tensor -> Tensor) -> x: Tensor -> Tensor * Tensor
/// (f x, gradient, Hessian).
val fgradhessian: f: (Tensor -> Tensor) -> x: Tensor -> Tensor * Tensor * Tensor
/// (∇f·v, H·v).
val gradhessianv: f: (Tensor -> Tensor) -> x: Tensor -> v: Tensor -> Tensor * Tensor
/// (f x, ∇f·v, H·v).
val fgradhessianv: f: (Tensor -> Tensor) -> x: Tensor -> v: Tensor -> Tensor * Tensor * Tensor

/// tr H of a scalar-valued f of a vector.
val laplacian: f: (Tensor -> Tensor) -> x: Tensor -> Tensor
/// (f x, Laplacian).
val flaplacian: f: (Tensor -> Tensor) -> x: Tensor -> Tensor * Tensor
/// tr J of a field f from vectors to vectors of the same length.
val divergence: f: (Tensor -> Tensor) -> x: Tensor -> Tensor
/// (f x, divergence).
val fdivergence: f: (Tensor -> Tensor) -> x: Tensor -> Tensor * Tensor
/// Curl of a field f from 3-vectors to 3-vectors.
val curl: f: (Tensor -> Tensor) -> x: Tensor -> Tensor
/// (f x, curl).
val fcurl: f: (Tensor -> Tensor) -> x: Tensor -> Tensor * Tensor
/// (f x, curl, divergence).
val fcurldivergence: f: (Tensor -> Tensor) -> x: Tensor -> Tensor * Tensor * Tensor
