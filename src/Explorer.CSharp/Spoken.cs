using Microsoft.AspNetCore.Http;

namespace Attribution;

/// <summary>What is said where something is refused or fails: one sentence, which the page shows.</summary>
internal static class Spoken
{
    /// <summary>An error as a person at the page can use it.</summary>
    public static string Sentence(Exception e) =>
        e is UsageException
            // Those speak of options.
            ? e.Message.Replace("--", "")
            : Attribution.Sentence.Of(e);

    public static Task Refuse(HttpContext context, int status, string sentence) =>
        Write(context, status, new { Sentence = sentence });

    public static Task Write(HttpContext context, int status, object value)
    {
        context.Response.StatusCode = status;
        context.Response.ContentType = "application/json; charset=utf-8";
        return context.Response.Body.WriteAsync(Json.Bytes(value)).AsTask();
    }
}
