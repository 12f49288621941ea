@echo off
rem Builds and runs every test project; the last line is "N passed, N failed".
powershell -NoProfile -ExecutionPolicy Bypass -File "%~dp0.config\run-tests.ps1" %*
