namespace Attribution;

internal static class OnnxReader
{
    public static LoadedModel Read(string p, Preprocessing? q) => throw new System.NotSupportedException();
}
