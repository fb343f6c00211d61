#!/bin/sh
# Runs an example from a checkout: builds what is missing first. Arguments: the folder of the example or a Java file of your own, then what the program takes itself.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/.." && pwd)
preset=${CHASQUI_PRESET:-native}

program=${1:?which example? See examples/README.md}
shift
case $program in
    *.java) ;;
    *) program=$(find "$here/$program" -maxdepth 1 -iname "$program.java") ;;
esac
[ -f "$program" ] || { echo "run.sh: no such program, see examples/README.md" >&2; exit 2; }
"$root/chasqui" --version >/dev/null # builds
exec "$("$root/chasqui" --java)" --enable-native-access=ALL-UNNAMED -Dchasqui.library.path="$root/build/$preset/bin" -cp "$root/cli/target/app/*" "$program" "$@"
