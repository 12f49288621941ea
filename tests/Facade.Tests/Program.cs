using System.Linq;
using System.Reflection;
using Attribution;
using Expecto;
using Expecto.CSharp;

// Each file of tests is a static class with a property `public static Test Tests`.
TorchRuntime.Start();

var assembly = Assembly.GetExecutingAssembly();
var name = assembly.GetName().Name!.Replace(".Tests", "");
var tests =
    from type in assembly.GetTypes()
    orderby type.FullName
    let property = type.GetProperty("Tests", typeof(Test))
    where property is not null
    select (Test)property.GetValue(null)!;

return Runner.RunTestsWithCLIArgs([], args, Runner.TestList(name, tests.ToArray()));
