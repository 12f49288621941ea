using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Attribution;

/// <summary>What can be asked of the server, and how it is told.</summary>
internal sealed class Routes(About about, Pictures pictures, Answerer answerer, Answers answers)
{
    // So many files at a time are taken in: each lies in memory until it is decoded.
    private const int MostAdding = 4;
    private static readonly TimeSpan sign = TimeSpan.FromSeconds(10);

    private readonly SemaphoreSlim adding = new(MostAdding);

    /// <summary>Makes them known.</summary>
    public void Map(IEndpointRouteBuilder app)
    {
        foreach (var (path, type, content) in PageFiles.All)
            app.MapMethods(path, ["GET", "HEAD"], Told(context => Send(context, type, content)));
        app.MapGet("/about", Told(context => Send(context, "application/json; charset=utf-8", about.Data)));
        app.MapGet("/state", Told(context => Spoken.Write(context, 200, answers.State)));
        app.MapGet("/image", Told(Image));
        app.MapPost("/image", Told(Add));
        app.MapGet("/ask", Told(Ask));
        app.MapGet("/export", Told(Export));
        app.MapFallback(
            Told(context =>
                Spoken.Refuse(context, 404, "There is no such page: the explorer's is at its address' beginning.")
            )
        );
    }

    // What fails is a sentence, and the server lives on.
    private static RequestDelegate Told(Func<HttpContext, Task> answer) =>
        async context =>
        {
            try
            {
                await answer(context);
            }
            catch (Exception) when (context.RequestAborted.IsCancellationRequested)
            {
                // Nobody listens any more.
            }
            catch (Exception) when (context.Response.HasStarted)
            {
                context.Abort();
            }
            catch (BadHttpRequestException e)
            {
                await Spoken.Refuse(
                    context,
                    e.StatusCode,
                    e.StatusCode == StatusCodes.Status413PayloadTooLarge
                        ? $"The file is larger than {Pictures.MostBytes >> 20} MB: make the picture smaller."
                        : "The request cannot be read."
                );
            }
            catch (UnknownImage e)
            {
                await Spoken.Write(
                    context,
                    StatusCodes.Status410Gone,
                    new { Sentence = e.Message, UnknownImage = e.Key }
                );
            }
            catch (Exception e)
            {
                await Spoken.Refuse(context, StatusCodes.Status400BadRequest, Spoken.Sentence(e));
            }
        };

    private static async Task Send(HttpContext context, string type, ReadOnlyMemory<byte> content)
    {
        context.Response.ContentType = type;
        context.Response.ContentLength = content.Length;
        if (!HttpMethods.IsHead(context.Request.Method))
            await context.Response.Body.WriteAsync(content, context.RequestAborted);
    }

    private async Task Image(HttpContext context)
    {
        var image = pictures.Of($"{context.Request.Query["image"]}");
        var png = await answers.Once(true, (_, _) => Drawn.Image(image), context.RequestAborted);
        await Send(context, "image/png", png);
    }

    private async Task Add(HttpContext context)
    {
        await adding.WaitAsync(context.RequestAborted);
        try
        {
            var file = await Body(context);
            var name = Uri.UnescapeDataString($"{context.Request.Headers["X-Name"]}");
            // Decoded in turn: a large picture takes memory.
            var (key, label) = await answers.Once(true, (_, _) => pictures.Add(name, file), context.RequestAborted);
            await Spoken.Write(context, StatusCodes.Status200OK, new { Key = key, Label = label });
        }
        finally
        {
            adding.Release();
        }
    }

    // Read to its end though it is too large, since a browser that still sends does not hear what is said.
    private static async Task<byte[]> Body(HttpContext context)
    {
        using MemoryStream file = new();
        var part = new byte[1 << 16];
        long length = 0;
        while (await context.Request.Body.ReadAsync(part, context.RequestAborted) is > 0 and var read)
            if ((length += read) <= Pictures.MostBytes)
                file.Write(part, 0, read);
        return length <= Pictures.MostBytes
            ? file.ToArray()
            : throw new BadHttpRequestException("", StatusCodes.Status413PayloadTooLarge);
    }

    private async Task Export(HttpContext context)
    {
        var kind = $"{context.Request.Query["as"]}";
        var question = Question.Read(context.Request.Query);
        if ((question.Kind, kind) is not (("map", "png" or "npz" or "csv") or ("measure", "csv")))
            throw new AttributionException("A map can be had as png, npz or csv, and scores as csv.");
        var (_, isQuick, _) = answerer.Plan(question);
        var file = await answers.Once(
            isQuick,
            (progress, cancellation) => answerer.File(question, kind, progress, cancellation),
            context.RequestAborted
        );
        var type = kind switch
        {
            "png" => "image/png",
            "csv" => "text/csv; charset=utf-8",
            _ => "application/octet-stream",
        };
        var what = question.Kind == "map" ? question.Method : $"scores-{question.Method}";
        var image = question.Image.Length > 12 ? question.Image[..12] : question.Image;
        context.Response.Headers.ContentDisposition = $"attachment; filename=\"{what}-{image}.{kind}\"";
        await Send(context, type, file);
    }

    private async Task Ask(HttpContext context)
    {
        var stop = context.RequestAborted;
        // A page that was opened on another model would show this one's answers under its names.
        if (context.Request.Headers["X-Subject"] is [{ } subject] && subject != about.Subject)
        {
            await Spoken.Refuse(
                context,
                StatusCodes.Status409Conflict,
                "The explorer was started anew with another model or other images: load the page again."
            );
            return;
        }
        var (key, isQuick, work) = answerer.Plan(Question.Read(context.Request.Query));
        context.Response.ContentType = "text/event-stream";
        await using var heard = answers.Ask(key, isQuick, work, stop).GetAsyncEnumerator(stop);
        for (var isMore = heard.MoveNextAsync().AsTask(); ; )
        {
            // A sign of life, by which a connection that is dead is found out.
            while (await Task.WhenAny(isMore, Task.Delay(sign, stop)) != isMore)
            {
                stop.ThrowIfCancellationRequested();
                await Event(context, ": still here\n\n"u8.ToArray());
            }
            if (!await isMore)
                return;
            var told = heard.Current;
            await Event(context, [.. Encoding.UTF8.GetBytes($"event: {told.Name}\ndata: "), .. told.Data, .. "\n\n"u8]);
            isMore = heard.MoveNextAsync().AsTask();
        }
    }

    private static async Task Event(HttpContext context, byte[] text)
    {
        await context.Response.Body.WriteAsync(text, context.RequestAborted);
        await context.Response.Body.FlushAsync(context.RequestAborted);
    }
}
