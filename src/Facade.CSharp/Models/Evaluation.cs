using System.Runtime.CompilerServices;

namespace Attribution;

/// <summary>Runs a module of the caller's in evaluation mode, by as many threads as there may be, and leaves it in the mode
/// that each of its parts was in.</summary>
internal sealed class Evaluation
{
    private static readonly ConditionalWeakTable<nn.Module, Evaluation> OfModules = [];

    // The module and what is inside it, from the outermost, and whether each was in training mode before anyone ran it.
    private (nn.Module Part, bool Training)[] modes = [];
    private int runs;

    /// <summary>The module's value; outside a derivative nothing is recorded for its parameters where no gradient with respect
    /// to x is asked.</summary>
    public static Tensor Run(nn.Module<Tensor, Tensor> module, Tensor x)
    {
        var evaluation = OfModules.GetOrCreateValue(module);
        evaluation.Enter(module);
        try
        {
            using var _ = set_grad_enabled(is_grad_enabled() && (x.requires_grad || Recording.IsOn));
            // A module may work in place, and x is someone else's.
            return module.call(x.clone());
        }
        finally
        {
            evaluation.Leave();
        }
    }

    private void Enter(nn.Module module)
    {
        lock (this)
        {
            if (runs++ > 0)
                return;
            modes = [.. module.modules().Prepend(module).Select(part => (part, part.training))];
            if (modes.Any(mode => mode.Training))
                module.eval();
        }
    }

    private void Leave()
    {
        lock (this)
        {
            if (--runs > 0)
                return;
            // Setting a part's mode sets that of what is inside it, which comes later.
            foreach (var (part, training) in modes)
                if (part.training != training)
                    part.train(training);
        }
    }
}
