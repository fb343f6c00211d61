#!/bin/sh
# Builds the kernels for 64-bit ARM on another machine and runs their test in an emulator, once for each kind of CPU that has
# kernels of its own. Takes a few minutes.
#
#   native/cross-check-arm.sh
#
# Needs an aarch64 cross compiler and QEMU's user mode, on Debian and Ubuntu: apt install g++-aarch64-linux-gnu qemu-user
# CROSS (default: aarch64-linux-gnu) is the compiler's prefix, SYSROOT (default: /usr/$CROSS) holds its C library.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
cross=${CROSS:-aarch64-linux-gnu}
sysroot=${SYSROOT:-/usr/$cross}
build=$root/build/aarch64
jobs=$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)

missing=
for tool in cmake "$cross-gcc" "$cross-g++" qemu-aarch64; do
    command -v "$tool" >/dev/null || missing="$missing $tool"
done
[ -e "$sysroot/lib/ld-linux-aarch64.so.1" ] || missing="$missing $sysroot/lib/ld-linux-aarch64.so.1"
if [ -n "$missing" ]; then
    echo "cross-check-arm.sh: missing:$missing (on Debian and Ubuntu: apt install cmake g++-aarch64-linux-gnu qemu-user)" >&2
    exit 1
fi

cmake -S "$root" -B "$build" \
    -DCMAKE_SYSTEM_NAME=Linux -DCMAKE_SYSTEM_PROCESSOR=aarch64 -DCMAKE_BUILD_TYPE=Release -DGGML_NATIVE=OFF \
    -DCMAKE_C_COMPILER="$cross-gcc" -DCMAKE_CXX_COMPILER="$cross-g++" \
    -DCMAKE_CROSSCOMPILING_EMULATOR="qemu-aarch64;-L;$sysroot" >&2
cmake --build "$build" --parallel "$jobs" --target test_kernels >&2

log=$build/test_kernels.log
for run in max:NEON-I8MM cortex-a76:NEON-DOTPROD cortex-a72:scalar; do
    cpu=${run%:*}
    best=${run#*:}
    echo "$cpu:" >&2
    qemu-aarch64 -L "$sysroot" -cpu "$cpu" "$build/bin/test/test_kernels" 2>"$log" || { cat "$log" >&2; exit 1; }
    cat "$log" >&2
    [ "$(awk 'NR == 1 { print $1 }' "$log")" = "$best" ] || { echo "cross-check-arm.sh: $cpu should start with $best" >&2; exit 1; }
done
