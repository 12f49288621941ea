[<RequireQualifiedAccess>]
module Attribution.Runner.ClusterList

open System.Collections.Generic
open Attribution

let private run (given: Given) =
    use cluster = Clusters.connect given

    match given.Get Forget with
    | Some name ->
        cluster.Forget(name, given.Stop)
        Terminal.say $"Forgot '{name}'."
    | None ->
        let studies, workers = cluster.Studies given.Stop, cluster.Workers given.Stop

        Terminal.table (
            TextTable.Of(
                $"Studies on {cluster.Address}",
                1,
                [| "study"; "units"; "done" |],
                [|
                    for study in studies -> [| study.Name; string study.Units; string study.Done |] :> IReadOnlyList<_>
                |],
                [||]
            )
        )

        Terminal.table (
            TextTable.Of(
                Words.Count(workers.Count, "worker"),
                4,
                [| "worker"; "study"; "at"; "machine"; "units" |],
                [|
                    for worker in workers ->
                        [|
                            $"{worker.Host} ({worker.Process})"
                            (if isNull worker.Study then "-" else worker.Study)
                            (if isNull worker.Unit then "-" else worker.Unit)
                            worker.Arithmetic
                            string worker.Done
                        |]
                        :> IReadOnlyList<_>
                |],
                [||]
            )
        )

let command = {
    Name = "cluster"
    Summary = "Lists the studies and the workers of a cluster, or forgets a study."
    Syntax = "--cluster ADDRESS [--forget NAME]"
    Options = Clusters.options @ [ Group.of'<ForgetOption> ]
    Run = run
}
