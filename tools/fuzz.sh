#!/usr/bin/env bash
# Builds the preset "fuzz" (clang++) and runs each fuzzer, or those that are named (http, api, ...), on its corpus for
# LOQUAT_FUZZ_SECONDS (900) each, one after another. New inputs gather in build/fuzz/corpus/NAME and are used again; an
# input that a fuzzer fails on stays in build/fuzz/found. Status 1 where there is one.
set -euo pipefail
cd "$(dirname "$0")/.."

names=("$@")
if [ $# -eq 0 ]; then
  for file in fuzz/*_fuzz.cc; do names+=("$(basename "$file" _fuzz.cc)"); done
fi
targets=()
for name in "${names[@]}"; do targets+=("${name}_fuzz"); done
tools/build.sh fuzz "${targets[@]}"

status=0
mkdir -p build/fuzz/found
for name in "${names[@]}"; do
  finds=build/fuzz/corpus/$name log=build/fuzz/$name.log
  mkdir -p "$finds"
  echo "=== fuzz $name: ${LOQUAT_FUZZ_SECONDS:-900} s"
  if "build/fuzz/fuzz/${name}_fuzz" -max_total_time="${LOQUAT_FUZZ_SECONDS:-900}" -timeout=60 -rss_limit_mb=4096 \
    -print_final_stats=1 -artifact_prefix="build/fuzz/found/$name-" "$finds" "fuzz/corpus/$name" >"$log" 2>&1; then
    grep -E '^stat::number_of_executed_units' "$log" || true
  else
    tail -n 60 "$log"
    echo "=== fuzz $name: failed; the input is in build/fuzz/found" >&2
    status=1
  fi
done
exit $status
