#!/usr/bin/env bash
# tools/check_engine.sh [CMAKE OPTIONS]: builds the engine with the compiler, fmt and nlohmann-json alone, as on a machine
# where nothing else is installed, and holds what was compiled and linked against that: no other library's header was read,
# none is loaded. Into build/engine-alone; some minutes the first time.
set -euo pipefail
cd "$(dirname "$0")/.."
build=build/engine-alone
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! cmake --preset engine -B "$build" -DLOQUAT_ENGINE_LIBRARIES=OFF -DLOQUAT_WITH_MPI=OFF -DLOQUAT_WITH_CUDA=OFF "$@" >"$log" 2>&1; then
  cat "$log" >&2
  exit 1
fi
cmake --build "$build" --target loquat-engine

fail() {
  printf 'check_engine: %s\n' "$*" >&2
  exit 1
}
# Every header that any file read lies here, or is the compiler's, the C library's, fmt's or nlohmann-json's.
ninja -C "$build" -t deps >"$log"
[ -s "$log" ] || fail "ninja knows no dependencies"
foreign=$(grep -oE '/(usr|opt)/[^ ]*' "$log" | sort -u |
  grep -vE '^/usr/(include/(fmt|nlohmann|c\+\+|x86_64-linux-gnu|aarch64-linux-gnu|linux|asm-generic)/|include/[a-z_0-9-]+\.h$|include/(rpc|arpa|net|netinet)/|lib/(gcc|llvm)[^ ]*/include)' || true)
[ -z "$foreign" ] || fail "headers of other libraries were read: $foreign"
named=$(grep -E '/usr/include/(zlib|zconf|zstd|pcre2|utf8proc|sqlite3|sodium)[a-z_0-9]*\.h$' "$log" | sort -u || true)
[ -z "$named" ] || fail "headers of other libraries were read: $named"
loaded=$(ldd "$build/loquat-engine" | awk '{print $1}' |
  grep -vE '^(linux-vdso|libfmt|libstdc\+\+|libm|libgcc_s|libc|libpthread|/lib.*/ld-linux)' || true)
[ -z "$loaded" ] || fail "the program loads $loaded"

"$build/loquat-engine" bench gemm --params 1.5m --seconds 0.01 >"$log" || fail "bench: $(cat "$log")"
said=$("$build/loquat-engine" pretrain --out "$build/none" --set 'texts=["none.jsonl"]' --set tokenizer=none 2>&1) && fail "pretrain ran"
case $said in *none*) ;; *) fail "pretrain said: $said" ;; esac
printf 'check_engine: no other library\n'
