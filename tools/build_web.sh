#!/usr/bin/env bash
# Builds the page (web/) into build/web, which CMake puts into the program; nothing is done where its sources are as they were.
# Where npm is missing or cannot fetch the page's packages it says so, and the program gets a page that says the same
# (src/app/no_page); all else of the program is the same.
#   LOQUAT_NO_WEB=1: not to be built
set -euo pipefail
cd "$(dirname "$0")/.."
out=build/web
mkdir -p build

without() {
  echo "build_web: the page is not built: $*" >&2
  rm -rf "$out"
  exit 0
}
[ -z "${LOQUAT_NO_WEB:-}" ] || without "LOQUAT_NO_WEB is set"
command -v npm >/dev/null || without "there is no npm (tools/install.sh installs it)"
[ "$(node -p 'process.versions.node.split(".")[0]')" -ge 18 ] || without "it needs Node 18 or newer"

# What the page is made of, by content: a checkout changes times but not the page.
sources=$(cd web && find index.html package-lock.json package.json tsconfig.json vite.config.ts src public -type f ! -name '*.test.ts' \
  ! -name '*.test.tsx' -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum)
if [ -f "$out/index.html" ] && [ "$(cat build/web.stamp 2>/dev/null)" = "$sources" ]; then exit 0; fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT
cd web
if [ node_modules/.package-lock.json -ot package-lock.json ]; then
  echo "build_web: fetching the page's packages with npm" >&2
  if ! timeout 300 npm ci --prefer-offline --no-audit --no-fund --fetch-retries=1 --fetch-timeout=60000 >"$log" 2>&1; then
    tail -n 5 "$log" >&2
    rm -rf node_modules
    cd ..
    without "npm could not fetch its packages (no network?)"
  fi
  touch node_modules/.package-lock.json
fi
# A page that does not compile is an error, not a page left out.
if ! { npx tsc --noEmit && LOQUAT_WEB_OUT=../build/web.new npx vite build --logLevel warn; } >"$log" 2>&1; then
  cat "$log" >&2
  exit 1
fi
cd ..
rm -rf "$out"
mv build/web.new "$out"
echo "$sources" >build/web.stamp
