module DiffTests

open System
open Expecto
open TorchSharp
open Attribution.Core
open Support

/// (1 - x)² + 100 (y - x²)².
let private rosenbrock (p: Tensor) =
    let x, y = p[0L], p[1L]
    (1. - x).square() + 100. * (y - x.square ()).square()

/// [xy + 2yz; 2xy²z].
let private field (p: Tensor) =
    let x, y, z = p[0L], p[1L], p[2L]
    torch.stack [| x * y + 2. * y * z; 2. * x * y.square () * z |]

/// [x₀; 5x₂; 4x₁² - 2x₂; x₂ sin x₀].
let private four (p: Tensor) =
    let a, b, c = p[0L], p[1L], p[2L]
    torch.stack [| a; 5. * c; 4. * b.square () - 2. * c; c * a.sin () |]

let private waves (t: Tensor) = torch.stack [| t.sin (); t.exp (); t.cos () |]

let private corner = vector [ 1.5; 2.5 ]
let private point = vector [ 1.5; 2.5; 3. ]

let private valuesOfTheVocabulary =
    testList "values" [
        example "diff of sin, exp and cos at 1.5" (fun () ->
            same (vector [ cos 1.5; exp 1.5; -sin 1.5 ]) (Diff.diff waves (number 1.5)) "diff"
            let y, slope = Diff.fdiff waves (number 1.5)
            same (vector [ sin 1.5; exp 1.5; cos 1.5 ]) y "f x"
            same (vector [ cos 1.5; exp 1.5; -sin 1.5 ]) slope "fdiff")

        example "higher derivatives of sin, exp and cos at 1.5" (fun () ->
            let at = number 1.5
            same (waves at) (Diff.diffn 0 waves at) "0th"
            same (vector [ -sin 1.5; exp 1.5; -cos 1.5 ]) (Diff.diff2 waves at) "second"
            same (vector [ -cos 1.5; exp 1.5; sin 1.5 ]) (Diff.diffn 3 waves at) "third"
            same (vector [ sin 1.5; exp 1.5; cos 1.5 ]) (snd (Diff.fdiffn 4 waves at)) "fourth"
            same (waves at) (fst (Diff.fdiff2 waves at)) "f x")

        example "gradient and slope of the Rosenbrock function" (fun () ->
            let y, gradient = Diff.fgrad rosenbrock corner
            same (number 6.5) y "f x"
            same (vector [ -149.; 50. ]) gradient "fgrad"
            same (number -584.75) (Diff.gradv rosenbrock corner (vector [ 2.75; -3.5 ])) "gradv"
            let y, slope = Diff.fgradv rosenbrock corner (vector [ 2.75; -3.5 ])
            same (number 6.5) y "f x"
            same (number -584.75) slope "fgradv")

        example "the Jacobian of four functions of three numbers" (fun () ->
            let expected = tensor [ 4; 3 ] [ 1; 0; 0; 0; 0; 5; 0; 8; -2; 2; 0; 0 ]
            same expected (Diff.jacobian four (vector [ 0.; 1.; 2. ])) "jacobian"
            same (four (vector [ 0.; 1.; 2. ])) (fst (Diff.fjacobian four (vector [ 0.; 1.; 2. ]))) "f x")

        example "products with the Jacobian and its transpose" (fun () ->
            let y, product = Diff.fjacobianv field point (vector [ 2.75; -3.5; 4. ])
            same (vector [ 18.75; 56.25 ]) y "f x"
            same (vector [ 0.625; 20.625 ]) product "fjacobianv"
            let expected = vector [ -124.375; -136.875; -51.875 ]
            same expected (Diff.jacobianTv field point (vector [ 2.75; -3.5 ])) "jacobianTv"
            let y, pull = Diff.evalReverseDiff field point
            same (vector [ 18.75; 56.25 ]) y "f x"
            same expected (pull (vector [ 2.75; -3.5 ])) "evalReverseDiff"
            same (2. * expected) (pull (vector [ 5.5; -7. ])) "evalReverseDiff, used again")

        example "the Hessian of the Rosenbrock function and products with it" (fun () ->
            let expected = tensor [ 2; 2 ] [ 1702; -600; -600; 200 ]
            let v = vector [ 0.5; -2. ]
            same expected (Diff.hessian rosenbrock corner) "hessian"
            let y, gradient, hessian = Diff.fgradhessian rosenbrock corner
            same (number 6.5) y "f x"
            same (vector [ -149.; 50. ]) gradient "fgradhessian"
            same expected hessian "fgradhessian"
            same (vector [ 2051.; -700. ]) (Diff.hessianv rosenbrock corner v) "hessianv"
            let y, slope, product = Diff.fgradhessianv rosenbrock corner v
            same (number 6.5) y "f x"
            same (number -174.5) slope "fgradhessianv"
            same (vector [ 2051.; -700. ]) product "fgradhessianv")

        example "Laplacian, divergence and curl" (fun () ->
            same (number 1902.) (Diff.laplacian rosenbrock corner) "laplacian"

            // F = (x²y, 2yz², xz): div F = 2xy + 2z² + x, curl F = (-4yz, -z, -x²).
            let f (p: Tensor) =
                let x, y, z = p[0L], p[1L], p[2L]
                torch.stack [| x * x * y; 2. * y * z * z; x * z |]

            let y, curl, divergence = Diff.fcurldivergence f point
            same (f point) y "f x"
            same (vector [ -30.; -3.; -2.25 ]) curl "curl"
            same (number 27.) divergence "divergence"
            same curl (Diff.curl f point) "curl alone"
            same divergence (Diff.divergence f point) "divergence alone")

        example "the Hessian of a sum is zero" (fun () ->
            same (tensor [ 2; 2 ] [ 0; 0; 0; 0 ]) (Diff.hessian (fun x -> x.sum ()) corner) "hessian")

        example "the derivatives of a constant are zero" (fun () ->
            let constant (_: Tensor) = number 3.
            let watched = (number 3.).requires_grad_ true
            same (vector [ 0.; 0. ]) (Diff.grad constant corner) "grad"
            same (vector [ 0.; 0. ]) (Diff.grad (fun _ -> watched * 2.) corner) "grad past another variable"
            same (tensor [ 2; 2 ] [ 0; 0; 0; 0 ]) (Diff.hessian constant corner) "hessian"
            same (number 0.) (Diff.jacobianv constant corner corner) "jacobianv"
            same (vector [ 0.; 0. ]) (Diff.grad (fun x -> x.argmax().``to`` torch.float64) corner) "grad of an index")

        example "a derivative inside a derivative keeps the two variables apart" (fun () ->
            let product (x: Tensor) = x * Diff.diff (fun y -> x * y) (number 2.)

            same (number 2.) (Diff.diff product (number 1.)) "x · d/dy xy"

            let sum (x: Tensor) = x * Diff.diff (fun y -> x + y) (number 1.)

            same (number 1.) (Diff.diff sum (number 1.)) "x · d/dy (x + y)"

            // d/dx [x · d/dy (y · x²) at y = x] = 3x².
            let atItself (x: Tensor) = x * Diff.diff (fun y -> y * x * x) x
            same (number 12.) (Diff.diff atItself (number 2.)) "the inner derivative at the outer variable"

            // Jv and the gradient of a gradient, inside a gradient: d/dx |∇(x₀²x₁)|²/2.
            let energy (x: Tensor) = 0.5 * (Diff.grad (fun y -> y[0L] * y[0L] * y[1L]) x).square().sum()

            // ∇ = (2ab, a²): energy = 2a²b² + a⁴/2.
            same (vector [ 4. * 2. * 9. + 16.; 4. * 4. * 3. ]) (Diff.grad energy (vector [ 2.; 3. ])) "energy"

            let forward (x: Tensor) = (Diff.jacobianv (fun y -> y * y * x) x x).sum()

            same (vector [ 24.; 54. ]) (Diff.grad forward (vector [ 2.; 3. ])) "Jv inside a gradient")

        example "the third derivative of a function of a vector" (fun () ->
            // f = a³b: ∂³f/∂a³ = 6b, ∂³f/∂a²∂b = 6a.
            let f (x: Tensor) = x[0L].pow(3.0.ToScalar()) * x[1L]
            let third = Diff.jacobian (Diff.hessian f) (vector [ 2.; 5. ])
            same (tensor [ 2; 2; 2 ] [ 30; 12; 12; 0; 12; 0; 0; 0 ]) third "∇³f")

        example "any shape of x and of f x" (fun () ->
            let x = tensor [ 2; 1; 3 ] [ 1; 2; 3; 4; 5; 6 ]
            let jacobian = Diff.jacobian (fun x -> x.square().sum 1L) x
            Expect.equal jacobian.shape [| 2L; 3L; 2L; 1L; 3L |] "y.shape ++ x.shape"
            let diagonal = (2. * x).reshape(6).diag().reshape(2, 3, 2, 1, 3)
            same diagonal jacobian "jacobian"
            Expect.equal (Diff.hessian (fun x -> x.square().sum()) x).shape [| 2L; 1L; 3L; 2L; 1L; 3L |] "hessian"
            let none = Diff.jacobian (fun x -> x.narrow (0L, 0L, 0L)) (vector [ 1.; 2. ])
            Expect.equal none.shape [| 0L; 2L |] "no functions at all")

        example "gradEach gives each row's own gradient" (fun () ->
            let x = tensor [ 2; 2 ] [ 1; 2; 3; 4 ]
            same (2. * x) (Diff.gradEach (fun x -> x.square().sum 1L) x) "gradEach")

        example "the identity function has the identity Jacobian, and x is left as it was" (fun () ->
            let x = vector [ 1.; 2. ]
            same (tensor [ 2; 2 ] [ 1; 0; 0; 1 ]) (Diff.jacobian id x) "jacobian"
            Expect.isFalse x.requires_grad "x is no variable"
            same (vector [ 1.; 2. ]) x "x")
    ]

let private results =
    let all (x: Tensor) = [
        "diff", [ Diff.diff (fun t -> t * t) (x.sum ()) ]
        "grad", [ Diff.grad rosenbrock x ]
        "fgrad", (let y, g = Diff.fgrad rosenbrock x in [ y; g ])
        "fjacobianv", (let y, v = Diff.fjacobianv waves x x in [ y; v ])
        "fjacobian", (let y, j = Diff.fjacobian waves x in [ y; j ])
        "fgradhessian", (let y, g, h = Diff.fgradhessian rosenbrock x in [ y; g; h ])
        "fgradhessianv", (let y, g, h = Diff.fgradhessianv rosenbrock x x in [ y; g; h ])
        "fhessian", (let y, h = Diff.fhessian rosenbrock x in [ y; h ])
        "flaplacian", (let y, l = Diff.flaplacian rosenbrock x in [ y; l ])
        "fdiffn", (let y, d = Diff.fdiffn 2 waves (x.sum ()) in [ y; d ])
        "diffn 0", [ Diff.diffn 0 waves (x.sum ()) ]
        "evalReverseDiff", (let y, pull = Diff.evalReverseDiff rosenbrock x in [ y; pull (torch.ones_like y) ])
        "numfdiffn", (let y, d = Diff.numfdiffn 1e-3 2 waves (x.sum ()) in [ y; d ])
        "numfgradhessian", (let y, g, h = Diff.numfgradhessian 1e-4 rosenbrock x in [ y; g; h ])
        "numfjacobianv", (let y, v = Diff.numfjacobianv 1e-5 waves x x in [ y; v ])
        "numfjacobian of the identity", (let y, j = Diff.numfjacobian 1e-5 id x in [ y; j ])
    ]

    let sameInside name (enter: unit -> IDisposable) =
        example $"every derivative is the same inside {name}" (fun () ->
            let outside = all (vector [ 1.5; 2.5 ])

            let inside =
                use _ = enter ()

                all (vector [ 1.5; 2.5 ]) |> List.map (fun (name, ts) -> name, ts |> List.map values)

            List.iter2 (fun (name, ts) (_, vs) -> Expect.equal vs (ts |> List.map values) name) outside inside)

    testList "results" [
        example "no result at the top level is a variable" (fun () ->
            for x in [ vector [ 1.5; 2.5 ]; (vector [ 1.5; 2.5 ]).requires_grad_ true ] do
                for name, ts in all x do
                    for t in ts do
                        Expect.isFalse t.requires_grad name)

        example "a function that fails leaves no derivative open" (fun () ->
            rejects<InvalidOperationException> (fun () -> Diff.grad (fun _ -> invalidOp "no") corner) "f fails"
            Expect.isFalse (Diff.grad rosenbrock corner).requires_grad "the next result")

        sameInside "inference_mode" (fun () -> torch.inference_mode true)
        sameInside "no_grad" torch.no_grad

        example "a tensor made under inference_mode can be differentiated at" (fun () ->
            let x =
                use _ = torch.inference_mode true
                vector [ 1.5; 2.5 ]

            same (vector [ -149.; 50. ]) (Diff.grad rosenbrock x) "grad")

        example "misuse is an ArgumentException that names the argument" (fun () ->
            let integers = torch.tensor [| 1L; 2L |]
            let three = vector [ 1.; 2.; 3. ]

            for name, work in
                [
                    "x holds integers", (fun () -> Diff.grad (fun x -> x.sum ()) integers)
                    "f x is no number", (fun () -> Diff.grad id corner)
                    "x is no number", (fun () -> Diff.diff waves corner)
                    "v has another shape (gradv)", (fun () -> Diff.gradv rosenbrock corner three)
                    "v has another shape (jacobianv)", (fun () -> Diff.jacobianv waves corner three)
                    "v has another shape (jacobianTv)", (fun () -> Diff.jacobianTv waves corner three)
                    "v has another shape (hessianv)", (fun () -> Diff.hessianv rosenbrock corner three)
                    "w has another shape", (fun () -> snd (Diff.evalReverseDiff waves corner) three)
                    "the order is negative", (fun () -> Diff.diffn -1 waves (number 1.))
                    "x is no 3-vector", (fun () -> Diff.curl id corner)
                    "f x is no 3-vector", (fun () -> Diff.curl field point)
                    "f x is no field", (fun () -> Diff.divergence field point)
                    "x is no vector", (fun () -> Diff.laplacian (fun x -> x.sum ()) (tensor [ 1; 1 ] [ 1 ]))
                    "f x is not one number a row", (fun () -> Diff.gradEach (fun x -> x.sum ()) corner)
                    "x holds integers (numgrad)", (fun () -> Diff.numgrad 1e-5 (fun x -> x.sum ()) integers)
                    "f x is no number (numgrad)", (fun () -> Diff.numgrad 1e-5 id corner)
                    "f x is no number (numgradv)", (fun () -> Diff.numgradv 1e-5 id corner corner)
                    "x is no number (numdiff)", (fun () -> Diff.numdiff 1e-5 waves corner)
                    "v has another shape (numgradv)", (fun () -> Diff.numgradv 1e-5 rosenbrock corner three)
                    "v has another shape (numjacobianTv)", (fun () -> Diff.numjacobianTv 1e-5 id corner three)
                    "v has another shape (numhessianv)", (fun () -> Diff.numhessianv 1e-5 rosenbrock corner three)
                    "the order is negative (numdiffn)", (fun () -> Diff.numdiffn 1e-5 -1 waves (number 1.))
                    "x is no 3-vector (numcurl)", (fun () -> Diff.numcurl 1e-5 id corner)
                    "f x is no field (numdivergence)", (fun () -> Diff.numdivergence 1e-5 field point)
                    "x is no vector (numlaplacian)",
                    (fun () -> Diff.numlaplacian 1e-5 (fun x -> x.sum ()) (tensor [ 1; 1 ] [ 1 ]))
                    "the step is 0", (fun () -> Diff.numgrad 0. rosenbrock corner)
                    "the step is negative", (fun () -> Diff.numgrad -1e-5 rosenbrock corner)
                    "the step is infinite", (fun () -> Diff.numgrad infinity rosenbrock corner)
                    "the step is no number", (fun () -> Diff.numgrad nan rosenbrock corner)
                ] do
                rejects<ArgumentException> work name)
    ]

/// A smooth function of x: B sin(A x + c), R³ → R².
let private smooth (rng: Random) =
    let a, b, c = gaussian rng [ 3; 3 ], gaussian rng [ 2; 3 ], gaussian rng [ 3 ]
    fun (x: Tensor) -> b.matmul ((a.matmul x + c).sin())

let private inner (a: Tensor) (b: Tensor) = (a * b).sum()

let private laws =
    testList "laws" [
        law "⟨Jv, w⟩ = ⟨v, Jᵀw⟩" (fun rng ->
            let f, x, v, w = smooth rng, gaussian rng [ 3 ], gaussian rng [ 3 ], gaussian rng [ 2 ]

            same (inner (Diff.jacobianv f x v) w) (inner v (Diff.jacobianTv f x w)) "adjoint")

        law "the products are those of the Jacobian itself" (fun rng ->
            let f, x, v, w = smooth rng, gaussian rng [ 3 ], gaussian rng [ 3 ], gaussian rng [ 2 ]

            let j = Diff.jacobian f x
            same (j.matmul v) (Diff.jacobianv f x v) "Jv"
            same (j.t().matmul w) (Diff.jacobianTv f x w) "Jᵀw")

        law "the Jacobian of a composition is the product of the Jacobians" (fun rng ->
            let f, a = smooth rng, gaussian rng [ 3; 2 ]
            let g (y: Tensor) = (a.matmul y).tanh()
            let x = gaussian rng [ 3 ]
            same ((Diff.jacobian g (f x)).matmul(Diff.jacobian f x)) (Diff.jacobian (f >> g) x) "chain rule")

        law "differentiation is linear in the function" (fun rng ->
            let f, g, x = smooth rng, smooth rng, gaussian rng [ 3 ]
            let a, b = rng.NextDouble(), rng.NextDouble()
            let expected = a * Diff.jacobian f x + b * Diff.jacobian g x
            same expected (Diff.jacobian (fun x -> a * f x + b * g x) x) "linearity")

        law "the Hessian is symmetric, is the gradient's Jacobian, and its trace is the Laplacian" (fun rng ->
            let f = smooth rng >> fun y -> y.square().sum()
            let x, v = gaussian rng [ 3 ], gaussian rng [ 3 ]
            let gradient, h = Diff.gradhessian f x
            same (h.t ()) h "symmetry"
            same (Diff.jacobian (Diff.grad f) x) h "∇∇f"
            same (Diff.grad f x) gradient "∇f"
            same (h.matmul v) (Diff.hessianv f x v) "Hv"
            same (h.trace ()) (Diff.laplacian f x) "tr H")

        law "a directional derivative is the gradient's inner product" (fun rng ->
            let f = smooth rng >> fun y -> y.prod ()
            let x, v = gaussian rng [ 3 ], gaussian rng [ 3 ]
            same (inner (Diff.grad f x) v) (Diff.gradv f x v) "gradv")

        law "derivatives agree with central differences" (fun rng ->
            let f, x = smooth rng, gaussian rng [ 3 ]
            let energy (x: Tensor) = (f x).square().sum()
            close 1e-6 (centralDifferences f x) (Diff.jacobian f x) "jacobian"
            close 1e-6 (centralDifferences (Diff.grad energy) x) (Diff.hessian energy x) "hessian")

        law "divergence and curl are those of the Jacobian" (fun rng ->
            let a, x = gaussian rng [ 3; 3 ], gaussian rng [ 3 ]
            let f (x: Tensor) = (a.matmul x).sin()
            let j = Diff.jacobian f x
            same (j.trace ()) (Diff.divergence f x) "divergence"
            let at r c = j[r, c]
            let expected = [| at 2L 1L - at 1L 2L; at 0L 2L - at 2L 0L; at 1L 0L - at 0L 1L |]
            same (torch.stack expected) (Diff.curl f x) "curl")
    ]

/// An operator and its numerical twin, each with all that it returns: at a number t, at x of any shape, at a 3-vector p.
let private pairs (rng: Random) =
    let one (a: Tensor) = [ a ]
    let two (a: Tensor, b: Tensor) = [ a; b ]
    let three (a: Tensor, b: Tensor, c: Tensor) = [ a; b; c ]
    let shape = [| [ 3 ]; [ 2; 1; 2 ]; []; [ 1 ] |][rng.Next 4]
    let x, v, t = gaussian rng shape, gaussian rng shape, gaussian rng []
    let a, b = gaussian rng (2 :: shape), gaussian rng (2 :: shape)
    let p, m = gaussian rng [ 3 ], gaussian rng [ 3; 3 ]
    let w = gaussian rng (2 :: shape)
    let curve (t: Tensor) = (a * t).sin()
    let map (x: Tensor) = (a * x + b.cos ()).sin()
    let energy (x: Tensor) = map(x).square().sum()
    let field (p: Tensor) = (m.matmul p).sin()
    let potential (p: Tensor) = field(p).square().sum()
    // The order of the derivative decides the step that suits it, and the error that it leaves.
    let first, second, third = (1e-5, 1e-7), (1e-4, 1e-5), (1e-3, 1e-3)

    [
        "diff", first, (fun () -> one (Diff.diff curve t)), (fun e -> one (Diff.numdiff e curve t))
        "fdiff", first, (fun () -> two (Diff.fdiff curve t)), (fun e -> two (Diff.numfdiff e curve t))
        "diff2", second, (fun () -> one (Diff.diff2 curve t)), (fun e -> one (Diff.numdiff2 e curve t))
        "fdiff2", second, (fun () -> two (Diff.fdiff2 curve t)), (fun e -> two (Diff.numfdiff2 e curve t))
        "diffn", third, (fun () -> one (Diff.diffn 3 curve t)), (fun e -> one (Diff.numdiffn e 3 curve t))
        "fdiffn", third, (fun () -> two (Diff.fdiffn 3 curve t)), (fun e -> two (Diff.numfdiffn e 3 curve t))
        "grad", first, (fun () -> one (Diff.grad energy x)), (fun e -> one (Diff.numgrad e energy x))
        "fgrad", first, (fun () -> two (Diff.fgrad energy x)), (fun e -> two (Diff.numfgrad e energy x))
        "gradv", first, (fun () -> one (Diff.gradv energy x v)), (fun e -> one (Diff.numgradv e energy x v))
        "fgradv", first, (fun () -> two (Diff.fgradv energy x v)), (fun e -> two (Diff.numfgradv e energy x v))
        "jacobian", first, (fun () -> one (Diff.jacobian map x)), (fun e -> one (Diff.numjacobian e map x))
        "fjacobian", first, (fun () -> two (Diff.fjacobian map x)), (fun e -> two (Diff.numfjacobian e map x))
        "jacobianv", first, (fun () -> one (Diff.jacobianv map x v)), (fun e -> one (Diff.numjacobianv e map x v))
        "fjacobianv", first, (fun () -> two (Diff.fjacobianv map x v)), (fun e -> two (Diff.numfjacobianv e map x v))
        "jacobianTv", first, (fun () -> one (Diff.jacobianTv map x w)), (fun e -> one (Diff.numjacobianTv e map x w))
        "fjacobianTv", first, (fun () -> two (Diff.fjacobianTv map x w)), (fun e -> two (Diff.numfjacobianTv e map x w))
        "hessian", second, (fun () -> one (Diff.hessian energy x)), (fun e -> one (Diff.numhessian e energy x))
        "fhessian", second, (fun () -> two (Diff.fhessian energy x)), (fun e -> two (Diff.numfhessian e energy x))
        "hessianv", second, (fun () -> one (Diff.hessianv energy x v)), (fun e -> one (Diff.numhessianv e energy x v))
        "fhessianv",
        second,
        (fun () -> two (Diff.fhessianv energy x v)),
        (fun e -> two (Diff.numfhessianv e energy x v))
        "gradhessian",
        second,
        (fun () -> two (Diff.gradhessian energy x)),
        (fun e -> two (Diff.numgradhessian e energy x))
        "fgradhessian",
        second,
        (fun () -> three (Diff.fgradhessian energy x)),
        (fun e -> three (Diff.numfgradhessian e energy x))
        "gradhessianv",
        second,
        (fun () -> two (Diff.gradhessianv energy x v)),
        (fun e -> two (Diff.numgradhessianv e energy x v))
        "fgradhessianv",
        second,
        (fun () -> three (Diff.fgradhessianv energy x v)),
        (fun e -> three (Diff.numfgradhessianv e energy x v))
        "laplacian",
        second,
        (fun () -> one (Diff.laplacian potential p)),
        (fun e -> one (Diff.numlaplacian e potential p))
        "flaplacian",
        second,
        (fun () -> two (Diff.flaplacian potential p)),
        (fun e -> two (Diff.numflaplacian e potential p))
        "divergence", first, (fun () -> one (Diff.divergence field p)), (fun e -> one (Diff.numdivergence e field p))
        "fdivergence", first, (fun () -> two (Diff.fdivergence field p)), (fun e -> two (Diff.numfdivergence e field p))
        "curl", first, (fun () -> one (Diff.curl field p)), (fun e -> one (Diff.numcurl e field p))
        "fcurl", first, (fun () -> two (Diff.fcurl field p)), (fun e -> two (Diff.numfcurl e field p))
        "curldivergence",
        first,
        (fun () -> two (Diff.curldivergence field p)),
        (fun e -> two (Diff.numcurldivergence e field p))
        "fcurldivergence",
        first,
        (fun () -> three (Diff.fcurldivergence field p)),
        (fun e -> three (Diff.numfcurldivergence e field p))
    ]

let private twins =
    testList "numerical twins" [
        example "every derivative has a twin, and each is compared with its own" (fun () ->
            let operators =
                typeof<Model>.Assembly.GetType("Attribution.Core.Diff").GetMethods()
                |> Array.filter (fun m -> m.IsStatic && m.IsPublic)
                |> Array.map _.Name
                |> Set.ofArray

            let compared = pairs (Random 0) |> List.map (fun (name, _, _, _) -> name) |> Set.ofList

            let twin (name: string) = if name.StartsWith 'f' then "numf" + name[1..] else "num" + name

            let others = Set.ofList [ "evalReverseDiff"; "evalReverseDiffAlong"; "gradEach" ]
            Expect.equal (compared + Set.map twin compared + others) operators "operators")

        example "the twins find the vocabulary's values" (fun () ->
            let at, constant = number 1.5, (fun (_: Tensor) -> number 3.)
            let v, w = vector [ 2.75; -3.5 ], vector [ 2.75; -3.5; 4. ]
            let y, gradient = Diff.numfgrad 1e-5 rosenbrock corner
            let fieldAt, product = Diff.numfjacobianv 1e-5 field point w

            let slope, curved = Diff.numgradhessianv 1e-4 rosenbrock corner (vector [ 0.5; -2. ])

            // F = (x²y, 2yz², xz): div F = 2xy + 2z² + x, curl F = (-4yz, -z, -x²).
            let flow (p: Tensor) =
                let x, y, z = p[0L], p[1L], p[2L]
                torch.stack [| x * x * y; 2. * y * z * z; x * z |]

            let curl, divergence = Diff.numcurldivergence 1e-5 flow point

            for name, expected, actual in
                [
                    "numdiff", vector [ cos 1.5; exp 1.5; -sin 1.5 ], Diff.numdiff 1e-5 waves at
                    "numdiff2", vector [ -sin 1.5; exp 1.5; -cos 1.5 ], Diff.numdiff2 1e-4 waves at
                    "numdiffn 0", waves at, Diff.numdiffn 1e-5 0 waves at
                    "numdiffn 3", vector [ -cos 1.5; exp 1.5; sin 1.5 ], Diff.numdiffn 1e-3 3 waves at
                    "f x", number 6.5, y
                    "numfgrad", vector [ -149.; 50. ], gradient
                    "numgradv", number -584.75, Diff.numgradv 1e-5 rosenbrock corner v
                    "numjacobian",
                    tensor [ 4; 3 ] [ 1; 0; 0; 0; 0; 5; 0; 8; -2; 2; 0; 0 ],
                    Diff.numjacobian 1e-5 four (vector [ 0.; 1.; 2. ])
                    "F", vector [ 18.75; 56.25 ], fieldAt
                    "numfjacobianv", vector [ 0.625; 20.625 ], product
                    "numjacobianTv", vector [ -124.375; -136.875; -51.875 ], Diff.numjacobianTv 1e-5 field point v
                    "numhessian", tensor [ 2; 2 ] [ 1702; -600; -600; 200 ], Diff.numhessian 1e-4 rosenbrock corner
                    "slope", number -174.5, slope
                    "numgradhessianv", vector [ 2051.; -700. ], curved
                    "numlaplacian", number 1902., Diff.numlaplacian 1e-4 rosenbrock corner
                    "numcurl", vector [ -30.; -3.; -2.25 ], curl
                    "numdivergence", number 27., divergence
                    "numhessian of a sum", torch.zeros_like (corner.outer corner), Diff.numhessian 1e-4 _.sum() corner
                    "numgrad of a constant", vector [ 0.; 0. ], Diff.numgrad 1e-5 constant corner
                    "numgrad of an index", vector [ 0.; 0. ], Diff.numgrad 1e-5 _.argmax() corner
                ] do
                close 1e-6 expected actual name)

        law "a twin agrees with its operator, in shapes and in values" (fun rng ->
            for name, (step, tolerance), exact, twin in pairs rng do
                List.iter2 (fun expected actual -> close tolerance expected actual name) (exact ()) (twin step))

        law "a twin agrees with differences of plain arrays" (fun rng ->
            let f, x = smooth rng, gaussian rng [ 3 ]
            close 1e-9 (centralDifferences f x) (Diff.numjacobian 1e-5 f x) "numjacobian")

        example "a twin leaves no tensors behind" (fun () ->
            for seed in 0..7 do
                for name, (step, _), _, twin in pairs (Random seed) do
                    let work () =
                        for t in twin step do
                            t.Dispose()

                    Expect.equal (liveAfter work) 0L name)

        law "twins and derivatives nest in each other" (fun rng ->
            let f, x = smooth rng >> (fun y -> y.square().sum()), gaussian rng [ 3 ]
            let hessian = Diff.hessian f x
            close 1e-7 hessian (Diff.numjacobian 1e-5 (Diff.grad f) x) "differences of a gradient"
            close 1e-7 hessian (Diff.jacobian (Diff.numgrad 1e-5 f) x) "the Jacobian of differences"

            let sum (x: Tensor) = (Diff.numgrad 1e-5 (fun y -> (y.square () * x).sum()) x).sum()

            // Σ 2y x at y = x.
            close 1e-7 (4. * x) (Diff.grad sum x) "a gradient past the function and its argument")

        example "a twin asks nothing of autograd" (fun () ->
            let mutable recorded = false

            let f (x: Tensor) =
                let y = x.square().sum()
                recorded <- recorded || y.requires_grad
                y.detach ()

            let x = (vector [ 1.; 2. ]).requires_grad_ true
            close 1e-8 (vector [ 2.; 4. ]) (Diff.numgrad 1e-5 f x) "past a detach"
            Expect.isFalse recorded "nothing is recorded")

        example "a twin computes in the type of x" (fun () ->
            for shape in [ []; [ 2 ] ] do
                let x = (tensor shape (Seq.replicate (List.fold (*) 1 shape) 1.5)).``to`` torch.float32

                let f (x: Tensor) =
                    Expect.equal x.dtype torch.float32 "x"
                    x.square().sum()

                let y, gradient = Diff.numfgrad 1e-2 f x
                Expect.equal (y.dtype, gradient.dtype) (torch.float32, torch.float32) "f x and its gradient"
                close 1e-4 (2. * x) gradient "numgrad")

        example "the twins take an x without numbers" (fun () ->
            let none = vector []
            same none (Diff.numgrad 1e-5 _.sum() none) "numgrad"
            Expect.equal (Diff.numjacobian 1e-5 (fun _ -> corner) none).shape [| 2L; 0L |] "numjacobian"
            same (number 0.) (Diff.numlaplacian 1e-4 _.sum() none) "numlaplacian")
    ]

let private documentation =
    example "the examples of the documentation are true" (fun () ->
        let y, pull = Diff.evalReverseDiff (fun x -> x * x) (vector [ 1.; 2. ])
        same (vector [ 1.; 4. ]) y "evalReverseDiff: y"
        same (vector [ 2.; 40. ]) (pull (vector [ 1.; 10. ])) "evalReverseDiff: the product"
        same (number 1.) (Diff.diff (fun t -> t.sin ()) (torch.tensor 0.)) "diff"
        same (vector [ 2.; 4. ]) (Diff.grad (fun x -> x.square().sum()) (vector [ 1.; 2. ])) "grad"
        let rows = torch.tensor (array2D [ [ 1.; 2. ]; [ 3.; 4. ] ])
        same (tensor [ 2; 2 ] [ 2; 4; 6; 8 ]) (Diff.gradEach (fun rows -> rows.square().sum 1L) rows) "gradEach"
        let pair (x: Tensor) = torch.stack [| x[0L] * x[1L]; x[1L] |]
        same (tensor [ 2; 2 ] [ 3; 2; 0; 1 ]) (Diff.jacobian pair (vector [ 2.; 3. ])) "jacobian"
        let f (x: Tensor) = x[0L] * x[0L] * x[1L]
        same (tensor [ 2; 2 ] [ 4; 2; 2; 0 ]) (Diff.hessian f (vector [ 1.; 2. ])) "hessian"
        same (vector [ 24.; 2. ]) (Diff.hessianv f (vector [ 1.; 2. ]) (vector [ 1.; 10. ])) "hessianv"
        close 1e-8 (vector [ 2.; 4. ]) (Diff.numgrad 1e-5 (fun x -> x.square().sum()) (vector [ 1.; 2. ])) "numgrad")

let tests = testList "Diff" [ valuesOfTheVocabulary; results; laws; twins; documentation ]
