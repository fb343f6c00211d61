#!/usr/bin/env bash
# Installs Chasqui into a local repository made for it, builds the sample against nothing else, and runs it on the module path, on the class path, and in an
# image of jlink. Arguments go to both Maven runs (-o: offline).
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)

java=$("$root/chasqui" --java)
export JAVA_HOME=${java%/bin/java}
system=$(uname -s | sed 's/Linux/linux/; s/Darwin/macos/')-$(uname -m | sed 's/arm64/aarch64/')
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# What Maven has fetched before is taken over, Chasqui is not.
known=$HOME/.m2/repository
if [ -d "$known" ]; then
    cp -al "$known" "$work/repository" 2>/dev/null || cp -a "$known" "$work/repository"
    rm -rf "$work/repository/dev/chasqui"
fi
mvn -B -q -ntp "$@" -f "$root/pom.xml" -Dmaven.repo.local="$work/repository" -DskipTests -pl bom,native,java-api -am install
cp -r "$here/pom.xml" "$here/src" "$work"
mvn -B -q -ntp "$@" -f "$work/pom.xml" -Dmaven.repo.local="$work/repository" -Dchasqui.system="$system" package

app=$work/target/app
ls "$app"
answer() {
    echo "== $1"
    shift
    said=$("$@")
    echo "$said"
    [ -n "$said" ] || { echo "no answer" >&2; exit 1; }
}
natives=dev.chasqui.natives.${system//-/_}
answer "module path" "$java" --enable-native-access=dev.chasqui.bindings --add-modules "$natives" -p "$app" -m sample.rivers/sample.Rivers
answer "class path" "$java" --enable-native-access=ALL-UNNAMED -cp "$app/*" sample.Rivers
"$JAVA_HOME/bin/jlink" --module-path "$app" --add-modules sample.rivers,"$natives" \
    --launcher rivers=sample.rivers/sample.Rivers --add-options=--enable-native-access=dev.chasqui.bindings --strip-debug --no-header-files --no-man-pages --output "$work/image"
du -sh "$work/image"
answer "jlink" "$work/image/bin/rivers"
