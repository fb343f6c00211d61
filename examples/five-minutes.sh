#!/usr/bin/env bash
# Does what docs/getting-started.md tells a newcomer to do, section by section, and prints the seconds that each takes. Ends with 1 if one of them fails.
#
# Commands are the page's blocks without a language; a Java block goes to the file that its first line names. "text" blocks are what was printed.
set -uo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root" || exit 1
work=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null; rm -rf "$work"' EXIT

# One script for each section: 1.sh, 2.sh, ...; its title in 1.title.
awk -v to="$work" '
    /^## [0-9]/ { section++; print substr($0, 4) > (to "/" section ".title"); next }
    /^## / { section = 0 }
    !section { next }
    /^```/ && inside { if (inside == "java") print "END_OF_JAVA" > script; inside = ""; next }
    /^```/ { inside = $0 == "```" ? "commands" : substr($0, 4); script = to "/" section ".sh"; first = 1; next }
    inside == "java" && first { print "cat > " $2 " <<\"END_OF_JAVA\"" > script; first = 0 }
    inside == "java" || inside == "commands" { print > script }
' docs/getting-started.md

# The section of the app: it does not end by itself, so what counts is that its window comes. On a display that nobody sees, with conversations that nobody keeps.
app() {
    if ! command -v Xvfb >/dev/null || ! command -v xwininfo >/dev/null; then
        echo "skipped: there is no Xvfb or no xwininfo"
        return 0
    fi
    Xvfb -displayfd 3 -screen 0 1280x900x24 -nolisten tcp 3>"$work/display" 2>/dev/null &
    local screen=$! came=1
    until [ -s "$work/display" ] || ! kill -0 $screen; do sleep 0.1; done
    export DISPLAY=:$(cat "$work/display")
    set -m # the app gets a process group of its own, which is ended as a whole
    XDG_DATA_HOME=$work bash -e "$1" </dev/null &
    local app=$!
    set +m
    while kill -0 $app 2>/dev/null && [ $SECONDS -lt 600 ]; do
        if xwininfo -root -tree | grep -q 'Chasqui'; then
            came=0
            echo "its window came"
            break
        fi
        sleep 0.2
    done
    kill -- -$app 2>/dev/null
    wait $app 2>/dev/null
    kill $screen
    return $came
}

failed=0
for title in "$work"/*.title; do
    script=${title%.title}.sh
    echo "== $(cat "$title")"
    SECONDS=0
    if grep -q swing-chat "$script"; then app "$script"; else bash -e "$script" </dev/null; fi
    if [ $? = 0 ]; then status=done; else status=FAILED failed=1; fi
    printf '== %s in %d s\n\n' "$status" $SECONDS
done
exit $failed
