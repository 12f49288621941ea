/// <summary>Derivatives of functions of tensors, in DiffSharp's vocabulary. Derivatives are taken of functions, never of
/// variables, and nest to any depth: a derivative may be differentiated again. Any shape of x is allowed. A leading
/// <c>f</c> in a name also returns <c>f x</c>, first. <c>num</c> in a name marks the numerical twin of an operator, which has
/// the same shapes and takes one more argument, the step ε, first.</summary>
/// <remarks>
/// <para>Every operator raises <see cref="T:System.ArgumentException"/> where x is not floating-point and where x, f x or v
/// has a shape other than the operator's description says; what f raises passes through.</para>
/// <para>The exact operators have no forward mode: J·v costs two reverse passes, a Jacobian one pass for each number of
/// f x.</para>
/// <para>The twins use values of f alone, by central differences in x's own type, and keep no other tensor than their
/// results. Their error has two parts. One is in proportion to ε² and to higher derivatives of f; the other comes from
/// rounding and is about r/ε for first and r/ε² for second derivatives, where r is 1e-16 for float64 and 1e-7 for float32.
/// In float64, ε = 1e-5 suits first derivatives and ε = 1e-4 suits second ones. Inside a derivative a twin is differentiated
/// like any other arithmetic. ε must be finite and above 0, or <see cref="T:System.ArgumentException"/> is raised.</para>
/// </remarks>
[<RequireQualifiedAccess>]
module Attribution.Core.Diff

/// <summary>(f x, w ↦ Jᵀw): f is evaluated once, and the map may then be used any number of times, for w of f x's shape;
/// it gives tensors of x's shape.</summary>
/// <example><code>
/// let y, pull = Diff.evalReverseDiff (fun x -> x * x) (torch.tensor [| 1.; 2. |])
/// // y = [1; 4]
/// let product = pull (torch.tensor [| 1.; 10. |])
/// // 2x·w = [2; 40]
/// </code></example>
val evalReverseDiff: f: (Tensor -> Tensor) -> x: Tensor -> Tensor * (Tensor -> Tensor)

/// For f that gives y and some values on its way there: (y, those values, w ↦ wᵀ·∂y/∂v for each argument and then for each of
/// those values, each of v's shape). Everything that does not pass through v is held fixed.
val evalReverseDiffAlong:
    f: (Tensor list -> Tensor * Tensor list) -> xs: Tensor list -> Tensor * Tensor list * (Tensor -> Tensor list)

/// <summary>The derivative f′(x) at a single number x; f may give any shape, and the result has it too.</summary>
/// <example><code>
/// let slope = Diff.diff (fun t -> t.sin ()) (torch.tensor 0.)
/// // cos 0 = 1
/// </code></example>
val diff: f: (Tensor -> Tensor) -> x: Tensor -> Tensor
/// (f x, f′(x)), as diff.
val fdiff: f: (Tensor -> Tensor) -> x: Tensor -> Tensor * Tensor
/// The second derivative f″(x) at a single number x, of f x's shape.
val diff2: f: (Tensor -> Tensor) -> x: Tensor -> Tensor
/// (f x, f″(x)), as diff2.
val fdiff2: f: (Tensor -> Tensor) -> x: Tensor -> Tensor * Tensor
/// The n-th derivative dⁿf/dxⁿ at a single number x, of f x's shape; n = 0 gives f x, and n must not be negative.
val diffn: n: int -> f: (Tensor -> Tensor) -> x: Tensor -> Tensor
/// (f x, dⁿf/dxⁿ), as diffn.
val fdiffn: n: int -> f: (Tensor -> Tensor) -> x: Tensor -> Tensor * Tensor

/// <summary>The gradient ∇f, with the components ∂f/∂xᵢ, of an f that gives a single number; it has x's shape.</summary>
/// <example><code>
/// let gradient = Diff.grad (fun x -> x.square().sum()) (torch.tensor [| 1.; 2. |])
/// // 2x = [2; 4]
/// </code></example>
val grad: f: (Tensor -> Tensor) -> x: Tensor -> Tensor
/// (f x, ∇f), as grad.
val fgrad: f: (Tensor -> Tensor) -> x: Tensor -> Tensor * Tensor
/// <summary>The gradients of n functions, each of its own row of x (n×…), for the price of one: f gives one number a row (n)
/// and treats rows independently. Row i of the result, of x's shape, is the gradient of the i-th number.</summary>
/// <example><code>
/// let gradients = Diff.gradEach (fun rows -> rows.square().sum 1L) (torch.tensor (array2D [ [ 1.; 2. ]; [ 3.; 4. ] ]))
/// // 2x = [2 4; 6 8]
/// </code></example>
val gradEach: f: (Tensor -> Tensor) -> x: Tensor -> Tensor
/// The directional derivative ∇f·v = Σᵢ vᵢ ∂f/∂xᵢ, a single number, of an f that gives one, for v of x's shape.
val gradv: f: (Tensor -> Tensor) -> x: Tensor -> v: Tensor -> Tensor
/// (f x, ∇f·v), as gradv.
val fgradv: f: (Tensor -> Tensor) -> x: Tensor -> v: Tensor -> Tensor * Tensor

/// <summary>The Jacobian J, with the components ∂yᵢ/∂xⱼ of y = f x; its shape is y's and then x's.</summary>
/// <example><code>
/// let j = Diff.jacobian (fun x -> torch.stack [| x[0L] * x[1L]; x[1L] |]) (torch.tensor [| 2.; 3. |])
/// // [3 2; 0 1]
/// </code></example>
val jacobian: f: (Tensor -> Tensor) -> x: Tensor -> Tensor
/// (f x, J), as jacobian.
val fjacobian: f: (Tensor -> Tensor) -> x: Tensor -> Tensor * Tensor
/// The product J·v = Σⱼ vⱼ ∂y/∂xⱼ, of f x's shape, for v of x's shape.
val jacobianv: f: (Tensor -> Tensor) -> x: Tensor -> v: Tensor -> Tensor
/// (f x, J·v), as jacobianv.
val fjacobianv: f: (Tensor -> Tensor) -> x: Tensor -> v: Tensor -> Tensor * Tensor
/// The product Jᵀ·v = Σᵢ vᵢ ∂yᵢ/∂x, of x's shape, for v of f x's shape.
val jacobianTv: f: (Tensor -> Tensor) -> x: Tensor -> v: Tensor -> Tensor
/// (f x, Jᵀ·v), as jacobianTv.
val fjacobianTv: f: (Tensor -> Tensor) -> x: Tensor -> v: Tensor -> Tensor * Tensor

/// <summary>The Hessian H, with the components ∂²f/∂xᵢ∂xⱼ, of an f that gives a single number; its shape is x's, twice
/// over.</summary>
/// <example><code>
/// let h = Diff.hessian (fun x -> x[0L] * x[0L] * x[1L]) (torch.tensor [| 1.; 2. |])
/// // [4 2; 2 0]
/// </code></example>
val hessian: f: (Tensor -> Tensor) -> x: Tensor -> Tensor
/// (f x, H), as hessian.
val fhessian: f: (Tensor -> Tensor) -> x: Tensor -> Tensor * Tensor
/// <summary>The product H·v = Σⱼ vⱼ ∂²f/∂x∂xⱼ, for v of x's shape; it has x's shape and costs two passes, however many
/// numbers x holds.</summary>
/// <example><code>
/// let product = Diff.hessianv (fun x -> x[0L] * x[0L] * x[1L]) (torch.tensor [| 1.; 2. |]) (torch.tensor [| 1.; 10. |])
/// // [4 2; 2 0]·[1; 10] = [24; 2]
/// </code></example>
val hessianv: f: (Tensor -> Tensor) -> x: Tensor -> v: Tensor -> Tensor
/// (f x, H·v), as hessianv.
val fhessianv: f: (Tensor -> Tensor) -> x: Tensor -> v: Tensor -> Tensor * Tensor
/// (∇f, H), as grad and hessian, from one evaluation of f.
val gradhessian: f: (Tensor -> Tensor) -> x: Tensor -> Tensor * Tensor
/// (f x, ∇f, H), as grad and hessian.
val fgradhessian: f: (Tensor -> Tensor) -> x: Tensor -> Tensor * Tensor * Tensor
/// (∇f·v, H·v), as gradv and hessianv, from one evaluation of f.
val gradhessianv: f: (Tensor -> Tensor) -> x: Tensor -> v: Tensor -> Tensor * Tensor
/// (f x, ∇f·v, H·v), as gradv and hessianv.
val fgradhessianv: f: (Tensor -> Tensor) -> x: Tensor -> v: Tensor -> Tensor * Tensor * Tensor

/// The Laplacian tr H = Σᵢ ∂²f/∂xᵢ², a single number, of an f that takes a vector and gives a single number.
val laplacian: f: (Tensor -> Tensor) -> x: Tensor -> Tensor
/// (f x, tr H), as laplacian.
val flaplacian: f: (Tensor -> Tensor) -> x: Tensor -> Tensor * Tensor
/// The divergence tr J = Σᵢ ∂yᵢ/∂xᵢ, a single number, of a field: an f from vectors to vectors of the same length.
val divergence: f: (Tensor -> Tensor) -> x: Tensor -> Tensor
/// (f x, tr J), as divergence.
val fdivergence: f: (Tensor -> Tensor) -> x: Tensor -> Tensor * Tensor
/// The curl (J₂₁ - J₁₂, J₀₂ - J₂₀, J₁₀ - J₀₁), a 3-vector, of an f from 3-vectors to 3-vectors.
val curl: f: (Tensor -> Tensor) -> x: Tensor -> Tensor
/// (f x, curl), as curl.
val fcurl: f: (Tensor -> Tensor) -> x: Tensor -> Tensor * Tensor
/// (curl, divergence) from one Jacobian, as curl and divergence.
val curldivergence: f: (Tensor -> Tensor) -> x: Tensor -> Tensor * Tensor
/// (f x, curl, divergence), as curldivergence.
val fcurldivergence: f: (Tensor -> Tensor) -> x: Tensor -> Tensor * Tensor * Tensor

/// diff by differences: (f(x + ε) - f(x - ε)) / 2ε at a single number x, of f x's shape.
val numdiff: epsilon: float -> f: (Tensor -> Tensor) -> x: Tensor -> Tensor
/// (f x, f′(x)), as numdiff.
val numfdiff: epsilon: float -> f: (Tensor -> Tensor) -> x: Tensor -> Tensor * Tensor
/// diff2 by differences: (f(x + 2ε) - 2f(x) + f(x - 2ε)) / 4ε² at a single number x, of f x's shape.
val numdiff2: epsilon: float -> f: (Tensor -> Tensor) -> x: Tensor -> Tensor
/// (f x, f″(x)), as numdiff2.
val numfdiff2: epsilon: float -> f: (Tensor -> Tensor) -> x: Tensor -> Tensor * Tensor
/// diffn by differences: numdiff, n times over, from 2ⁿ values of f; the error from rounding grows as 1/εⁿ.
val numdiffn: epsilon: float -> n: int -> f: (Tensor -> Tensor) -> x: Tensor -> Tensor
/// (f x, dⁿf/dxⁿ), as numdiffn.
val numfdiffn: epsilon: float -> n: int -> f: (Tensor -> Tensor) -> x: Tensor -> Tensor * Tensor

/// <summary>grad by differences: its components are (f(x + εeᵢ) - f(x - εeᵢ)) / 2ε, where eᵢ is 1 at i and 0 elsewhere; it has
/// x's shape, and takes two values of f for each number of x.</summary>
/// <example><code>
/// let gradient = Diff.numgrad 1e-5 (fun x -> x.square().sum()) (torch.tensor [| 1.; 2. |])
/// // [2; 4], but for rounding
/// </code></example>
val numgrad: epsilon: float -> f: (Tensor -> Tensor) -> x: Tensor -> Tensor
/// (f x, ∇f), as numgrad.
val numfgrad: epsilon: float -> f: (Tensor -> Tensor) -> x: Tensor -> Tensor * Tensor
/// gradv by differences: (f(x + εv) - f(x - εv)) / 2ε, a single number, for v of x's shape.
val numgradv: epsilon: float -> f: (Tensor -> Tensor) -> x: Tensor -> v: Tensor -> Tensor
/// (f x, ∇f·v), as numgradv.
val numfgradv: epsilon: float -> f: (Tensor -> Tensor) -> x: Tensor -> v: Tensor -> Tensor * Tensor

/// jacobian by differences: its columns are (f(x + εeⱼ) - f(x - εeⱼ)) / 2ε, and its shape is f x's and then x's.
val numjacobian: epsilon: float -> f: (Tensor -> Tensor) -> x: Tensor -> Tensor
/// (f x, J), as numjacobian.
val numfjacobian: epsilon: float -> f: (Tensor -> Tensor) -> x: Tensor -> Tensor * Tensor
/// jacobianv by differences: (f(x + εv) - f(x - εv)) / 2ε, of f x's shape, for v of x's shape.
val numjacobianv: epsilon: float -> f: (Tensor -> Tensor) -> x: Tensor -> v: Tensor -> Tensor
/// (f x, J·v), as numjacobianv.
val numfjacobianv: epsilon: float -> f: (Tensor -> Tensor) -> x: Tensor -> v: Tensor -> Tensor * Tensor
/// jacobianTv by differences: the numgrad of Σᵢ vᵢyᵢ, of x's shape, for v of f x's shape.
val numjacobianTv: epsilon: float -> f: (Tensor -> Tensor) -> x: Tensor -> v: Tensor -> Tensor
/// (f x, Jᵀ·v), as numjacobianTv.
val numfjacobianTv: epsilon: float -> f: (Tensor -> Tensor) -> x: Tensor -> v: Tensor -> Tensor * Tensor

/// hessian by differences: the numjacobian of numgrad, from four values of f for each pair of numbers of x; its shape is
/// x's, twice over.
val numhessian: epsilon: float -> f: (Tensor -> Tensor) -> x: Tensor -> Tensor
/// (f x, H), as numhessian.
val numfhessian: epsilon: float -> f: (Tensor -> Tensor) -> x: Tensor -> Tensor * Tensor
/// hessianv by differences: (∇f(x + εv) - ∇f(x - εv)) / 2ε, ∇f by numgrad; it has x's shape, as v does.
val numhessianv: epsilon: float -> f: (Tensor -> Tensor) -> x: Tensor -> v: Tensor -> Tensor
/// (f x, H·v), as numhessianv.
val numfhessianv: epsilon: float -> f: (Tensor -> Tensor) -> x: Tensor -> v: Tensor -> Tensor * Tensor
/// (∇f, H), as numgrad and numhessian.
val numgradhessian: epsilon: float -> f: (Tensor -> Tensor) -> x: Tensor -> Tensor * Tensor
/// (f x, ∇f, H), as numgrad and numhessian.
val numfgradhessian: epsilon: float -> f: (Tensor -> Tensor) -> x: Tensor -> Tensor * Tensor * Tensor
/// (∇f·v, H·v), as numgradv and numhessianv.
val numgradhessianv: epsilon: float -> f: (Tensor -> Tensor) -> x: Tensor -> v: Tensor -> Tensor * Tensor
/// (f x, ∇f·v, H·v), as numgradv and numhessianv.
val numfgradhessianv: epsilon: float -> f: (Tensor -> Tensor) -> x: Tensor -> v: Tensor -> Tensor * Tensor * Tensor

/// laplacian by differences: Σᵢ (f(x + 2εeᵢ) - 2f(x) + f(x - 2εeᵢ)) / 4ε², a single number, for a vector x.
val numlaplacian: epsilon: float -> f: (Tensor -> Tensor) -> x: Tensor -> Tensor
/// (f x, tr H), as numlaplacian.
val numflaplacian: epsilon: float -> f: (Tensor -> Tensor) -> x: Tensor -> Tensor * Tensor
/// divergence by differences: the trace of numjacobian, a single number, for a field as divergence takes.
val numdivergence: epsilon: float -> f: (Tensor -> Tensor) -> x: Tensor -> Tensor
/// (f x, tr J), as numdivergence.
val numfdivergence: epsilon: float -> f: (Tensor -> Tensor) -> x: Tensor -> Tensor * Tensor
/// curl by differences: curl's formula on numjacobian, a 3-vector, for an f from 3-vectors to 3-vectors.
val numcurl: epsilon: float -> f: (Tensor -> Tensor) -> x: Tensor -> Tensor
/// (f x, curl), as numcurl.
val numfcurl: epsilon: float -> f: (Tensor -> Tensor) -> x: Tensor -> Tensor * Tensor
/// (curl, divergence) from one Jacobian, as numcurl and numdivergence.
val numcurldivergence: epsilon: float -> f: (Tensor -> Tensor) -> x: Tensor -> Tensor * Tensor
/// (f x, curl, divergence), as numcurldivergence.
val numfcurldivergence: epsilon: float -> f: (Tensor -> Tensor) -> x: Tensor -> Tensor * Tensor * Tensor
