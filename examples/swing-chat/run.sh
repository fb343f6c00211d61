#!/bin/sh
# Starts the desktop app from a checkout: builds what is missing first. Arguments: a model, if it shall not be the one of the last time.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
app=$here/target/app
preset=${CHASQUI_PRESET:-native}

stale() {
    [ ! -f "$app/.built" ] || [ -n "$(find "$root/pom.xml" "$root/models.json" "$root/bindings/src/main" "$root/java-api/src/main" "$root/extensions-c" \
        "$root/CMakeLists.txt" "$root/native/llama.cpp.pin" "$here/pom.xml" "$here/src/main" -newer "$app/.built" -print 2>/dev/null | head -n 1)" ]
}

if stale; then
    echo "swing-chat: building, this takes some minutes the first time (log: build/swing-chat.log)" >&2
    mkdir -p "$root/build"
    (cd "$root" && native/build.sh "$preset" chasqui && mvn -B -q -ntp -DskipTests -pl examples/swing-chat -am package) >"$root/build/swing-chat.log" 2>&1 || {
        tail -n 40 "$root/build/swing-chat.log" >&2
        echo "swing-chat: the build failed, see build/swing-chat.log" >&2
        exit 1
    }
    touch "$app/.built"
fi
if [ "${1:-}" = --build ]; then
    exit 0 # for package.sh
fi
exec "$("$root/chasqui" --java)" --enable-native-access=dev.chasqui.bindings -Dchasqui.library.path="$root/build/$preset/bin" \
    -p "$app" -m dev.chasqui.examples.swingchat/dev.chasqui.examples.swingchat.SwingChat "$@"
