namespace Attribution;

/// <summary>A convolution that oneDNN gets wrong on this machine.</summary>
/// <param name="Convolution">Its numbers, layout, kind, the shapes of its input and weight (out × in/groups × kernel), stride,
/// padding, dilation and groups.</param>
/// <param name="Fault">By how much it is wrong, or that it ends the process.</param>
/// <param name="Instead">What computes it instead.</param>
public sealed record KernelFault(string Convolution, string Fault, string Instead);

/// <summary>What an examination of the machine found.</summary>
/// <param name="Facts">The processor, libtorch, memory and so on by name, and how fast its kernels are.</param>
/// <param name="Faults">The convolutions that oneDNN gets wrong.</param>
/// <param name="Verdict">What it all comes to, in a sentence.</param>
/// <param name="IsSound">Nothing is wrong.</param>
public sealed record Examination(
    IReadOnlyList<(string Name, string Value)> Facts,
    IReadOnlyList<KernelFault> Faults,
    string Verdict,
    bool IsSound
);

/// <summary>Examines the machine: its hardware and libraries, whether its kernels compute convolutions rightly in float32 and
/// bfloat16, and how fast they are.</summary>
public static class Doctor
{
    /// <summary>The examination; a few seconds, and up to a minute the first time on a machine.</summary>
    public static Examination Examine()
    {
        var found = Core.Doctor.examine();
        return new(
            [.. found.Facts.Select(fact => (fact.Item1, fact.Item2))],
            [.. found.Faults.Select(fault => new KernelFault(fault.Item1, fault.Item2, fault.Item3))],
            found.Verdict,
            found.IsSound
        );
    }
}
