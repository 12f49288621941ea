namespace Attribution.Core

open System

/// Win %: on which share of the instances each of several methods has the best score.
[<RequireQualifiedAccess>]
module WinRate =
    /// <summary>The percentage of instances on which each method's score (methods × instances) is the smallest; those that share
    /// the smallest share the instance. NaN never wins, and an instance of which nobody has a number does not count; NaN
    /// where none counts.</summary>
    /// <exception cref="T:System.ArgumentException">The methods have scores of different numbers of instances.</exception>
    let percent (scores: float[][]) : float[] =
        let wins (instance: float[]) =
            match instance |> Array.filter (Double.IsNaN >> not) with
            | [||] -> None
            | known ->
                let isBest = instance |> Array.map ((=) (Array.min known))
                let winners = isBest |> Array.filter id |> Array.length
                Some(isBest |> Array.map (fun best -> if best then 100. / float winners else 0.))

        let won = scores |> Array.transpose |> Array.choose wins

        if Array.isEmpty won then
            Array.create scores.Length nan
        else
            won |> Array.transpose |> Array.map Array.average
