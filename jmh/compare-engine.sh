#!/bin/sh
# An engine against the same requests one after another, and what a long prompt does to running answers; appends to results/engine.jsonl.
# Then llama.cpp's own llama-batched-bench at the batch of the rows "batch", with its kernels and a unified KV cache, on stdout.
#
#   jmh/compare-engine.sh [MODEL] [ROUNDS]
#
# MODEL: a name that 'chasqui models' lists (default smollm2-135m). Nothing else should run meanwhile.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
model=$("$root/chasqui" models pull "${1:-smollm2-135m}")
"$root/native/build.sh" native llama-batched-bench >&2
"$root/jmh/java.sh" dev.chasqui.jmh.CompareEngine "$model" "${2:-5}" "$root/jmh/results/engine.jsonl"
exec "$root/build/native/bin/llama-batched-bench" -m "$model" -c 16384 -b 2048 -ub 512 -kvu -npp 128 -ntg 64 -npl 64 --output-format jsonl
