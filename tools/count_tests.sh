#!/usr/bin/env bash
# tools/count_tests.sh LastTest.log: "passed failed skipped" of what ctest ran. A GoogleTest program counts by its cases, any
# other program as one; a GoogleTest program that ended badly with no failed case (a crash) adds one failure.
set -euo pipefail
awk '
  function close_test() {
    if (!open) return
    if (cases == 0) { if (verdict == "passed") passed++; else if (verdict == "skipped") skipped++; else failed++ }
    else if (verdict == "failed" && bad == 0) failed++
    open = 0
  }
  /^[0-9]+\/[0-9]+ Test: / { close_test(); open = 1; cases = 0; bad = 0; verdict = "failed" }
  /^\[       OK \] / { cases++; passed++ }
  /^\[  SKIPPED \] .* \([0-9]+ ms\)$/ { cases++; skipped++ }
  /^\[  FAILED  \] .* \([0-9]+ ms\)$/ { cases++; bad++; failed++ }
  /^Test Passed\./ { verdict = "passed" }
  /^Test Skipped\./ { verdict = "skipped" }
  END { close_test(); print passed + 0, failed + 0, skipped + 0 }
' "$1"
