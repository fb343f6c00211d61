#!/bin/sh
# Interleaves llama-bench and 'chasqui bench' of the same build and appends the ratios to results/llama-bench.jsonl.
#
#   jmh/compare-llama-bench.sh [MODEL] [ROUNDS]
#
# MODEL: a name that 'chasqui models' lists (default smollm2-135m). Nothing else should run meanwhile.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
model=$("$root/chasqui" models pull "${1:-smollm2-135m}")
"$root/native/build.sh" native llama-bench >&2
exec "$root/jmh/java.sh" dev.chasqui.jmh.CompareLlamaBench \
    "$root" "$model" "${2:-10}" "$root/jmh/results/llama-bench.jsonl"
