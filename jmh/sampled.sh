#!/bin/sh
# Whether drawn answers with speculation have the law of plain decoding: a chi-square test of their first three tokens; appends to results/lossless.jsonl.
#
#   jmh/sampled.sh [MODEL] [SEEDS] [COMPARED]
#
# MODEL: a name that 'chasqui models' lists (default smollm2-135m). SEEDS: answers of each test (default 20000). COMPARED: how many of them are compared with
# plain decoding token for token as well (default 2000).
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
model=$("$root/chasqui" models pull "${1:-smollm2-135m}")
exec "$root/jmh/java.sh" dev.chasqui.jmh.SampledAnswers "$model" "${2:-20000}" "${3:-2000}" "$root/jmh/results/lossless.jsonl"
