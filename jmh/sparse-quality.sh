#!/bin/sh
# How far sparse attention is from full attention on prose (this repository's documentation), code (its Java sources) and texts of your own: the sketch by
# share and with an adaptive budget, other choices at a tenth, and whether hidden codes and copies are found. Appends to results/kv.jsonl and draws
# docs/images/sparse-attention.svg from the rows there.
#
#   jmh/sparse-quality.sh [MODEL] [CONTEXTS] [TOKENS] [TEXT...]
#
# MODEL: a name that 'chasqui models' lists (default smollm2-135m). CONTEXTS: tokens, by commas (default 4096). TOKENS: that are compared (default 1024,
# for the other choices a quarter). TEXT: files, such as many questions with their answers; rows have their names.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
model=${1:-smollm2-135m}
contexts=${2:-4096}
tokens=${3:-1024}
shift $(($# > 3 ? 3 : $#))
work=$(mktemp -d "$root/build/texts.XXXXXX")
trap 'rm -rf "$work"' EXIT
cat "$root"/docs/*.md "$root/README.md" "$root/CONTRIBUTING.md" > "$work/prose"
cat "$root"/java-api/src/main/java/dev/chasqui/*.java > "$work/code"

bench() {
    "$root/chasqui" bench kv -m "$model" --context "$contexts" "$@" |
        sed -e "s/^{/{\"time\":\"$(date -u +%Y-%m-%dT%H:%M:%SZ)\",/" | tee -a "$root/jmh/results/kv.jsonl"
}
for text in "$work/prose" "$work/code" "$@"; do
    bench -f "$text" --state "$work/state" -n "$tokens" --share 0.02,0.05,0.1,0.2
    bench -f "$text" --state "$work/state" -n "$tokens" --share 0.2 --missing 0.1,0.05
    bench -f "$text" --state "$work/state" -n $(((tokens + 3) / 4)) --share 0.1 --selector sketch,exact,chunks,hisa,fasa,leoam,box,window,random
    rm -f "$work/state"
done
for test in needles copies; do
    bench -f "$work/code" -n 1 "--$test" 20 --share 0.02
    bench -f "$work/code" -n 1 "--$test" 20 --share 0.1 --selector box,window
done
"$root/jmh/java.sh" dev.chasqui.jmh.PlotSparseAttention "$root/jmh/results/kv.jsonl" "$root/docs/images/sparse-attention.svg"
