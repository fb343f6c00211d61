#!/bin/sh
# Lays out the content of the natives jar: the libraries of a preset under their sonames, and a list of them with checksums.
#
#   native/stage.sh PRESET DEST VERSION
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
preset=$1
dest=$2
version=$3
bin=$root/build/$preset/bin
. "$root/native/llama.cpp.pin"

case $(uname -s) in
    Linux)  os=linux ;;
    Darwin) os=macos ;;
    *)      os=windows ;;
esac
case $(uname -m) in
    x86_64|amd64)  arch=x86_64 ;;
    aarch64|arm64) arch=aarch64 ;;
    *)             arch=$(uname -m) ;;
esac

rm -rf "$dest"
folder=$dest/META-INF/chasqui/natives/$os-$arch
mkdir -p "$folder"

# Each library once, under the name that the others look for.
for library in "$bin"/lib*.so "$bin"/lib*.dylib; do
    [ -e "$library" ] || continue
    case $(basename "$library") in
        libggml*|libllama.*|libllama-common.*|libmtmd.*|libchasqui.*) ;;
        *) continue ;;
    esac
    name=$(basename "$library")
    if [ "$os" = linux ]; then
        soname=$(objdump -p "$library" | awk '$1 == "SONAME" { print $2 }')
        name=${soname:-$name}
    fi
    cp -L "$library" "$folder/$name"
    strip --strip-unneeded "$folder/$name" 2>/dev/null || true
done

sha256() { if command -v sha256sum >/dev/null; then sha256sum "$@"; else shasum -a 256 "$@"; fi; }

cd "$folder"
list=$(LC_ALL=C ls)
{
    echo "version=$version"
    echo "preset=$preset"
    echo "llama.tag=$LLAMA_CPP_TAG"
    echo "llama.tree=$LLAMA_CPP_TREE"
    if [ "$preset" = native ] && [ -r /proc/cpuinfo ]; then
        # Built for this very CPU: one that lacks any of its vector extensions cannot run it.
        flags=$(grep -m 1 '^flags' /proc/cpuinfo | tr ' ' '\n' | grep -E '^(sse4_2|avx|avx2|fma|f16c|bmi2|avx512.*|avx_vnni|amx_.*)$' | LC_ALL=C sort | tr '\n' ' ')
        echo "cpu.flags=${flags% }"
    fi
    echo "hash=$(sha256 $list | sha256 | cut -d ' ' -f 1)"
    for file in $list; do
        echo "file.$file=$(wc -c < "$file" | tr -d ' ') $(sha256 "$file" | cut -d ' ' -f 1)"
    done
} > natives.properties
cp "$root/LICENSE" "$root/THIRD-PARTY-NOTICES.md" "$dest/META-INF/"
