namespace Attribution;

internal static class Vgg16
{
    public static LoadedModel Read(string p) => throw new System.Exception();
}

internal static class OnnxReader
{
    public static LoadedModel Read(string p, Preprocessing? q) => throw new System.Exception();
}
