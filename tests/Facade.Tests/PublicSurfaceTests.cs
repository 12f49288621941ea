using System;
using System.Collections.Generic;
using System.Linq;
using System.Reflection;
using Attribution;
using Expecto;
using Expecto.CSharp;

namespace Facade.Tests;

/// <summary>What a C# program sees of the library.</summary>
public static class PublicSurfaceTests
{
    private const BindingFlags Visible =
        BindingFlags.Public
        | BindingFlags.NonPublic
        | BindingFlags.Static
        | BindingFlags.Instance
        | BindingFlags.DeclaredOnly;

    public static Test Tests =>
        Runner.TestList(
            "The public surface",
            [
                Runner.TestCase(
                    "has no type of F#'s library or of the core in any signature",
                    () =>
                    {
                        var types = typeof(Model).Assembly.GetExportedTypes();
                        Expect.isGreaterThan(types.Length, 20, "the library's types are looked at");
                        Check.Same(
                            from type in types
                            from member in type.GetMembers(Visible)
                            where IsVisible(member)
                            from part in Signature(member).SelectMany(Parts)
                            where IsForeign(part)
                            select $"{type.Name}.{member.Name}: {part}"
                        );
                    }
                ),
                Runner.TestCase(
                    "is recognised where it would have one",
                    () =>
                    {
                        Expect.isTrue(Parts(typeof(List<Microsoft.FSharp.Core.Unit[]>)).Any(IsForeign), "F#'s unit");
                        Expect.isFalse(Parts(typeof(List<int[]>)).Any(IsForeign), "a list of arrays");
                    }
                ),
            ]
        );

    // The exception is the core's own, in the façade's namespace.
    private static bool IsForeign(Type type) =>
        type.Namespace is { } space && (space.StartsWith("Microsoft.FSharp") || space.StartsWith("Attribution.Core"));

    private static bool IsVisible(MemberInfo member) =>
        member switch
        {
            MethodBase method => method.IsPublic || method.IsFamily,
            FieldInfo field => field.IsPublic || field.IsFamily,
            PropertyInfo property => property.GetAccessors(nonPublic: false).Length > 0,
            _ => false,
        };

    private static IEnumerable<Type> Signature(MemberInfo member) =>
        member switch
        {
            MethodInfo method => method.GetParameters().Select(p => p.ParameterType).Append(method.ReturnType),
            ConstructorInfo constructor => constructor.GetParameters().Select(p => p.ParameterType),
            FieldInfo field => [field.FieldType],
            PropertyInfo property => [property.PropertyType],
            _ => [],
        };

    private static IEnumerable<Type> Parts(Type type) =>
        type.GetGenericArguments()
            .Concat(type.HasElementType ? [type.GetElementType()!] : [])
            .SelectMany(Parts)
            .Prepend(type);
}
