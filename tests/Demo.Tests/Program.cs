using System.Linq;
using System.Reflection;
using Attribution;
using Expecto;
using Expecto.CSharp;

// Each file of tests is a static class with a property `public static Test Tests`.
TorchRuntime.Start();

var tests =
    from type in Assembly.GetExecutingAssembly().GetTypes()
    orderby type.FullName
    let property = type.GetProperty("Tests", typeof(Test))
    where property is not null
    select (Test)property.GetValue(null)!;

return Runner.RunTestsWithCLIArgs([], args, Runner.TestList("Demo", tests.ToArray()));
