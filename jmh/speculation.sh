#!/bin/sh
# Answers with speculation against plain decoding with the same kernels and with llama.cpp's, over the eight sets of prompts: prints the table, appends the
# rows to results/speculation.jsonl, and draws them in docs/images/speculation.svg.
#
#   jmh/speculation.sh [MODEL] [PROMPTS] [TOKENS] [OPTIONS...]
#
# MODEL: a name that 'chasqui models' lists or a GGUF file (default qwen2.5-coder-1.5b). PROMPTS: of each set (default 20). TOKENS: of each answer (default
# 128). OPTIONS: of 'chasqui bench speculation', e.g. --draft-model MODEL. Nothing else should run meanwhile.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
model=${1:-qwen2.5-coder-1.5b}
prompts=${2:-20}
tokens=${3:-128}
shift $(($# < 3 ? $# : 3))

files=
for set in code edit summarization rag math chat qa translation; do
    files=$files${files:+,}$root/jmh/prompts/$set.jsonl
done
rows=$(mktemp "$root/build/speculation.XXXXXX")
trap 'rm -f "$rows"' EXIT
"$root/chasqui" bench speculation -m "$model" --prompts "$files" --limit "$prompts" -n "$tokens" --stock 48 "$@" | tee "$rows"
cat "$rows" >>"$root/jmh/results/speculation.jsonl"
"$root/jmh/java.sh" dev.chasqui.jmh.PlotSpeculation "$rows" "$root/docs/images/speculation.svg" "$(basename "$model"), $tokens tokens: auto over off"
