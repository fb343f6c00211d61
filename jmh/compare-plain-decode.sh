#!/bin/sh
# Plain llama_decode against the Java API in one process, in short turns; appends the ratios to results/llama-bench.jsonl.
#
#   jmh/compare-plain-decode.sh [MODEL] [ROUNDS]
#
# MODEL: a name that 'chasqui models' lists (default smollm2-135m). Nothing else should run meanwhile.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
model=$("$root/chasqui" models pull "${1:-smollm2-135m}")
exec "$root/jmh/java.sh" dev.chasqui.jmh.ComparePlainDecode \
    "$root/build/native/bin" "$model" "${2:-10}" "$root/jmh/results/llama-bench.jsonl"
