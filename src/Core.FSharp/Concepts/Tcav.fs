namespace Attribution.Core

open System
open Attribution
open TorchSharp

/// Linear classifiers of two sets of images, of some pairs of sets of as many images.
[<NoComparison; NoEquality>]
type Cavs = {
    /// The weights α of the images of both sets in each classifier's normal, v = Σ αᵢ h(xᵢ), which is of length 1; they sum to 0:
    /// pairs×images.
    Weights: Tensor
    /// The share of the images of each pair on the right side of the classifier of all others.
    Accuracies: float[]
}

/// What testing with concept activation vectors gives of one set of images.
type ConceptScores = {
    /// The share of the explained images whose score grows along the normal, for each random set.
    Scores: float[]
    /// By how much it does, in the mean over the images: ∇q·v.
    Slopes: float[]
    /// How much of its images, and of the random ones, the classifiers of the others tell apart, for each random set.
    Accuracies: float[]
}

/// <summary>Testing with concept activation vectors: whether a score grows along the direction in which a layer tells the images of a
/// concept from others.</summary>
/// <remarks>Kim, Wattenberg, Gilmer, Cai, Wexler, Viegas and Sayres, arXiv 1711.11279. All is computed of products of the images' values at
/// the layer, and of these with the gradients: a layer may have any number of values.</remarks>
[<RequireQualifiedAccess>]
module Tcav =
    /// The fewest images of a concept that a classifier is fitted to.
    [<Literal>]
    let Fewest = 10

    // What is multiplied at a time, of each image.
    [<Literal>]
    let private Numbers = 65536L

    /// a bᵀ in 64-bit floats, however long the rows of a (n×d) and of b (m×d) are.
    let products (a: Tensor) (b: Tensor) : Tensor =
        let part start =
            let of' (t: Tensor) = (t.narrow (1L, start, min Numbers (t.shape[1] - start))).``to`` torch.float64

            Scope.run (fun () -> (of' a).matmul((of' b).t()))

        Scope.run (fun () -> [ 0L .. Numbers .. a.shape[1] - 1L ] |> List.map part |> List.reduce Tensor.add)

    let private flat (count: int64) (values: Tensor) = (Tensor.readable values).reshape(count, -1L)

    /// <summary>The values of a layer, h(x), of each image in one row: n×d.</summary>
    /// <exception cref="T:Attribution.AttributionException">The layer has several rows an image.</exception>
    let values (layer: string) (model: Model) (instances: Instances) : Tensor =
        let read (batch: Batch) =
            let z = Model.value layer model batch.X
            Model.reading Units.Each layer model z.shape |> ignore
            flat batch.X.shape[0] z

        Model.instances model instances |> Instances.map (Model.batchSize Forward model instances) read

    /// <summary>The directional derivatives ∇q(g(z))·h(xᵢ) at z = h(x) of each explained image x, along the values of other images
    /// (m×d): n×m. What flows past the layer is held fixed.</summary>
    /// <exception cref="T:Attribution.AttributionException">The layer does not lead to the quantity's, or an output is not
    /// finite.</exception>
    let slopes (quantity: Quantity) (layer: string) (values: Tensor) (model: Model) (instances: Instances) : Tensor =
        let model = Source.model quantity.Source model

        if not (Graph.leads layer model.Graph) then
            fail $"Layer '{layer}' has no influence on layer '{model.Graph.Output}': it does not lead there."

        let cuts = Model.slices [ layer ] model

        let g past first =
            let outputs, rest = cuts.G past first
            Source.read quantity.Source model outputs, rest

        let along (batch: Batch) =
            let first, past = Scope.quietly (fun () -> cuts.H batch.X)
            let outputs, _, pull = Diff.evalReverseDiffAlong (g past) first
            Target.requireFinite batch.Rows outputs
            let explained = { Rows = batch.Rows; Outputs = lazy outputs }
            let gradient = pull (Diff.gradEach (quantity.Of explained) outputs) |> List.head
            products (flat batch.X.shape[0] gradient) values

        Model.instances model instances |> Instances.map (Model.batchSize Gradient model instances) along

    /// The images of some pairs of sets of as many (pairs×images), from a matrix of products: pairs×images×images.
    let private kernels (products: Tensor) (pairs: Tensor) =
        let count, images = pairs.shape[0], pairs.shape[1]
        let rows = (products.index_select (0L, pairs.flatten ())).reshape(count, images, -1L)
        rows.gather (2L, (pairs.unsqueeze 1L).expand(count, images, images))

    /// <summary>Ridge classifiers: v = Σ αᵢ h(xᵢ) in the direction of the least Σ (yᵢ - v·h(xᵢ) - c)² + λ‖v‖² for y = 1 in the first half of the images of a pair and
    /// -1 in the second, λ being `ridge` times the mean square of the images' distances from their mean. With K the images' products,
    /// without their mean, α = (K + λ)⁻¹y; the classifier of all images but xᵢ gives for it yᵢ - λαᵢ / (λ(K + λ)⁻¹ᵢᵢ - 1/n).</summary>
    /// <exception cref="T:Attribution.AttributionException">The layer has the same values for all images of a pair.</exception>
    let classifiers (ridge: float) (products: Tensor) (pairs: Tensor) : Cavs =
        let n = pairs.shape[1]
        let keep = Scope.keepHere ()
        use _ = torch.NewDisposeScope()
        let one = torch.eye (n, dtype = torch.float64)
        let centre = one - Number.Of(1. / float n)
        let k = centre.matmul(kernels products pairs).matmul centre
        let variance = (k.diagonal (0L, 1L, 2L)).mean([| 1L |], true)

        if not (Tensor.isAll (Tensor.isPositive variance)) then
            fail "The layer has the same values for all of these images: name another layer."

        let lambda = variance * Number.Of ridge
        let inverse = torch.linalg.inv (Tensor.add k (lambda.unsqueeze 2L * one))
        let half = torch.ones (n / 2L, dtype = torch.float64)
        let labels = torch.cat [| half; -half |]
        let weights = inverse.matmul labels
        let length = (weights * (k.matmul (weights.unsqueeze 2L)).squeeze 2L).sum([| 1L |], true).sqrt()
        let left = lambda * inverse.diagonal (0L, 1L, 2L) |> Tensor.shift (-1. / float n)
        let without = labels - lambda * weights / left
        let isRight = Tensor.isPositive (without * labels)

        {
            Weights = keep (weights / length)
            Accuracies = Tensor.toArray<float>(isRight.``to``(torch.float64).mean [| 1L |])
        }

    /// What each pair says of the explained images; `slopes` has the derivatives along each image's values (n×m).
    let private scored ridge (products: Tensor) (slopes: Tensor) (pairs: int64[][]) : ConceptScores =
        use _ = torch.NewDisposeScope()
        let pairs = torch.tensor (array2D pairs)
        let found = classifiers ridge products pairs
        let each = (slopes.index_select (1L, pairs.flatten ())).reshape(slopes.shape[0], pairs.shape[0], -1L)
        let along = (each * found.Weights).sum 2L
        let mean (t: Tensor) = Tensor.toArray<float>(t.``to``(torch.float64).mean [| 0L |])

        { Scores = mean (Tensor.isPositive along); Slopes = mean along; Accuracies = found.Accuracies }

    /// Some of these, drawn without replacement.
    let private draw (random: Random) count (from: int64[]) =
        let shuffled = Array.copy from
        random.Shuffle shuffled
        Array.splitAt count shuffled

    /// How many images of a concept, and of others, a classifier is fitted to: two sets of the others have no image in common.
    let size (concept: int) (others: int) : int = min concept (others / 2)

    /// <summary>The scores of a concept against random sets of the others, one each; of each set as many images are drawn as `size`
    /// says.</summary>
    /// <param name="ridge">See `classifiers`.</param>
    /// <param name="runs">How many random sets.</param>
    /// <param name="random">Draws them.</param>
    /// <param name="size">How many images a set has.</param>
    /// <param name="products">The products of the images' values (m×m).</param>
    /// <param name="slopes">What `slopes` gives along them (n×m).</param>
    /// <param name="concept">Which of the m images are of the concept.</param>
    /// <param name="others">Which are others.</param>
    let ofConcept
        ridge
        runs
        (random: Random)
        size
        products
        slopes
        (concept: int64[])
        (others: int64[])
        : ConceptScores =
        [|
            for _ in 1..runs -> Array.append (fst (draw random size concept)) (fst (draw random size others))
        |]
        |> scored ridge products slopes

    /// <summary>The same of random sets in the place of the concept, each against random sets of the other images that it does not have
    /// itself.</summary>
    let ofRandom ridge runs (random: Random) size products slopes (others: int64[]) : ConceptScores[] = [|
        for _ in 1..runs ->
            let concept, rest = draw random size others
            ofConcept ridge runs random size products slopes concept rest
    |]

    /// <summary>The concept activation vector: of length 1, and the layer's shape, from the others to the concept; of all images.</summary>
    /// <param name="ridge">See `classifiers`.</param>
    /// <param name="concept">The layer's values of as many images (n×d) of the concept,</param>
    /// <param name="others">and of others (n×d).</param>
    let vector ridge (concept: Tensor) (others: Tensor) : Tensor =
        Scope.run (fun () ->
            let all = torch.cat [| concept; others |]
            let pairs = (Number.Range(0L, all.shape[0], torch.CPU)).unsqueeze 0L
            let found = classifiers ridge (products all all) pairs
            (found.Weights.``to`` all.dtype).matmul(all).squeeze 0L)
