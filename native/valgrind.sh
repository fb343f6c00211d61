#!/bin/sh
# Runs C tests of the kernels under Valgrind, which sees what sanitizers do not: values that were never written, in vectors as well. Valgrind knows
# AVX2 and no more, so this is the AVX2 path whatever the machine has. Takes some ten minutes.
#
#   native/valgrind.sh [TEST...]
#
# TEST: C tests without a model (default: test_kernels). Needs Valgrind, on Debian and Ubuntu: apt install valgrind
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
build=$root/build/valgrind
jobs=$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)
[ $# -gt 0 ] || set -- test_kernels

for tool in cmake valgrind; do
    command -v "$tool" >/dev/null || { echo "valgrind.sh: missing: $tool (on Debian and Ubuntu: apt install cmake valgrind)" >&2; exit 1; }
done

# for an x86-64 with AVX2, not for this machine
cmake -S "$root" -B "$build" -DCMAKE_BUILD_TYPE=RelWithDebInfo -DCHASQUI_VALGRIND=ON -DGGML_NATIVE=OFF -DGGML_AVX2=ON -DGGML_FMA=ON -DGGML_F16C=ON -DGGML_BMI2=ON >&2
cmake --build "$build" --parallel "$jobs" --target "$@" >&2
for test; do
    echo "$test:" >&2
    # its blocks are short, as the unrolled loops are more than it has room for otherwise
    valgrind --quiet --vex-guest-max-insns=25 --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite "$build/bin/test/$test" >&2
done
