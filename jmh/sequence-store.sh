#!/bin/sh
# What having a long prompt again takes: kept in the cells, from memory, from a file; appends to results/sequence-store.jsonl.
#
#   jmh/sequence-store.sh [MODEL] [TOKENS] [ROUNDS]
#
# MODEL: a name that 'chasqui models' lists (default smollm2-135m). Nothing else should run meanwhile.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
model=$("$root/chasqui" models pull "${1:-smollm2-135m}")
folder=$(mktemp -d "$root/build/sequence-store.XXXXXX")
trap 'rm -rf "$folder"' EXIT
"$root/jmh/java.sh" dev.chasqui.jmh.SequenceStoreSpeed "$model" "${2:-8000}" "${3:-5}" "$folder" "$root/jmh/results/sequence-store.jsonl"
