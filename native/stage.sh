#!/bin/sh
# Lays out the content of a natives jar: the libraries of a preset under the names that they look for each other by,
# and natives.properties, which lists them with sizes and checksums.
#
#   native/stage.sh PRESET DEST VERSION [CLASSIFIER]
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
preset=$1
dest=$2
version=$3
bin=$root/build/$preset/bin
. "$root/native/llama.cpp.pin"
. "$root/native/contents.sh"

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
classifier=${4:-$os-$arch}

case $classifier in
    "$os-$arch"|"$os-$arch"-*) ;;
    *) echo "stage.sh: this machine builds for $os-$arch, not $classifier" >&2; exit 1 ;;
esac

rm -rf "$dest"
folder=$dest/META-INF/chasqui/natives/$os-$arch
mkdir -p "$folder"

# The name by which the dynamic linker asks for library $1; none for a backend that is loaded by its path.
linked_name() {
    case $os in
        linux) objdump -p "$1" | awk '$1 == "SONAME" { print $2 }' ;;
        macos) otool -D "$1" | sed -n '2s|.*/||p' ;;
    esac
}

# A library and its version links are one file here.
for library in "$bin"/lib*.so "$bin"/lib*.dylib "$bin"/*.dll; do
    [ -e "$library" ] || continue
    case $(basename "$library") in
        libggml*|libllama.*|libllama-common.*|libmtmd.*|libchasqui.*) ;;
        ggml*|llama.dll|llama-common.dll|mtmd.dll|chasqui.dll) ;;
        *) continue ;;
    esac
    name=$(linked_name "$library")
    name=${name:-$(basename "$library")}
    [ ! -e "$folder/$name" ] || continue
    cp -L "$library" "$folder/$name"
    case $os in
        linux) strip --strip-unneeded "$folder/$name" ;;
        macos) strip -x "$folder/$name" ;;
    esac
done
for needed in ggml-base ggml ggml-chasqui ggml-rpc llama llama-common mtmd chasqui; do
    ls "$folder" | grep -q "^\(lib\)\{0,1\}$needed\.[sd]" || {
        echo "stage.sh: $bin has no $needed, run native/build.sh $preset" >&2
        exit 1
    }
done

# What the compiler may have used without being asked: built for this very processor, one that lacks any of it cannot run the libraries.
cpu_flags() {
    [ -r /proc/cpuinfo ] || return 0
    sed -n -e '/^\(flags\|Features\)/{s/^[^:]*://p;q;}' /proc/cpuinfo | tr ' ' '\n' \
        | grep -E -x 'popcnt|movbe|abm|bmi[12]|sse4_[12]|avx|avx2|fma|f16c|gfni|avx512.*|avx_.*|avx10.*|amx_.*|asimd.*|fphp|sve.*|sme2?|i8mm|bf16' \
        | LC_ALL=C sort | tr '\n' ' ' | sed 's/ $//'
}

cd "$folder"
{
    echo "version=$version"
    echo "preset=$preset"
    echo "llama.tag=$LLAMA_CPP_TAG"
    echo "llama.tree=$LLAMA_CPP_TREE"
    if [ "$preset" = native ]; then
        echo "cpu.flags=$(cpu_flags)"
    fi
    describe_libraries
} > natives.properties
cp "$root/LICENSE" "$root/THIRD-PARTY-NOTICES.md" "$dest/META-INF/"

# A module of its own, so that the jar can be named with --add-modules and linked into a runtime image.
module=dev.chasqui.natives.$(echo "$classifier" | tr '-' '_')
echo "module $module { }" > "$dest/module-info.java"
