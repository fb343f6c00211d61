#!/bin/sh
# From a picture of 2,880 tokens to the first token of an answer, with all of them and with a share, in turns; appends to results/vision.jsonl.
#
#   jmh/time-to-first-token.sh [MODEL] [ROUNDS] [KEEP] [LAYERS] [WIDTH]
#
# MODEL: a name that 'chasqui models' lists (default qwen2.5-coder-0.5b). LAYERS, WIDTH: of the encoder, whose weights are random (default 12 and 384, a ViT-S).
# Nothing else should run meanwhile.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
model=$("$root/chasqui" models pull "${1:-qwen2.5-coder-0.5b}")
exec "$root/jmh/java.sh" dev.chasqui.jmh.TimeToFirstToken "$model" "${2:-5}" "$root/jmh/results/vision.jsonl" "${3:-0.1}" "${4:-12}" "${5:-384}"
