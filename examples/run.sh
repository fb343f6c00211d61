#!/bin/sh
# Runs an example from a checkout: builds what is missing first. Arguments: the folder of the example, then what it takes itself.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/.." && pwd)
preset=${CHASQUI_PRESET:-native}

example=$(find "$here/${1:?which example?}" -maxdepth 1 -iname "$1.java")
[ -n "$example" ] || { echo "run.sh: $1 is not run by this script, see examples/README.md" >&2; exit 2; }
shift
"$root/chasqui" --version >/dev/null # builds
exec "$("$root/chasqui" --java)" --enable-native-access=ALL-UNNAMED -Dchasqui.library.path="$root/build/$preset/bin" -cp "$root/cli/target/app/*" "$example" "$@"
