#!/bin/sh
# Builds the library and this module, then runs one of its classes:  jmh/java.sh CLASS ARGUMENTS...
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
"$root/native/build.sh" native chasqui >&2
(cd "$root" && mvn -B -q -ntp -DskipTests -Dchasqui.natives.skip -pl jmh -am package) >&2
exec "$("$root/chasqui" --java)" --enable-native-access=ALL-UNNAMED -Dchasqui.library.path="$root/build/native/bin" \
    -cp "$root/jmh/target/classes:$root/jmh/target/lib/*" "$@"
