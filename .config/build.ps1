# Called by the launchers for Windows: makes a project's release build current, saying so only when it must work.
param([string] $Project)
$ErrorActionPreference = 'Stop'
$env:DOTNET_CLI_TELEMETRY_OPTOUT = $env:DOTNET_NOLOGO = '1'
$root = Split-Path $PSScriptRoot
Set-Location $root
$stamp = Join-Path $Project 'obj/built'

if (Test-Path $stamp) {
    $built = (Get-Item $stamp).LastWriteTime
    $newer = Get-ChildItem 'src', $Project, '*.props', '*.targets', 'paket.lock' -Recurse -File |
        Where-Object { $_.FullName -notmatch '[\\/](bin|obj)[\\/]' -and $_.LastWriteTime -gt $built }
    if (-not $newer) { exit 0 }
}

# Paket takes the package feed from this variable, so that no file names one.
if (-not $env:NUGET_FEED) {
    $env:NUGET_FEED = dotnet nuget list source --format short |
        Where-Object { $_ -match '^E ' } | Select-Object -First 1 | ForEach-Object { $_.Substring(2) }
    if (-not $env:NUGET_FEED) {
        [Console]::Error.WriteLine("No package feed is enabled: add one with 'dotnet nuget add source', or set NUGET_FEED.")
        exit 1
    }
}

[Console]::Error.WriteLine("Building $Project (takes a minute or two the first time)...")
$log = dotnet tool restore
if ($LASTEXITCODE -eq 0) { $log = dotnet build $Project -c Release -v quiet }
if ($LASTEXITCODE -ne 0) {
    $log | ForEach-Object { [Console]::Error.WriteLine($_) }
    [Console]::Error.WriteLine("The build of $Project failed.")
    exit 1
}
New-Item $stamp -ItemType File -Force | Out-Null
