namespace Attribution.Core

open System.Collections.Generic
open TorchSharp

/// Which coalitions of M features a method asks about, and what it makes of their values: φ = W v.
[<NoComparison; NoEquality>]
type CoalitionPlan = {
    /// Which features each of K coalitions shows: K×M, booleans.
    Shown: Tensor
    /// W: M×K, float64.
    Weights: Tensor
}

/// <summary>Methods that play a game: the value of a coalition of features is the target where these are shown and the others
/// hidden, v(S) = t(x with the features outside S at the baseline), and a feature's attribution is linear in the values.</summary>
[<RequireQualifiedAccess>]
module Coalitions =
    /// The most features: matrices grow with their square.
    [<Literal>]
    let Most = 2000L

    /// A plan of coalitions as arrays.
    let plan (shown: bool[][]) (weights: Tensor) : CoalitionPlan = {
        Shown = torch.tensor (array2D shown)
        Weights = weights
    }

    /// Coalitions, each by numbers of 0 and 1: K×M, float64.
    let numbers (shown: bool[][]) : Tensor =
        torch.tensor (array2D (shown |> Array.map (Array.map (fun b -> if b then 1. else 0.))))

    /// All M features, and none.
    let whole, empty = (fun count -> Array.create count true), (fun count -> Array.create count false)

    /// The numbers from 0 to count - 1 in a random order.
    let shuffled (random: System.Random) (count: int) : int[] =
        let order = [| 0 .. count - 1 |]
        random.Shuffle order
        order

    /// φ of a set function on coalitions (K booleans → its value): M.
    let solve (plan: CoalitionPlan) (value: bool[] -> float) : float[] =
        use _ = torch.NewDisposeScope()
        let shown = Tensor.toArray<bool> plan.Shown |> Array.chunkBySize (int plan.Shown.shape[1])
        Tensor.toArray<float>(plan.Weights.matmul (torch.tensor (Array.map value shown)))

    /// <summary>Each number's is that of its feature, φ = W v: n×h×w, or n×c×h×w where features tell channels apart.</summary>
    /// <param name="plan">What is asked about so many features.</param>
    let attribute
        (plan: int -> CoalitionPlan)
        (features: Features)
        (baseline: Baseline)
        (target: Target)
        (batch: Batch)
        : Tensor =
        Scope.runQuietly (fun () ->
            let x = batch.X
            let labels = features.Of batch
            let flat = labels.flatten 1L
            let sizes = Features.sizes labels |> Array.map int
            let most = Array.max sizes

            if int64 most > Most then
                fail
                    $"There are {most} features, and a game of more than {Most} is not to be solved: give fewer, such as --features superpixels:50 (Features.Superpixels(50))."

            let plans = Dictionary<int, CoalitionPlan * int64>()
            let tables = ResizeArray<Tensor>()

            for size in sizes do
                if not (plans.ContainsKey size) then
                    let plan = plan size
                    plans[size] <- (plan, tables |> Seq.sumBy (fun table -> table.shape[0]))
                    let missing = torch.zeros (plan.Shown.shape[0], int64 (most - size), torch.bool)
                    tables.Add(torch.cat ([| plan.Shown; missing |], 1L))

            let table = torch.cat(tables.ToArray()).``to`` x.device
            let plans = sizes |> Array.map (fun size -> plans[size])
            let first = torch.tensor (Array.map snd plans, device = x.device)
            let start = baseline.Of batch

            let points i k =
                let shown = Sweep.pick (Tensor.add (Sweep.pick i first) k) table
                let mask = shown.gather(1L, Sweep.pick i flat).reshape(Array.append [| -1L |] labels.shape[1..])
                torch.where (mask, Sweep.pick i x, Sweep.pick i start)

            let counts = plans |> Array.map (fun (plan, _) -> plan.Shown.shape[0])
            let values = Sweep.scoresAround (Sweep.explained target batch) counts points target batch

            let ofInstance i =
                let found = (fst plans[i]).Weights.matmul(values[int64 i].narrow(0L, 0L, counts[i]))
                torch.cat [| found; torch.zeros (int64 (most - sizes[i]), torch.float64) |]

            torch.stack [| for i in 0 .. sizes.Length - 1 -> ofInstance i |] |> Features.spread labels x)
