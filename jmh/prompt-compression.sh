#!/bin/sh
# Questions about a long text (this repository's documentation, with a code hidden in it for each question), answered from the whole prompt and from what prompt compression,
# chance and the window leave of it; appends to results/compression.jsonl.
#
#   jmh/prompt-compression.sh [MODEL] [TOKENS] [QUESTIONS] [METHOD:KEEP...]
#
# MODEL: a name that 'chasqui models' lists (default qwen2.5-coder-0.5b). TOKENS: of the text (default 4096). METHOD: 'random', 'window' or LAYER/SCORE/QUERIES/POOLING, as default/share/8/21.
# For times nothing else should run meanwhile.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
model=$("$root/chasqui" models pull "${1:-qwen2.5-coder-0.5b}")
tokens=${2:-4096}
questions=${3:-20}
shift $(($# > 3 ? 3 : $#))
[ $# -gt 0 ] || set -- default/share/8/21:512 default/share/8/21:1024 13/product/1/5:1024 random:512 random:1024 window:512 window:1024
text=$(mktemp "$root/build/prose.XXXXXX")
trap 'rm -f "$text"' EXIT
cat "$root"/docs/*.md "$root/README.md" "$root/CONTRIBUTING.md" > "$text"
"$root/jmh/java.sh" dev.chasqui.jmh.PromptCompressionQuality "$model" "$text" "$root/jmh/results/compression.jsonl" "$tokens" "$questions" "$@"
