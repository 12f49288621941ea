using System.Runtime.InteropServices;
using System.Text.RegularExpressions;
using Attribution.Onnx;

namespace Attribution;

/// <summary>A TorchScript file's module as a network: preprocessing where it is asked for, and one step that is all the
/// module does.</summary>
internal sealed partial class TorchScript : IDisposable
{
    // A pass: what one image takes of memory inside the module is not known.
    private const int FewInstances = 16;

    private readonly string path;
    private readonly Preprocessing? preprocessing;
    private readonly PreprocessingSteps steps;
    private readonly jit.ScriptModule module;
    private bool isDifferentiable;
    private bool isForOne;

    /// <summary>Reads a file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="preprocessing">What is done to images before the module; null: nothing.</param>
    /// <param name="device">Where the module is to be.</param>
    /// <param name="precision">The numbers that it is to compute in; null: its own, or float32 where they are no
    /// <see cref="Precision"/>.</param>
    /// <exception cref="AttributionException">The file is missing, broken or of another kind, or does not go into the
    /// precision.</exception>
    public TorchScript(string path, Preprocessing? preprocessing, Device device, ScalarType? precision = null)
    {
        (this.path, this.preprocessing) = (path, preprocessing);
        steps = new PreprocessingSteps(preprocessing ?? Preprocessing.None, path);
        using var scope = NewDisposeScope();
        module = Read(path, device);
        try
        {
            var placed = Place(precision);
            module.eval();
            foreach (var weight in module.parameters())
                weight.requires_grad = false;
            List<Node> nodes = [Build.Node(preprocessing is null ? "input" : "image", Op.Input)];
            if (preprocessing is not null)
                nodes.Add(Build.Node("input", Build.Pure("Preprocessing", x => Preprocessed(x[0])), "image"));
            nodes.Add(Build.Node("logits", Build.Pure("TorchScript", x => Logits(x[0])), "input"));
            Core = Build.Model(null, nodes[0].Name, "logits", nodes).Sharing(device, placed).Batched(FewInstances);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public Core.Model Core { get; }

    /// <summary>Why there is nothing to cut.</summary>
    public AttributionException NoLayers =>
        new($"The layers inside the TorchScript file '{path}' cannot be cut: export the model to ONNX for that.");

    /// <summary>The file read again, to another place.</summary>
    public TorchScript To(Device device, ScalarType precision) => new(path, preprocessing, device, precision);

    /// <summary>Frees the module.</summary>
    public void Dispose() => module.Dispose();

    private static jit.ScriptModule Read(string path, Device device) =>
        FileErrors.Reading(
            $"'{path}'",
            () =>
            {
                TorchScriptArchive.RequireSound(path);
                try
                {
                    return jit.load(path, device);
                }
                catch (ExternalException e)
                {
                    throw OnnxFault.Of(
                        $"Cannot read '{path}': libtorch {__version__} cannot load it ({Reason(e)}); copy it again from its source, or save it with a version near that.",
                        e
                    );
                }
            }
        );

    // Gives the precision that the module is in.
    private ScalarType Place(ScalarType? asked)
    {
        var own = module.parameters().Concat(module.buffers()).FirstOrDefault(t => t.is_floating_point())?.dtype;
        var precision = asked ?? (own is ScalarType.Float64 or ScalarType.BFloat16 ? own.Value : ScalarType.Float32);
        if (own is null || own == precision)
            return precision;
        // libtorch makes floats of these too; a counter may be one.
        var table = module.named_buffers().FirstOrDefault(b => !b.buffer.is_floating_point() && b.buffer.numel() > 1);
        if (table is (var name, { } whole))
            throw Fault(
                $"cannot be converted from {own} to {precision}, since it looks things up by '{name}', which is {whole.dtype}: keep its precision, or convert it in PyTorch"
            );
        module.to(precision);
        return precision;
    }

    private Tensor Preprocessed(Tensor x)
    {
        foreach (var (_, op, constant) in steps.For(x.shape[1..]))
            x = Build.Apply(op, constant is null ? [x] : [x, constant.to(x.dtype, x.device)]);
        return x;
    }

    private Tensor Logits(Tensor x)
    {
        if (!isDifferentiable && is_grad_enabled() && x.requires_grad)
        {
            RequireGradient(x);
            isDifferentiable = true;
        }
        return Called(x);
    }

    // A module that was traced with one image may take no more of them at a time.
    private Tensor Called(Tensor x)
    {
        if (isForOne)
            return EachAlone(x);
        try
        {
            return Together(x);
        }
        catch (AttributionException) when (x.shape[0] > 1 && TakesOne(x))
        {
            isForOne = true;
            return EachAlone(x);
        }
    }

    private Tensor EachAlone(Tensor x) => cat([.. x.split(1).Select(Together)]);

    private bool TakesOne(Tensor x)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        try
        {
            return Together(x[..1]).shape[0] == 1;
        }
        catch (AttributionException)
        {
            return false;
        }
    }

    private Tensor Together(Tensor x)
    {
        object result;
        try
        {
            // The module may work in place, and x is someone else's.
            result = module.call(x.clone());
        }
        // TorchSharp has no form for such a result.
        catch (Exception e)
            when (e is IndexOutOfRangeException or ArgumentOutOfRangeException
                || e is NotImplementedException or NotSupportedException
            )
        {
            throw NoLogits("a result that is neither a tensor nor several, such as a dictionary", e);
        }
        catch (Exception e) when (!IsMemory(e))
        {
            throw Fault(
                $"does not take {Words.Count(x.shape[0], "image")} of the shape {string.Join("×", x.shape[1..])} in {x.dtype}: {Reason(e)} (what was traced with several images may take that many alone: trace it with one)",
                e
            );
        }
        if (result is not Tensor logits)
            throw NoLogits("several results");
        return logits.ndim > 1 && logits.shape[0] == x.shape[0] && logits.shape[1..].Count(size => size > 1) <= 1
            ? logits.flatten(1)
            : throw Fault(
                $"gives the shape [{string.Join(", ", logits.shape)}] for {x.shape[0]} images, which is not one score for each class of each image"
            );
    }

    // autograd.grad ends the process at a step that has no way back; backward, the first time, says so.
    private void RequireGradient(Tensor x)
    {
        using var scope = NewDisposeScope();
        var image = x.detach()[..1].clone().requires_grad_();
        try
        {
            Called(image).sum().backward();
        }
        catch (ExternalException e) when (!IsMemory(e))
        {
            throw Fault(
                $"has no gradient with respect to its images ({Reason(e)}): save it without no_grad, detach, quantization or optimize_for_inference",
                e
            );
        }
    }

    // Another size of batch may do.
    private static bool IsMemory(Exception e) => Reason(e).Contains("alloc", StringComparison.Ordinal);

    private AttributionException NoLogits(string what, Exception? cause = null) =>
        Fault(
            $"gives {what}, but a classifier gives logits alone: save a module that returns them and nothing else",
            cause
        );

    private AttributionException Fault(string what, Exception? cause = null) =>
        OnnxFault.Of($"The TorchScript file '{path}' {what}.", cause);

    // Of libtorch's message, after its account of the module's source.
    private static string Reason(Exception e)
    {
        var line = ErrorLine().Match(e.Message);
        return (line.Success ? line.Groups[1].Value : e.Message.Trim().Split('\n')[0]).Trim().TrimEnd('.');
    }

    [GeneratedRegex(@"^[\w.]*(?:Error|Exception): (.+)$", RegexOptions.Multiline)]
    private static partial Regex ErrorLine();
}
