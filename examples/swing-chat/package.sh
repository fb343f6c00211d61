#!/bin/sh
# Makes a self-contained app of the desktop app, with a Java of its own: target/package/chasqui-chat (on macOS chasqui-chat.app).
# With CHASQUI_PRESET=variants it runs on old and new CPUs; otherwise on those like this one.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
app=$here/target/app
out=$here/target/package
preset=${CHASQUI_PRESET:-native}

"$here/run.sh" --build
java=$("$root/chasqui" --java)
natives=$here/target/natives
rm -rf "$out" "$natives"
mkdir -p "$natives"
for file in "$root/build/$preset/bin/"*; do
    case $file in
        *.so | *.so.* | *.dylib | *.dll) cp -R "$file" "$natives" ;;
    esac
done

# jpackage makes the Java with jlink, from the modules that the app needs.
"$(dirname "$java")/jpackage" --type app-image --name chasqui-chat --dest "$out" \
    --module-path "$app" --module dev.chasqui.examples.swingchat/dev.chasqui.examples.swingchat.SwingChat \
    --add-modules jdk.accessibility \
    --app-content "$natives" \
    --java-options --enable-native-access=dev.chasqui.bindings \
    --java-options '-Dchasqui.library.path=$APPDIR/../natives'
echo "$out"
