namespace Attribution.Core

open System
open System.Collections.Generic
open Attribution
open TorchSharp

/// Checks the steps of a plan, one by one, against the same steps in float64, on the same numbers: so it is kernels that are
/// compared, and not on which side of a ReLU's kink rounding fell.
[<RequireQualifiedAccess>]
module internal Verification =
    let private wide (t: Tensor) = if t.is_floating_point () then t.``to`` torch.float64 else t

    /// The largest difference, where both are finite, as a share of the largest right number.
    let private difference (found: Tensor) (right: Tensor) =
        let found, right = wide found, wide right
        let both = found.isfinite().logical_and(right.isfinite ())
        let zeros = torch.zeros_like right

        let largest (t: Tensor) = Tensor.toFloat (torch.where(both, t, zeros).abs().max())

        let error, scale = largest (found - right), largest right
        if error = 0. then 0. else error / scale

    // What rounding explains of one step, and the relative error of one number.
    let private tolerance (precision: torch.ScalarType) =
        if precision = torch.float32 then 1e-3, 2. ** -24. else 0.1, 2. ** -9.

    // Where a step's result hangs on its inputs' last digits, it may differ by what a change of these makes, times this.
    [<Literal>]
    let private Slack = 1000.

    /// <summary>Runs the steps from the first two of the given values, with the way back too where that will be asked for.</summary>
    /// <exception cref="T:Attribution.AttributionException">A step's result is not what float64 gives.</exception>
    let check (precision: torch.ScalarType) (isGradient: bool) (plan: Plan) (given: Tensor list) =
        use _ = torch.NewDisposeScope()
        use _ = torch.no_grad ()
        use generator = new torch.Generator(1UL, torch.CPU)
        let tolerance, rounding = tolerance precision

        let noise (t: Tensor) = torch.randn(t.shape, torch.float64, generator = generator).``to``(t.dtype, t.device)

        let rows = given |> List.map _.shape |> List.map Array.tryHead |> List.distinct

        // What is not a row an instance is taken as it is.
        let few (t: Tensor) =
            if rows.Length = 1 && rows.Head.IsSome then
                t.detach().narrow(0L, 0L, min 2L t.shape[0])
            else
                t.detach ()

        let values = Dictionary<string, Tensor>()
        List.iter2 (fun name value -> values[name] <- few value) plan.Given given

        for step in plan.Steps do
            let value =
                Scope.run (fun () ->
                    let op = if Rewrite.overwrites step.Node.Op then Op.Activation Relu else step.Node.Op

                    let inputs = step.Node.Inputs |> List.map (fun name -> values[name])

                    let run op = Autograd.alone (Semantics.plain op) inputs

                    let value, pull = run op

                    let exact (inputs: Tensor list) =
                        match Op.mapTensors wide op with
                        // Faster in float64 than libtorch's own path, where there are groups.
                        | Op.Convolution c -> Convolution.apply Kernel.Products false c inputs.Head
                        | wideOp -> Semantics.plain wideOp inputs

                    let right = Autograd.alone exact

                    let compare what (found: Tensor) (result: Tensor) (moved: unit -> Tensor) =
                        let error = difference found result

                        if error > tolerance && error > Slack * difference (moved ()) result then
                            let percent = (100. * error).ToString("g3", Globalization.CultureInfo.InvariantCulture)

                            fail
                                $"Layer '{step.Node.Name}' ({Op.describe op}) computes {what} wrongly on this machine in {precision}, by {percent} %% of the largest number, so that no result can be trusted: compute in float64 (--precision float64), and see what 'attribution doctor' tells of this machine."

                    let wides = List.map wide inputs

                    let moved () =
                        wides
                        |> List.map (fun x ->
                            if x.is_floating_point () then x * Tensor.shift 1. (noise x * Number.Of rounding) else x)

                    // A function that holds numbers of its own may not take float64: then there is nothing to compare.
                    match
                        try
                            Some(right wides)
                        with
                        | :? ArgumentException
                        | :? InvalidOperationException
                        | :? Runtime.InteropServices.ExternalException -> None
                    with
                    | Some(wideValue, widePull) when value.is_floating_point () ->
                        compare "its values" value wideValue (fun () -> fst (right (moved ())))

                        if isGradient then
                            let w = noise value
                            let found, right' = pull w, widePull (wide w)
                            let moved = lazy (snd (right (moved ())) (wide w))

                            found
                            |> List.iteri (fun i part ->
                                if inputs[i].is_floating_point() then
                                    compare "the gradient of its inputs" part right'[i] (fun () -> moved.Value[i]))
                    | _ -> ()

                    value)

            values[step.Node.Name] <- value

            for name in step.Done do
                values[name].Dispose()
                values.Remove name |> ignore
