module Program

open TorchSharp

[<EntryPoint>]
let main _ =
    Attribution.Core.Runtime.start ()
    let x = torch.ones ([| 2L; 3L |])
    printfn "%s" (x.sum().ToString(TensorStringStyle.Julia))
    0
