using System.Net;
using System.Net.NetworkInformation;
using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Http;

namespace Attribution;

/// <summary>Who may ask: pages of this server alone, by a name that is its own, and off this machine those who have the token.</summary>
/// <param name="place">Where it listens.</param>
/// <param name="token">What others must know; null: nothing, on the loopback address.</param>
internal sealed class Guard(IPAddress place, string? token)
{
    private const string Cookie = "attribution-token";

    private const string Policy =
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

    // A name that is resolved to this machine by a stranger's server is none of these.
    private readonly HashSet<string> names = new(
        ["localhost", "127.0.0.1", "[::1]", Bracketed(place), .. IPAddress.IsLoopback(place) ? [] : OwnNames()],
        StringComparer.OrdinalIgnoreCase
    );

    /// <summary>Where the page is, for whoever may have it.</summary>
    public Uri Address(Uri bound)
    {
        var host = place.Equals(IPAddress.Any) || place.Equals(IPAddress.IPv6Any) ? "localhost" : Bracketed(place);
        return new($"http://{host}:{bound.Port}/{(token is null ? "" : $"?token={token}")}");
    }

    /// <summary>Refuses what may not be asked, and tells browsers how little the page may do.</summary>
    public Task Check(HttpContext context, RequestDelegate next)
    {
        var (request, headers) = (context.Request, context.Response.Headers);
        headers.ContentSecurityPolicy = Policy;
        headers.XContentTypeOptions = "nosniff";
        headers["Referrer-Policy"] = "no-referrer";
        headers["Cross-Origin-Opener-Policy"] = "same-origin";
        headers["Cross-Origin-Resource-Policy"] = "same-origin";
        headers.CacheControl = "no-store";
        if (!names.Contains(request.Host.Host))
            return Spoken.Refuse(
                context,
                421,
                "This is not the address of the explorer: open the one that it printed when it started."
            );
        if (!IsOwn(request))
            return Spoken.Refuse(context, 403, "Another site's page asked this, and is not answered.");
        if (token is not null && !Knows(context, token))
            return Spoken.Refuse(
                context,
                401,
                "The explorer asks for a token: open the address with the token that it printed when it started."
            );
        return context.Response.StatusCode == StatusCodes.Status302Found ? Task.CompletedTask : next(context);
    }

    // A link may lead to the page from anywhere; everything else is asked by the page itself, or by a program that is no browser.
    private static bool IsOwn(HttpRequest request)
    {
        if (request.Headers.Origin is [{ } origin] && origin != $"{request.Scheme}://{request.Host}")
            return false;
        var isLink =
            request.Path == "/" && HttpMethods.IsGet(request.Method) && request.Headers["Sec-Fetch-Mode"] == "navigate";
        return request.Headers["Sec-Fetch-Site"] is not [{ } from] || from is "same-origin" or "none" || isLink;
    }

    private static bool Knows(HttpContext context, string token)
    {
        var (request, response) = (context.Request, context.Response);
        if (IsSame(request.Cookies[Cookie], token))
            return true;
        if (!IsSame(request.Query["token"], token))
            return false;
        response.Cookies.Append(
            Cookie,
            token,
            new()
            {
                HttpOnly = true,
                SameSite = SameSiteMode.Lax,
                Path = "/",
            }
        );
        // Out of the address, and so out of what is bookmarked and sent.
        if (request.Path == "/" && HttpMethods.IsGet(request.Method))
            response.Redirect("/", false);
        return true;
    }

    private static bool IsSame(string? given, string token) =>
        given is not null
        && CryptographicOperations.FixedTimeEquals(Encoding.UTF8.GetBytes(given), Encoding.UTF8.GetBytes(token));

    private static string Bracketed(IPAddress address) =>
        address.AddressFamily == System.Net.Sockets.AddressFamily.InterNetworkV6 ? $"[{address}]" : $"{address}";

    private static IEnumerable<string> OwnNames() =>
        NetworkInterface
            .GetAllNetworkInterfaces()
            .SelectMany(net => net.GetIPProperties().UnicastAddresses)
            .Select(own => Bracketed(own.Address))
            .Append(Dns.GetHostName());
}
