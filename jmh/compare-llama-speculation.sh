#!/bin/sh
# llama.cpp's own speculation (its n-gram drafters and, with a draft model, that) and ours on the same prompts, one set after the other: each against plain
# decoding in its own process, llama.cpp's with its kernels and with ours. Prints a table, appends the rows to results/llama-speculation.jsonl.
#
#   jmh/compare-llama-speculation.sh [MODEL] [PROMPTS] [TOKENS] [DRAFT_MODEL] [OPTIONS...]
#
# MODEL: a name that 'chasqui models' lists or a GGUF file (default qwen2.5-coder-1.5b). PROMPTS: of each set (default 10), TOKENS: of each answer (default
# 128). DRAFT_MODEL: as MODEL, '' = none. OPTIONS: of bench_llama_speculation. Nothing else should run meanwhile.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
model=${1:-qwen2.5-coder-1.5b}
prompts=${2:-10}
tokens=${3:-128}
draft=${4:-}
shift $(($# < 4 ? $# : 4))

file_of() { if [ -f "$1" ]; then echo "$1"; else "$root/chasqui" models pull "$1"; fi; }

file=$(file_of "$model")
[ -z "$draft" ] || set -- --draft-model "$(file_of "$draft")" "$@"
"$root/native/build.sh" native bench_llama_speculation >&2
bin=$root/build/native/bin
rows=$(mktemp "$root/build/llama-speculation.XXXXXX")
trap 'rm -f "$rows"' EXIT
for set in code edit summarization rag math chat qa translation; do
    sets=$root/jmh/prompts/$set.jsonl
    "$root/chasqui" bench speculation -m "$file" --prompts "$sets" --limit "$prompts" -n "$tokens" --stock 48 >>"$rows"
    "$bin/bench/bench_llama_speculation" "$file" --prompts "$sets" --limit "$prompts" -n "$tokens" "$@" >>"$rows"
    GGML_BACKEND_PATH=$bin/libggml-chasqui.so \
        "$bin/bench/bench_llama_speculation" "$file" --prompts "$sets" --limit "$prompts" -n "$tokens" "$@" >>"$rows"
done
"$root/jmh/java.sh" dev.chasqui.jmh.LlamaSpeculationTable "$rows"
cat "$rows" >>"$root/jmh/results/llama-speculation.jsonl"
