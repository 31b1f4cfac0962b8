#!/usr/bin/env bash
# tools/build.sh PRESET [TARGET...]: configures a preset of CMakePresets.json and builds it (or only the targets) with all
# cores, after the page (tools/build_web.sh). Uses ccache and a fast linker (mold, lld) where they are installed.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ $# -lt 1 ]; then
  echo "usage: tools/build.sh PRESET [TARGET...]" >&2
  exit 2
fi
preset=$1
shift

if [ -z "${LOQUAT_LAUNCHER:-}" ] && command -v ccache >/dev/null; then LOQUAT_LAUNCHER=ccache; fi
export LOQUAT_LAUNCHER="${LOQUAT_LAUNCHER:-}"
export CCACHE_SLOPPINESS="${CCACHE_SLOPPINESS:-pch_defines,time_macros}" # or it keeps nothing made with precompiled headers
linker=""
for name in mold lld gold; do
  if command -v "ld.$name" >/dev/null; then
    linker="-fuse-ld=$name"
    break
  fi
done

[ "$preset" = engine ] || tools/build_web.sh  # the engine has no page

log=$(mktemp)
trap 'rm -f "$log"' EXIT
# What CMake says is of interest only when it fails.
if ! cmake --preset "$preset" -DCMAKE_EXE_LINKER_FLAGS="$linker" >"$log" 2>&1; then
  cat "$log" >&2
  exit 1
fi
targets=()
if [ $# -gt 0 ]; then targets=(--target "$@"); fi
cmake --build "build/$preset" -j "$(nproc)" "${targets[@]}"
