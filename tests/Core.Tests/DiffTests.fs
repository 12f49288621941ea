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

let private waves (t: Tensor) =
    torch.stack [| t.sin (); t.exp (); t.cos () |]

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
            let product (x: Tensor) =
                x * Diff.diff (fun y -> x * y) (number 2.)

            same (number 2.) (Diff.diff product (number 1.)) "x · d/dy xy"

            let sum (x: Tensor) =
                x * Diff.diff (fun y -> x + y) (number 1.)

            same (number 1.) (Diff.diff sum (number 1.)) "x · d/dy (x + y)"

            // d/dx [x · d/dy (y · x²) at y = x] = 3x².
            let atItself (x: Tensor) = x * Diff.diff (fun y -> y * x * x) x
            same (number 12.) (Diff.diff atItself (number 2.)) "the inner derivative at the outer variable"

            // Jv and the gradient of a gradient, inside a gradient: d/dx |∇(x₀²x₁)|²/2.
            let energy (x: Tensor) =
                0.5 * (Diff.grad (fun y -> y[0L] * y[0L] * y[1L]) x).square().sum()

            // ∇ = (2ab, a²): energy = 2a²b² + a⁴/2.
            same (vector [ 4. * 2. * 9. + 16.; 4. * 4. * 3. ]) (Diff.grad energy (vector [ 2.; 3. ])) "energy"

            let forward (x: Tensor) =
                (Diff.jacobianv (fun y -> y * y * x) x x).sum()

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
    ]

    let sameInside name (enter: unit -> IDisposable) =
        example $"every derivative is the same inside {name}" (fun () ->
            let outside = all (vector [ 1.5; 2.5 ])

            let inside =
                use _ = enter ()

                all (vector [ 1.5; 2.5 ])
                |> List.map (fun (name, ts) -> name, ts |> List.map values)

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
            let f, x, v, w =
                smooth rng, gaussian rng [ 3 ], gaussian rng [ 3 ], gaussian rng [ 2 ]

            same (inner (Diff.jacobianv f x v) w) (inner v (Diff.jacobianTv f x w)) "adjoint")

        law "the products are those of the Jacobian itself" (fun rng ->
            let f, x, v, w =
                smooth rng, gaussian rng [ 3 ], gaussian rng [ 3 ], gaussian rng [ 2 ]

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

let tests = testList "Diff" [ valuesOfTheVocabulary; results; laws ]
