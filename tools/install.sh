#!/usr/bin/env bash
# Installs the packages that Loquat is built from, on Debian 12, Ubuntu 24.04 or newer: only those that are missing. Says
# what it will do; where nothing is missing it does nothing and is quick.
# npm builds the page; where it cannot be had, the program is built without it.
#   tools/install.sh --tests   also what some tests need and are skipped without: Chromium, where there is none
set -euo pipefail

packages=(g++ cmake ninja-build pkg-config libfmt-dev nlohmann-json3-dev libcli11-dev libtomlplusplus-dev libpcre2-dev
  libutf8proc-dev zlib1g-dev libzstd-dev libsqlite3-dev libpq-dev libsodium-dev libssl-dev
  libcurl4-openssl-dev libcjose-dev prometheus-cpp-dev libgtest-dev libgmock-dev)
least_boost=81 # Boost 1.81: older ones do not compile with coroutines of g++ 12

say() { printf '%s\n' "$*"; }
fail() {
  printf 'install: %s\n' "$*" >&2
  exit 1
}

with_tests=0
case ${1-} in
  '') ;;
  --tests) with_tests=1 ;;
  *)
    echo "usage: tools/install.sh [--tests]" >&2
    exit 2
    ;;
esac

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
  for tool in g++ cmake ninja pkg-config; do
    command -v "$tool" >/dev/null ||
      fail "this system has no apt-get and no $tool. Install what these Debian packages hold, then run this again:
  ${packages[*]} and Boost 1.$least_boost or newer"
  done
  say "No apt-get here: taking it that what Loquat is built from is installed."
  exit 0
fi

installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

boost_installed() {
  local name version
  while read -r name version _; do
    if [ "$version" = installed ] && [ "$(boost_minor "$name")" -ge $least_boost ]; then return 0; fi
  done < <(dpkg-query -W -f '${Package} ${db:Status-Status}\n' 'libboost1.*-dev' 2>/dev/null || true)
  return 1
}
boost_minor() { # libboost1.83-dev -> 83; other names (libboost1.83-tools-dev) -> 0
  if [[ $1 =~ ^libboost1\.([0-9]+)-dev$ ]]; then printf '%s' "${BASH_REMATCH[1]}"; else printf 0; fi
}
# The newest Boost that the package lists offer.
boost_offered() {
  local name best=0
  while read -r name _; do
    if [ "$(boost_minor "$name")" -gt "$best" ]; then best=$(boost_minor "$name"); fi
  done < <(apt-cache search --names-only '^libboost1\.[0-9]+-dev$' 2>/dev/null || true)
  if [ "$best" -ge $least_boost ]; then printf 'libboost1.%s-dev' "$best"; fi
}

missing=()
for package in "${packages[@]}"; do
  # pkgconf takes pkg-config's place on newer systems.
  if [ "$package" = pkg-config ] && command -v pkg-config >/dev/null; then continue; fi
  installed "$package" || missing+=("$package")
done
need_boost=0
boost_installed || need_boost=1
# What can be done without: the program is built without its page, or tests are skipped.
optional=()
command -v npm >/dev/null || optional=(nodejs npm)
if [ $with_tests -eq 1 ] && ! command -v chromium >/dev/null && [ -z "${CHROME:-}" ]; then optional+=(chromium); fi
required=1
if [ ${#missing[@]} -eq 0 ] && [ $need_boost -eq 0 ]; then required=0; fi
if [ $required -eq 0 ] && [ ${#optional[@]} -eq 0 ]; then exit 0; fi

wanted="${missing[*]}"
if [ $need_boost -eq 1 ]; then wanted="$wanted libboost1.$least_boost-dev (or newer)"; fi
if [ ${#optional[@]} -gt 0 ]; then wanted="${wanted:+$wanted }${optional[*]}"; fi
say "To be installed with apt-get: $wanted"

what_without() { # what_without [PACKAGE]
  case ${1:-${optional[0]}} in
    chromium) echo "the tests of the page in a browser will be skipped." ;;
    *) echo "the program will be built without its page, and the tests that need npm skipped." ;;
  esac
}
as_root=()
if [ "$(id -u)" -ne 0 ]; then
  if ! command -v sudo >/dev/null && [ $required -eq 0 ]; then
    say "Not root and no sudo: $(what_without)"
    exit 0
  fi
  command -v sudo >/dev/null || fail "not root and no sudo. As root, run: apt-get install $wanted"
  as_root=(sudo)
fi
apt() {
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -o Acquire::Retries=1 -o Acquire::http::Timeout=30 \
    -o Acquire::https::Timeout=30 "$@"
}

lists_fresh=1
apt update -qq -o APT::Update::Error-Mode=any || lists_fresh=0
if [ $need_boost -eq 1 ]; then
  boost=$(boost_offered)
  if [ -z "$boost" ]; then
    if [ $lists_fresh -eq 0 ]; then
      fail "the package servers cannot be reached (no network?). Missing: $wanted"
    fi
    fail "this system's packages have no Boost 1.$least_boost or newer. Debian 12 and Ubuntu 24.04 have it."
  fi
  missing+=("$boost")
fi
if [ $required -eq 1 ] && ! apt install -y -qq --no-install-recommends "${missing[@]}"; then
  if [ $lists_fresh -eq 0 ]; then
    fail "the package servers cannot be reached (no network?). Missing: ${missing[*]}
Bring a network up and run this again, or install them by hand: apt-get install ${missing[*]}"
  fi
  fail "apt-get could not install: ${missing[*]}"
fi
for package in "${optional[@]}"; do
  if [ "$package" != nodejs ] && ! apt install -y -qq --no-install-recommends "$package"; then
    say "apt-get could not install $package: $(what_without "$package")"
  fi
done
