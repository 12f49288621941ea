@echo off
rem The command line: restores and builds on first use and after a change, then runs.
powershell -NoProfile -ExecutionPolicy Bypass -File "%~dp0.config\build.ps1" src/Runner || exit /b 1
dotnet "%~dp0src\Runner\bin\Release\net10.0\Attribution.Runner.dll" %*
