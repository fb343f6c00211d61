#!/bin/sh
# Answers with speculation against plain ones, token for token: every policy, with and without flash attention, with a Q8_0 cache, with one and two threads;
# appends the counts to results/lossless.jsonl. Fails if an answer parts where the plain one was not nearly undecided.
#
#   jmh/lossless.sh [MODEL] [PROMPTS] [TOKENS] [OPTIONS...]
#
# MODEL: a name that 'chasqui models' lists or a GGUF file (default smollm2-135m). PROMPTS: of each of the sets code, math and chat at most (default all 480).
# TOKENS: of each answer (default 128). OPTIONS: of 'chasqui bench lossless', e.g. --draft-model MODEL.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
model=${1:-smollm2-135m}
prompts=${2:-1000000}
tokens=${3:-128}
shift $(($# < 3 ? $# : 3))

rows=$(mktemp "$root/build/lossless.XXXXXX")
trap 'rm -f "$rows"' EXIT
status=0
"$root/chasqui" bench lossless -m "$model" --prompts "$root/jmh/prompts/code.jsonl,$root/jmh/prompts/math.jsonl,$root/jmh/prompts/chat.jsonl" \
    --limit "$prompts" -n "$tokens" "$@" >"$rows" || status=$?
cat "$rows"
cat "$rows" >>"$root/jmh/results/lossless.jsonl"
exit "$status"
