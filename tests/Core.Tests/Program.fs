module Program

open System
open Expecto

[<EntryPoint>]
let main arguments =
    Attribution.Core.Runtime.start ()

    let result =
        testList "Core" [
            GeneratorsTests.tests
            RuntimeTests.tests
            KernelsTests.tests
            NumberTests.tests
            TensorTests.tests
            DiffTests.tests
            GraphTests.tests
            RewriteTests.tests
            ModelTests.tests
            VerificationTests.tests
            BuildTests.tests
            QuantityTests.tests
            BaselineTests.tests
            SaliencyTests.tests
            QuadratureTests.tests
            IntegratedGradientsTests.tests
            InfluenceTests.tests
            NeighbourhoodTests.tests
            UnitsTests.tests
            PropagationTests.tests
            GuidedBackpropagationTests.tests
            DeconvolutionTests.tests
            DeepLiftTests.tests
            LrpTests.tests
            CanonicalTests.tests
            SmoothGradTests.tests
            ExpectedGradientsTests.tests
            OcclusionTests.tests
            RiseTests.tests
            GradCamTests.tests
            MapStateTests.tests
            RankingTests.tests
            AverageDropTests.tests
            NecessityOrderingTests.tests
            PixelCurvesTests.tests
            SufficiencyOrderingTests.tests
            ProportionalityTests.tests
            InsertionDeletionTests.tests
            SweepTests.tests
            RelaxTests.tests
            ParametersTests.tests
            SecondOrderTests.tests
            PixelFlippingTests.tests
            AverageIncreaseTests.tests
            AverageGainTests.tests
            WinRateTests.tests
            LocalisationTests.tests
            FocusTests.tests
            SparsenessTests.tests
            PriorTests.tests
            OptimiseTests.tests
            PerturbationMasksTests.tests
            ActivationMaximisationTests.tests
            ExamplesTests.tests
            AttackTests.tests
            SecondOrderMapsTests.tests
            TrainingInfluenceTests.tests
            TcavTests.tests
            NmfTests.tests
            CraftTests.tests
            MetricOptimalTests.tests
            ComplexityTests.tests
            EffectiveComplexityTests.tests
            InfidelityTests.tests
            AttentionTests.tests
            PositionsTests.tests
            RegionsTests.tests
            MaxSensitivityTests.tests
            AverageSensitivityTests.tests
            LocalLipschitzTests.tests
            ContinuityTests.tests
            RelativeStabilityTests.tests
            InputInvarianceTests.tests
            SensitivityNTests.tests
            PixelGroupsTests.tests
            FaithfulnessCorrelationTests.tests
            FaithfulnessEstimateTests.tests
            MonotonicityTests.tests
            MonotonicityCorrelationTests.tests
            NonSensitivityTests.tests
            RegionPerturbationTests.tests
            RoadTests.tests
            IrofTests.tests
            CompletenessGapTests.tests
            ParameterRandomisationTests.tests
            SmoothParameterRandomisationTests.tests
            EfficientParameterRandomisationTests.tests
            SufficiencyTests.tests
            ConsistencyTests.tests
            RandomLogitTests.tests
            ClassEssenceTests.tests
            StatisticsTests.tests
            PictureTests.tests
            SuperpixelsTests.tests
            CoalitionsTests.tests
            PathsTests.tests
            CamsTests.tests
            DerivativesTests.tests
        ]
        // TorchSharp lets go of a number before the native call that reads it has returned: a collection that another
        // thread's allocations start just then frees it.
        |> testSequenced
        |> runTestsWithCLIArgs [] arguments

    // The finaliser of a tensor left in an ended scope ends the process: it must not be one of ours.
    GC.Collect()
    GC.WaitForPendingFinalizers()
    result
