using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Attribution;

/// <summary>A page on this machine on which a person asks a network questions about images, and sees the answers as they come:
/// maps by any method, the neurons that decide and what they see, and how good the maps are.</summary>
/// <remarks>It listens on the loopback address unless it is told otherwise, and then asks for a token. Every question is part of the
/// page's address.</remarks>
public sealed class Explorer : IDisposable
{
    private readonly WebApplication app;
    private readonly WorkQueue queue;

    private Explorer(WebApplication app, WorkQueue queue, Uri address) =>
        (this.app, this.queue, Address) = (app, queue, address);

    /// <summary>Where the page is; with the token, where there is one.</summary>
    public Uri Address { get; }

    /// <summary>Opens the page to browsers; work goes on until it is disposed of.</summary>
    /// <param name="model">The classifier, which stays the caller's, as the images do.</param>
    /// <param name="images">The images to choose from.</param>
    /// <param name="options">How; null: the defaults.</param>
    /// <exception cref="AttributionException">The images are no pictures, the port is in use, or the address is none of this
    /// machine's.</exception>
    public static Explorer Start(Model model, ImageSet images, ExplorerOptions? options = null)
    {
        options ??= new();
        if (images.Height == 1 || images.Depth > 1)
            throw new AttributionException(
                "The explorer shows pictures: for tables, signals and volumes use 'attribution explain' and 'attribution evaluate'."
            );
        var place = Place(options.Host);
        Guard guard = new(place, IPAddress.IsLoopback(place) ? null : options.Token ?? NewToken());
        Pictures pictures = new(images);
        WorkQueue queue = new();
        try
        {
            Answers answers = new(queue, options.MostCached);
            Answerer answerer = new(model, images, pictures, options);
            var app = Host(place, options.Port);
            app.Use(guard.Check);
            new Routes(About.Of(model, images, answerer.FirstScores, options), pictures, answerer, answers).Map(app);
            Start(app, options);
            Uri bound = new(
                app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First()
            );
            answerer.WarmUp(answers);
            return new(app, queue, guard.Address(bound));
        }
        catch
        {
            queue.Dispose();
            throw;
        }
    }

    /// <summary>Waits until it is told to stop.</summary>
    /// <param name="cancellation">Tells it.</param>
    public void Wait(CancellationToken cancellation) => cancellation.WaitHandle.WaitOne();

    /// <summary>Closes the page: what is being asked is cancelled.</summary>
    public void Dispose()
    {
        using (CancellationTokenSource patience = new(TimeSpan.FromSeconds(1)))
            app.StopAsync(patience.Token).GetAwaiter().GetResult();
        queue.Dispose();
        ((IDisposable)app).Dispose();
    }

    private static WebApplication Host(IPAddress place, int port)
    {
        // No settings from files or the environment: what the caller says is all.
        var builder = WebApplication.CreateEmptyBuilder(new());
        builder.Logging.ClearProviders();
        builder.Services.AddRoutingCore();
        builder.Services.AddSingleton<IHostLifetime, NoLifetime>();
        builder.WebHost.UseKestrelCore();
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxRequestBodySize = Pictures.MostRead;
            // Who sends slower than this keeps others waiting.
            kestrel.Limits.MinRequestBodyDataRate = new(16 << 10, TimeSpan.FromSeconds(5));
            kestrel.Limits.MaxConcurrentConnections = 500;
            kestrel.Limits.MaxRequestLineSize = Question.MostText;
            kestrel.Listen(place, port, listen => listen.Protocols = HttpProtocols.Http1);
        });
        return builder.Build();
    }

    private static void Start(WebApplication app, ExplorerOptions options)
    {
        try
        {
            app.StartAsync().GetAwaiter().GetResult();
        }
        catch (Exception e) when (e is IOException or SocketException)
        {
            ((IDisposable)app).Dispose();
            throw new AttributionException(
                e is SocketException { SocketErrorCode: SocketError.AddressNotAvailable }
                || e.InnerException is SocketException { SocketErrorCode: SocketError.AddressNotAvailable }
                    ? $"This machine has no address {options.Host}: give one of its own with --host, or leave it out."
                    : $"Port {options.Port} is in use: choose another with --port, or stop what listens there."
            );
        }
    }

    private static IPAddress Place(string host) =>
        host == "localhost" ? IPAddress.Loopback
        : IPAddress.TryParse(host, out var place) ? place
        : throw new AttributionException(
            $"'{host}' is no address to listen on: give an IP address such as 127.0.0.1, or 0.0.0.0 for all of this machine's."
        );

    private static string NewToken() => Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(16));

    // The program's own signals end it.
    private sealed class NoLifetime : IHostLifetime
    {
        public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
