#!/usr/bin/env bash
# tools/count_tests.sh LastTest.log SCREEN: "passed failed skipped" of what ctest ran; SCREEN holds what it printed (only
# there does it say that a program was skipped). A GoogleTest program counts by its cases, any other program as one; a
# GoogleTest program that ended badly with no failed case (a crash) adds one failure.
set -euo pipefail
awk '
  function close_test() {
    if (!open) return
    if (cases == 0) { if (good) passed++; else failed++ }
    else if (!good && bad == 0) failed++
    open = 0
  }
  FILENAME == ARGV[2] { if (/\*\*\*Skipped/) { passed--; skipped++ } next }
  /^[0-9]+\/[0-9]+ Test: / { close_test(); open = 1; cases = bad = good = 0 }
  /^\[       OK \] / { cases++; passed++ }
  /^\[  SKIPPED \] .* \([0-9]+ ms\)$/ { cases++; skipped++ }
  /^\[  FAILED  \] .* \([0-9]+ ms\)$/ { cases++; bad++; failed++ }
  /^Test Passed\./ { good = 1 }
  END { close_test(); print passed + 0, failed + 0, skipped + 0 }
' "$1" "$2"
