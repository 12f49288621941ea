using System;
using System.IO;
using System.Linq;
using System.Reflection;
using System.Runtime.Loader;

// The process in which the core tries kernels, since a wrong one can end the process that runs it. The core carries this
// program inside itself and starts it with: its own file, the folders of the assemblies that it uses, and those of the native
// libraries.
var (core, assemblies, natives) = (args[0], args[1].Split(Path.PathSeparator), args[2]);
AppContext.SetData("NATIVE_DLL_SEARCH_DIRECTORIES", natives);
AssemblyLoadContext.Default.Resolving += (context, name) =>
    assemblies.Select(folder => Path.Combine(folder, name.Name + ".dll")).FirstOrDefault(File.Exists) is { } file
        ? context.LoadFromAssemblyPath(file)
        : null;
AssemblyLoadContext
    .Default.LoadFromAssemblyPath(core)
    .GetType("Attribution.Core.KernelTrial", throwOnError: true)!
    .GetMethod("answer", BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic)!
    .Invoke(null, [Console.In, Console.Out]);
