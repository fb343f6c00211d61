#!/bin/sh
# Sparse against full attention while generating, in turns in one process; appends to results/kv.jsonl.
#
#   jmh/sparse-attention.sh [MODEL] [CONTEXTS] [THREADS...]
#
# MODEL: a name that 'chasqui models' lists (default smollm2-135m). CONTEXTS: tokens, by commas (default 8192). THREADS: default 1 2.
# The text is this repository's documentation. Computing it takes minutes; nothing else should run meanwhile.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
model=${1:-smollm2-135m}
contexts=${2:-8192}
[ $# -lt 2 ] || shift
shift $(($# > 0 ? 1 : 0))
[ $# -gt 0 ] || set -- 1 2
text=$(mktemp "$root/build/prose.XXXXXX")
trap 'rm -f "$text"' EXIT
cat "$root"/docs/*.md "$root/README.md" "$root/CONTRIBUTING.md" > "$text"
cpu=$(sed -n 's/^model name[^:]*: *//p' /proc/cpuinfo 2>/dev/null | head -n 1)
for threads; do
    "$root/chasqui" bench kv -m "$model" -f "$text" --context "$contexts" --speed -n 17 -r 5 --share 0.05,0.1,0.2 --selector sketch,window -t "$threads" |
        sed -e "s/^{/{\"time\":\"$(date -u +%Y-%m-%dT%H:%M:%SZ)\",\"cpu\":\"$cpu\",/" -e 's/"text":"[^"]*"/"text":"docs"/' |
        tee -a "$root/jmh/results/kv.jsonl"
done
