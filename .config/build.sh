# Sourced by the launchers: `build PROJECT [FOLDER]` makes a release build of what is in a folder (the project's own) current,
# saying so only when it must work.
root=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.." && pwd)
export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1

fail() {
    echo "$*" >&2
    exit 1
}

# Paket takes the package feed from this variable, so that no file names one.
find_feed() {
    [ -n "${NUGET_FEED:-}" ] && return
    NUGET_FEED=$(dotnet nuget list source --format short | sed -n 's/^E //p' | head -n 1)
    [ -n "$NUGET_FEED" ] || fail "No package feed is enabled: add one with 'dotnet nuget add source', or set NUGET_FEED."
    export NUGET_FEED
}

# Whether a project's stamp is younger than everything that it is built from.
is_current() {
    [ -f "$2" ] && [ -z "$(find "$root/src" "$root/$1" "$root"/*.props "$root"/*.targets "$root/paket.lock" \
        \( -name bin -o -name obj \) -prune -o -type f -newer "$2" -print -quit)" ]
}

build() {
    local folder=${2:-$1}
    local stamp="$root/$folder/obj/built"
    is_current "$folder" "$stamp" && return
    command -v dotnet > /dev/null || fail "The .NET SDK 10 is needed: install it, and try again."
    find_feed
    echo "Building $1 (takes a minute or two the first time)…" >&2
    local log
    log=$(mktemp)
    (cd "$root" && dotnet tool restore && dotnet build "$1" -c Release -v quiet) > "$log" 2>&1 || {
        cat "$log" >&2
        rm -f "$log"
        fail "The build of $1 failed."
    }
    rm -f "$log"
    mkdir -p "$(dirname "$stamp")" && touch "$stamp"
}
