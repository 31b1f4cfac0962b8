#!/usr/bin/env bash
# Installs what is missing, builds everything and runs all tests. The last line counts them.
#   ./test.sh          the release build's tests (under 15 minutes on 2 cores)
#   ./test.sh --long   the long ones too (LOQUAT_LONG_TESTS=1), the engine alone (tools/check_engine.sh), and where clang++ is
#                      the fuzzers (tools/fuzz.sh)
#   ./test.sh --full   --long, and the tests again in the address/undefined and thread sanitizer builds
set -euo pipefail
cd "$(dirname "$0")"

presets=(release)
for argument in "$@"; do
  case $argument in
    --long) export LOQUAT_LONG_TESTS=1 ;;
    --full)
      export LOQUAT_LONG_TESTS=1
      presets=(release asan-ubsan tsan)
      ;;
    *)
      echo "usage: ./test.sh [--long | --full]" >&2
      exit 2
      ;;
  esac
done

tools/install.sh --tests
export ASAN_OPTIONS="${ASAN_OPTIONS:-detect_leaks=1:strict_string_checks=1}"
export UBSAN_OPTIONS="${UBSAN_OPTIONS:-print_stacktrace=1}"
export TSAN_OPTIONS="${TSAN_OPTIONS:-halt_on_error=1}"

passed=0 failed=0 skipped=0
for preset in "${presets[@]}"; do
  echo "=== $preset: building ($(nproc) cores)"
  start=$SECONDS
  if ! tools/build.sh "$preset"; then
    echo "=== $preset: does not build"
    failed=$((failed + 1))
    continue
  fi
  echo "=== $preset: built in $((SECONDS - start)) s; testing"
  start=$SECONDS
  # Tests that a sanitizer would not tell more about, or that take too long under one, have the label release-only.
  chosen=()
  if [ "$preset" != release ]; then chosen=(-LE release-only); fi
  ended=0
  screen=build/$preset/ctest.txt
  ctest --test-dir "build/$preset" -j "$(nproc)" --output-on-failure --no-tests=error "${chosen[@]}" 2>&1 |
    tee "$screen" || ended=$?
  read -r p f s < <(tools/count_tests.sh "build/$preset/Testing/Temporary/LastTest.log" "$screen" || echo 0 1 0)
  if [ $ended -ne 0 ] && [ "$f" -eq 0 ]; then f=1; fi # a program that crashed or ran too long
  echo "=== $preset: tested in $((SECONDS - start)) s: $p passed, $f failed, $s skipped"
  passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
done
if [ "${LOQUAT_LONG_TESTS:-}" = 1 ] && command -v clang++ >/dev/null; then
  if tools/fuzz.sh; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
fi
if [ "${LOQUAT_LONG_TESTS:-}" = 1 ]; then
  if tools/check_engine.sh; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
fi
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
