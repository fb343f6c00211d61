#!/bin/sh
# Chasqui against other programs that answer from the same model file: speed, time to the first token of a new process and its peak memory, in interleaved
# rounds. Prints tables, appends rows to results/peers.jsonl. See docs/benchmarks.md.
#
#   jmh/compare-peers.sh [MODEL] [ROUNDS] [TEST...]
#
# MODEL: a name that 'chasqui models' lists (default smollm2-135m). TEST: generate, cold (default both). The first run gets the peers into build/peers: a jar of
# Maven Central, and a Python package that is compiled, which takes minutes. What cannot be had is left out with a line. Nothing else should run meanwhile.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
model=$("$root/chasqui" models pull "${1:-smollm2-135m}")
rounds=${2:-5}
shift $(($# < 2 ? $# : 2))
[ $# -gt 0 ] || set -- generate cold
peers=$root/build/peers
java_llama=4.2.0
python_llama=0.3.36
mkdir -p "$peers"

"$root/native/build.sh" native llama-bench llama-completion bench_llama_speculation >&2

jar=$peers/java-llama.cpp/llama-$java_llama.jar
java=$("$root/chasqui" --java)
if [ ! -f "$jar" ]; then
    mvn -B -q -ntp dependency:copy -Dartifact="de.kherud:llama:$java_llama" -DoutputDirectory="$peers/java-llama.cpp" >"$peers/java-llama.cpp.log" 2>&1 \
        || echo "java-llama.cpp is left out: the jar did not come, see $peers/java-llama.cpp.log" >&2
fi
if [ -f "$jar" ]; then
    "${java}c" -cp "$jar" -d "$peers/java-llama.cpp" "$root/jmh/peers/JavaLlamaCpp.java" >&2
fi

python=$peers/python/bin/python
if [ ! -f "$peers/python/.installed" ]; then
    echo "compiling llama-cpp-python, this takes some minutes (log: $peers/python.log)" >&2
    if python3 -m venv "$peers/python" >"$peers/python.log" 2>&1 \
            && "$python" -m pip install --no-input "llama-cpp-python==$python_llama" >>"$peers/python.log" 2>&1; then
        touch "$peers/python/.installed"
    else
        echo "llama-cpp-python is left out: it was not compiled, see $peers/python.log" >&2
    fi
fi

echo "Jlama is left out: it reads SafeTensors, not GGUF" >&2
for test in "$@"; do
    "$root/jmh/java.sh" dev.chasqui.jmh.ComparePeers "$test" "$root" "$model" "$rounds" "$root/jmh/results/peers.jsonl"
done
