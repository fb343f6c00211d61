#!/bin/sh
# How far sparse attention is from full attention, by selector and share, on prose (this repository's documentation) and code (its Java sources);
# appends to results/kv.jsonl and draws docs/images/sparse-attention.svg from all rows there.
#
#   jmh/sparse-quality.sh [MODEL] [CONTEXTS] [TOKENS]
#
# MODEL: a name that 'chasqui models' lists (default smollm2-135m). CONTEXTS: tokens, by commas (default 4096). TOKENS: that are compared (default 512).
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
texts=$(mktemp -d "$root/build/texts.XXXXXX")
trap 'rm -rf "$texts"' EXIT
cat "$root"/docs/*.md "$root/README.md" "$root/CONTRIBUTING.md" > "$texts/prose"
cat "$root"/java-api/src/main/java/dev/chasqui/*.java > "$texts/code"
for text in prose code; do
    "$root/chasqui" bench kv -m "${1:-smollm2-135m}" -f "$texts/$text" --context "${2:-4096}" -n "${3:-512}" --share 0.05,0.1,0.2 \
            --selector sketch,exact,hisa,fasa,leoam,box,window,random |
        sed -e "s/^{/{\"time\":\"$(date -u +%Y-%m-%dT%H:%M:%SZ)\",/" | tee -a "$root/jmh/results/kv.jsonl"
done
"$root/jmh/java.sh" dev.chasqui.jmh.PlotSparseAttention "$root/jmh/results/kv.jsonl" "$root/docs/images/sparse-attention.svg"
