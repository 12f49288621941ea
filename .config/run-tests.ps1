# Builds and runs every test project; the last line is "N passed, N failed", counted from the runs themselves.
$root = Split-Path $PSScriptRoot
$passed = $failed = 0
foreach ($project in 'Core.Tests', 'Facade.Tests', 'Demo.Tests', 'Pages.Tests', 'Cluster.Tests', 'Guides.Tests', 'Runner.Tests', 'Explorer.Tests', 'Packages.Tests') {
    & "$PSScriptRoot/build.ps1" "tests/$project"
    if ($LASTEXITCODE -ne 0) { exit 1 }
    $summary = $null
    dotnet "$root/tests/$project/bin/Release/net10.0/$project.dll" --no-spinner --colours 0 --sequenced @args |
        ForEach-Object { if ($_ -match 'EXPECTO! [0-9,]+ tests? run') { $summary = $_ }; $_ }
    $code = $LASTEXITCODE
    $lost = 0
    foreach ($found in [regex]::Matches($summary, '([0-9,]+) (passed|failed|errored)')) {
        $count = [int] $found.Groups[1].Value.Replace(',', '')
        if ($found.Groups[2].Value -eq 'passed') { $passed += $count } else { $lost += $count }
    }
    # A run that ended badly without naming a failed test is one.
    if ($lost -eq 0 -and ($code -ne 0 -or -not $summary)) { $lost = 1 }
    $failed += $lost
}
"$passed passed, $failed failed"
exit [int] ($failed -gt 0)
