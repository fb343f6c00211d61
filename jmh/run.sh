#!/bin/sh
# Runs the JMH benchmarks; arguments go to JMH, e.g.  jmh/run.sh TokenLoop -prof gc
exec "$(dirname "$0")/java.sh" org.openjdk.jmh.Main "$@"
