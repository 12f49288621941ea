namespace Attribution.Runner

open System
open System.Globalization
open Attribution

/// Methods and quantities as the options ask for them.
[<RequireQualifiedAccess>]
module Methods =
    let expertOptions = [
        Group.of'<CutOption>
        Group.of'<QuestionOption>
        Group.of'<PointOption>
        Group.of'<SeedOption>
    ]

    let options =
        expertOptions @ [ Group.of'<MethodOption>; Group.of'<IterationOption>; Group.of'<BatchOption> ]

    /// What every --quantity stands for; "classes" and "margins" for several each, of the true classes.
    let private quantities (given: Given) several =
        match given.All QuestionOption.Quantity with
        | [] -> [ "predicted" ]
        | texts -> List.distinct texts
        |> List.collect (fun text ->
            match text with
            | "classes"
            | "margins" -> several text
            | text -> [ Spelled.Quantity(text, Arguments.units given) ])

    /// The last --quantity.
    let quantity (given: Given) =
        quantities given (fun _ ->
            Arguments.wrong "Several quantities at once are for 'experts' alone: give --quantity one of them.")
        |> List.last

    /// Every --quantity, among images of true classes.
    let everyQuantity given (images: ImageSet) =
        let classes = lazy (images.TrueClasses |> Seq.distinct |> Seq.sort |> List.ofSeq)
        let spelled (text: string) = Spelled.Quantity(text)

        quantities given (fun text ->
            let classes = classes.Value

            if text = "classes" then
                [ for k in classes -> spelled $"class:{k}" ]
            else
                [
                    for a, b in List.allPairs classes classes do
                        if a <> b then
                            spelled $"margin:{a},{b}"
                ])

    /// Every --distribution.
    let distributions (given: Given) =
        match given.All Distribution with
        | [] -> [ "all" ]
        | texts ->
            for text in texts do
                Spelled.Distribution text |> ignore

            List.distinct texts

    let ask (inputs: Inputs) (images: ImageSet) (quantity: SpelledQuantity) distribution =
        quantity.Ask(distribution, inputs.Model, images, Inputs.classOf inputs)

    let quantityOf (inputs: Inputs) (quantity: SpelledQuantity) =
        quantity.For(inputs.Model, inputs.Selected, Inputs.classOf inputs)

    let private rule (given: Given) = Spelled.Rule(defaultArg (given.Get Rule) "right")

    /// The steps of a path, or the gap that as few as an image needs may leave.
    let private steps (given: Given) : Result<int, float> =
        match defaultArg (given.Get Steps) "50", given.Get Tolerance with
        | "auto", tolerance ->
            match given.Get Rule with
            | None
            | Some "gauss-legendre" -> ()
            | Some other -> Arguments.wrong $"--steps auto is for the rule gauss-legendre, and not for '{other}'."

            match defaultArg tolerance 0.01 with
            | share when share > 0. && share < 1. -> Error share
            | share -> Arguments.wrong $"--tolerance is a share between 0 and 1, and not {share}."
        | _, Some _ -> Arguments.wrong "--tolerance is for --steps auto."
        | text, None ->
            match Int32.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture) with
            | true, n when n >= 1 -> Ok n
            | true, n -> Arguments.wrong $"--steps must be at least 1, but is {n}."
            | _ -> Arguments.wrong $"--steps takes a number or auto, and not '{text}'."

    let private baseline (given: Given) = Spelled.Baseline(defaultArg (given.Get PointOption.Baseline) "black")

    let private samples (given: Given) = Arguments.atLeast 1 "--samples" (given.Get PointOption.Samples)

    let iterations (given: Given) = Arguments.atLeast 1 "--iterations" (given.Get Iterations)

    let around (given: Given) =
        Spelled.Neighbourhood(
            defaultArg (given.Get Around) "itself",
            baseline given,
            (match steps given with
             | Ok n -> Nullable n
             | Error _ -> Nullable()),
            rule given,
            defaultArg (samples given) 50,
            int64 (Arguments.seed given)
        )

    /// What the options say of the methods.
    let settings (given: Given) (inputs: Inputs) =
        let noise = defaultArg (given.Get Noise) (MethodSettings().Noise)

        if not (Double.IsFinite noise && noise >= 0.) then
            Arguments.wrong $"--noise is a share of an image's range, 0 or more, and not {noise}."

        let window, stride =
            Arguments.atLeast 1 "--window" (given.Get Window), Arguments.atLeast 1 "--stride" (given.Get Stride)

        match window, stride with
        | Some window, Some stride when stride > window ->
            Arguments.wrong
                $"--stride must be at most --window, so that windows cover every pixel, but {stride} is more than {window}."
        | _ -> ()

        let area = defaultArg (given.Get Area) (MethodSettings().Area)

        if not (area > 0. && area < 1.) then
            Arguments.wrong $"--area is a share of the image, between 0 and 1, and not {area}."

        let layers = given.All Map_Layer |> List.distinct

        let background =
            match Inputs.background given inputs with
            | Some images -> images
            | None -> inputs.All

        MethodSettings(
            Quantity = quantityOf inputs (quantity given),
            Baseline = baseline given,
            Noise = noise,
            WindowSize = Option.toNullable window,
            Stride = Option.toNullable stride,
            Layer = Option.toObj (List.tryHead layers),
            FusedLayers = (if layers.IsEmpty then [||] else Array.ofList layers.Tail),
            // Which images are explained is no reason to compare them with fewer.
            Background = Nullable(Instances.op_Implicit background),
            Features = Spelled.Features(defaultArg (given.Get MethodOption.Features) "usual", inputs.Selected),
            Smooth = Option.toNullable (Arguments.atLeast 1 "--smooth" (given.Get Smooth)),
            Augment = given.Has Augment,
            MaxPool = Spelled.MaxPool(defaultArg (given.Get Max_Pool) "rescale"),
            Steps =
                (match steps given with
                 | Ok n -> n
                 | Error _ -> MethodSettings().Steps),
            Rule = rule given,
            MultiplyWithInput = not (given.Has No_Multiply),
            Samples = Option.toNullable (samples given),
            Iterations = defaultArg (iterations given) (MethodSettings().Iterations),
            Area = area,
            Seed = int64 (Arguments.seed given)
        )

    /// How a method of the registry explains a quantity of a model.
    let explaining (settings: MethodSettings) (name: string) =
        Func<Model, Quantity, Explainer>(fun model quantity ->
            AttributionMethod.Find(name).Create(model, settings.For(quantity, settings.Baseline)))

    /// The methods of these names, with what another process found of their experts where it did.
    let told (given: Given) (inputs: Inputs) (prepared: string option) names : StudyMethod list =
        let settings = settings given inputs

        let tolerance =
            match steps given with
            | Ok _ -> Nullable()
            | Error share -> Nullable share

        names
        |> List.map (fun name ->
            if name = StudyMethod.InfluenceDirected && prepared.IsSome then
                StudyMethod.OfPrepared(prepared.Value, inputs.Model, settings.MultiplyWithInput)
            elif name = StudyMethod.InfluenceDirected then
                let question = ask inputs inputs.All (quantity given) (List.last (distributions given))

                StudyMethod(
                    ExpertSearch(
                        inputs.All,
                        question,
                        Layer = (Arguments.layers given |> List.tryLast |> Option.toObj),
                        Units = Arguments.units given,
                        Around = around given,
                        TimesActivation = given.Has Times_Activation
                    ),
                    settings.MultiplyWithInput
                )
            else
                StudyMethod(AttributionMethod.Find name, settings, tolerance))

    /// The layers that --layer names, or the one to cut at where it names none.
    let layers (given: Given) (inputs: Inputs) =
        match Arguments.layers given with
        | [] ->
            let layer = Cuts.Default inputs.Model
            Terminal.say $"Cut at layer '{layer}'; --layer names another."
            [ layer ]
        | layers -> layers

    /// The methods of these names. An expert is found over all images: the selection only says which ones are explained.
    let create given inputs names = told given inputs None names
