#!/bin/sh
# Lays out the content of the natives jar for every platform: what stage.sh laid out in STAGED, and what the natives jars of other
# machines in FOLDER hold. Refuses what does not belong to the same build, and what was damaged on its way.
#
#   native/merge.sh STAGED FOLDER DEST
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
staged=$1
folder=$2
dest=$3
natives=META-INF/chasqui/natives
. "$root/native/contents.sh"

refuse() {
    echo "merge.sh: $1" >&2
    exit 1
}

# The value of key $2 in the natives.properties of folder $1.
property() { sed -n "s/^$2=//p" "$1/natives.properties"; }

# Refuses jar $1 if key $3 of its folder $2 has another value than in this build.
compare() {
    theirs=$(property "$2" "$3")
    ours=$(property "$staged/$natives"/* "$3")
    [ "$theirs" = "$ours" ] || refuse "$1 has $3=$theirs, this build $ours"
}

# Refuses jar $1 if the libraries in its folder $2 are not those that its natives.properties lists.
check_libraries() {
    listed=$(grep -E '^(hash|file\..*)=' "$2/natives.properties" | LC_ALL=C sort)
    found=$(cd "$2" && describe_libraries | LC_ALL=C sort)
    [ -n "$found" ] || refuse "$1 is not a natives jar: it has no libraries"
    [ "$found" != "$listed" ] || return 0
    wrong=$(printf '%s\n' "$found" "$listed" | LC_ALL=C sort | uniq -u | sed -n 's/^file\.\([^=]*\)=.*/\1/p' | uniq | paste -s -d ' ' -)
    refuse "$1 is damaged: its natives.properties says otherwise of ${wrong:-the hash of its libraries}"
}

[ -d "$folder" ] || refuse "there is no folder $folder"
folder=$(cd "$folder" && pwd)
unpacked=$(mktemp -d)
trap 'rm -rf "$unpacked"' EXIT

rm -rf "$dest"
mkdir -p "$dest"
cp -R "$staged/META-INF" "$dest"

for jar in "$folder"/*.jar; do
    [ -e "$jar" ] || refuse "$folder holds no jars"
    names=$(cmake -E tar tf "$jar" 2>/dev/null) || refuse "$jar is not a natives jar: it cannot be read"
    ! printf '%s\n' "$names" | grep -q -E '^/|(^|/)\.\.(/|$)' || refuse "$jar is not a natives jar: it has names that leave its folder"
    rm -rf "$unpacked/jar"
    mkdir "$unpacked/jar"
    (cd "$unpacked/jar" && cmake -E tar xf "$jar") || refuse "$jar is damaged: it cannot be unpacked"
    for platform in "$unpacked/jar/$natives"/*; do
        name=$(basename "$platform")
        [ -f "$platform/natives.properties" ] || refuse "$jar is not a natives jar: it has no $natives/PLATFORM/natives.properties"
        [ ! -e "$dest/$natives/$name" ] || refuse "$jar has libraries for $name; this machine or another jar has them already"
        compare "$jar" "$platform" version
        compare "$jar" "$platform" llama.tree
        check_libraries "$jar" "$platform"
        cp -R "$platform" "$dest/$natives"
    done
    # One copy speaks for all of them.
    for licence in LICENSE THIRD-PARTY-NOTICES.md; do
        cmp -s "$unpacked/jar/META-INF/$licence" "$staged/META-INF/$licence" || refuse "$jar has another $licence than this build"
    done
done

# Jars keep these, and they came from many machines.
chmod -R u=rwX,go=rX "$dest"
echo "module dev.chasqui.natives.all { }" > "$dest/module-info.java"
