#!/usr/bin/env bash
# Every shell script parses, stops at errors, and passes shellcheck where that is installed.
set -euo pipefail
cd "$(dirname "$0")/.."
status=0
scripts=(quickstart.sh test.sh .ci/run)
while IFS= read -r script; do scripts+=("$script"); done < <(find tools tests -name node_modules -prune -o -name '*.sh' -print | sort)
for script in "${scripts[@]}"; do
  bash -n "$script" || status=1
  if ! grep -q '^set -euo pipefail$' "$script"; then
    echo "$script: no 'set -euo pipefail'"
    status=1
  fi
  if [ ! -x "$script" ]; then
    echo "$script: not executable"
    status=1
  fi
  if command -v shellcheck >/dev/null; then shellcheck -S warning "$script" || status=1; fi
done
exit $status
