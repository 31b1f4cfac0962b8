#!/usr/bin/env bash
# The page's tests: Vitest, then end to end in Chromium against the fake server (web/test/e2e): every action, axe, and the
# corpus of hostile markup. Status 77 (skipped, with the reason) where npm, its packages or a browser cannot be had.
#   run.sh [NAME...]   only the end-to-end tests whose names hold one of these
#   run.sh --real      against the program, $LOQUAT (test/real): people, the studio, reviewing, the chat, sign-in by OpenID Connect and
#                      the whole loop from ranking to the next model
set -euo pipefail
cd "$(dirname "$0")/.."

skip() {
  echo "web: skipped: $*"
  exit 77
}
command -v npm >/dev/null || skip "there is no npm (tools/install.sh installs it)"
[ "$(node -p 'process.versions.node.split(".")[0]')" -ge 18 ] || skip "it needs Node 18 or newer"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
exec 9<package.json
flock 9 # both kinds of tests may start at once
if [ node_modules/.package-lock.json -ot package-lock.json ]; then
  if ! timeout 240 npm ci --prefer-offline --fetch-retries=1 --fetch-timeout=60000 >"$work/npm.txt" 2>&1; then
    cat "$work/npm.txt"
    rm -rf node_modules
    skip "npm could not install the page's packages (no network?)"
  fi
  touch node_modules/.package-lock.json
fi
flock -u 9

if [ "${1:-}" = --real ]; then
  [ -n "${LOQUAT:-}" ] || skip "\$LOQUAT names no program"
  shift
  node test/real/run.mjs "$@"
  exit
fi
npx tsc --noEmit
[ $# -gt 0 ] || npx vitest run
LOQUAT_WEB_OUT="$work/dist" npx vite build --logLevel warn
export LOQUAT_WEB_DIST="$work/dist"
node test/e2e/run.mjs "$@"
