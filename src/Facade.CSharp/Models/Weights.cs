namespace Attribution;

/// <summary>The parameters of a model, and the same model connected to them.</summary>
internal sealed class Weights
{
    private readonly Lazy<IReadOnlyDictionary<string, Tensor>> parameters;
    private readonly bool areOurs;

    private Weights(
        Func<IReadOnlyDictionary<string, Tensor>> parameters,
        Func<Core.Model, Core.Model> connect,
        bool areOurs
    ) => (this.parameters, Connect, this.areOurs) = (new(parameters), connect, areOurs);

    /// <summary>By their names.</summary>
    public IReadOnlyDictionary<string, Tensor> Parameters => parameters.Value;

    /// <summary>Whether someone was given handles of ours, through which the weights can change.</summary>
    public bool AreGiven => areOurs && parameters.IsValueCreated;

    /// <summary>A model of these weights, connected to the parameters.</summary>
    public Func<Core.Model, Core.Model> Connect { get; }

    /// <summary>None that can be named: the model is connected already, or cannot be.</summary>
    public static Weights None { get; } = new(() => new Dictionary<string, Tensor>(), core => core, false);

    /// <summary>Those of a network that is seen into, under handles of ours.</summary>
    public static Weights Of(Core.Model core)
    {
        var handles = new Lazy<IReadOnlyDictionary<string, Tensor>>(() => Interop.Parameters(core));
        return new(() => handles.Value, other => other.On(handles.Value), true);
    }

    /// <summary>A module's own.</summary>
    public static Weights Of(nn.Module<Tensor, Tensor> module) =>
        new(
            () => module.named_parameters().ToDictionary(p => p.name, Tensor (p) => p.parameter),
            core => core.On(TorchModule.Read(module, isConnected: true).Graph),
            false
        );

    /// <summary>Frees the handles.</summary>
    public void Dispose()
    {
        if (AreGiven)
            foreach (var parameter in Parameters.Values)
                parameter.Dispose();
    }
}
