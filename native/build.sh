#!/bin/sh
# Builds the natives of one preset into build/<preset>/bin. Says nothing on stdout; does nothing when all is up to date.
#
#   native/build.sh [PRESET] [TARGET...]
#
# PRESET is a configure preset of CMakePresets.json (default: native). Without targets it builds everything
# that the Java side and the C tests need, and llama.cpp's own tools that tests compare against.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
preset=${1:-native}
[ $# -eq 0 ] || shift
if [ $# -eq 0 ]; then
    set -- all comparison-tools
fi

build=$root/build/$preset
jobs=$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)
command -v cmake >/dev/null || { echo "native/build.sh: CMake 3.21 or later is needed" >&2; exit 1; }

# One build at a time in a folder.
mkdir -p "$build"
if command -v flock >/dev/null; then
    exec 9>"$build/.lock"
    flock 9
fi

# A configuration that stopped half-way leaves a cache without build files.
configured() {
    [ -f "$build/CMakeCache.txt" ] && [ ! "$root/CMakePresets.json" -nt "$build/CMakeCache.txt" ] \
        && { [ -f "$build/Makefile" ] || [ -f "$build/build.ninja" ]; }
}

cd "$root"
configured || {
    cmake --preset "$preset" -DCMAKE_TARGET_MESSAGES=OFF >&2
    touch "$build/CMakeCache.txt"
}
exec cmake --build "$build" --parallel "$jobs" --target "$@" >&2
