#!/usr/bin/env bash
# Tests install.sh with stand-ins for dpkg-query, apt-get, apt-cache, id and sudo: what it asks for and what it says.
set -euo pipefail
install=$(cd "$(dirname "$0")" && pwd)/install.sh
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/bin"
failures=0

stand_in() { # stand_in NAME BODY
  printf '#!/bin/bash\n%s\n' "$2" >"$work/bin/$1"
  chmod +x "$work/bin/$1"
}
# The state of the pretended system: files named after the installed packages; what apt-cache offers; network: yes or no.
fresh_system() {
  rm -rf "$work/installed" "$work/calls"
  mkdir "$work/installed"
  : >"$work/calls"
  local package
  for package in g++ cmake ninja-build pkg-config libfmt-dev nlohmann-json3-dev libcli11-dev libtomlplusplus-dev \
    libpcre2-dev libutf8proc-dev zlib1g-dev libzstd-dev libsqlite3-dev libpq-dev libsodium-dev libssl-dev \
    libcurl4-openssl-dev libcjose-dev prometheus-cpp-dev libgtest-dev libgmock-dev libboost1.81-dev; do
    touch "$work/installed/$package"
  done
  printf 'libboost1.74-dev - x\nlibboost1.83-dev - x\n' >"$work/offered"
  echo yes >"$work/network"
  echo 0 >"$work/uid"
}
stand_in dpkg-query 'name=${@: -1}
if [[ $name == *\** ]]; then for f in '"$work"'/installed/libboost*; do [ -e "$f" ] && echo "${f##*/} installed"; done; exit 0; fi
[ -e "'"$work"'/installed/$name" ] && printf installed || exit 1'
stand_in apt-get 'echo "apt-get $*" >>'"$work"'/calls
[ "$(cat '"$work"'/network)" = yes ]'
stand_in apt-cache 'cat '"$work"'/offered'
stand_in id 'cat '"$work"'/uid'
stand_in pkg-config 'exit 0'
stand_in npm 'exit 0'
stand_in chromium 'exit 0'
# Programs that install.sh runs, so that the system's own npm and Chromium, where there are, are not seen.
for tool in bash cat env; do ln -s "$(command -v $tool)" "$work/bin/$tool"; done

expect() { # expect STATUS SAID CALLS WHAT [ARGUMENT...]
  local status=0 said calls
  said=$(PATH="$work/bin" "$install" "${@:5}" 2>&1) || status=$?
  calls=$(cat "$work/calls")
  if [ "$status" -ne "$1" ] || [[ $said != *"$2"* ]] || [[ $calls != *"$3"* ]] || { [ -z "$3" ] && [ -n "$calls" ]; }; then
    printf 'FAILED: %s: status %s (expected %s)\nsaid: %s\ncalls: %s\n' "$4" "$status" "$1" "$said" "$calls"
    failures=$((failures + 1))
  fi
}

fresh_system
expect 0 '' '' 'nothing is missing: apt-get is not called'

fresh_system
rm "$work/installed/libfmt-dev"
expect 0 'To be installed with apt-get: libfmt-dev' '--no-install-recommends libfmt-dev' 'one package is missing'

fresh_system
mv "$work/installed/libboost1.81-dev" "$work/installed/libboost1.74-dev"
expect 0 'libboost1.81-dev (or newer)' 'libboost1.83-dev' 'Boost is too old, a newer one is offered'

fresh_system
mv "$work/installed/libboost1.81-dev" "$work/installed/libboost1.90-dev"
expect 0 '' '' 'a newer Boost is good'

fresh_system
rm "$work/installed/libboost1.81-dev"
echo 'libboost1.74-dev - x' >"$work/offered"
expect 1 'no Boost 1.81 or newer' 'update' 'no Boost to be had'

fresh_system
rm "$work/installed/cmake"
echo no >"$work/network"
expect 1 'no network?). Missing: cmake' 'install' 'no network'

fresh_system
rm "$work/installed/cmake" "$work/installed/libboost1.81-dev"
: >"$work/offered"
echo no >"$work/network"
expect 1 'Missing: cmake libboost1.81-dev (or newer)' 'update' 'no network and no package lists'

fresh_system
rm "$work/installed/cmake"
echo 1000 >"$work/uid"
stand_in sudo 'echo "sudo $1" >>'"$work"'/calls; "$@"'
expect 0 'cmake' 'sudo env' 'not root: sudo is used'

echo 0 >"$work/uid"
fresh_system
expect 0 '' '' 'npm and Chromium are there' --tests
rm "$work/bin/chromium"
expect 0 '' '' 'Chromium is not asked for without --tests'
expect 0 'apt-get: chromium' '--no-install-recommends chromium' 'Chromium is missing' --tests
rm "$work/bin/npm"
fresh_system
expect 0 'apt-get: nodejs npm' '--no-install-recommends npm' 'npm is missing'
fresh_system
rm "$work/installed/cmake"
expect 0 'apt-get: cmake nodejs npm chromium' '--no-install-recommends npm' 'npm, Chromium and a package are missing' --tests
fresh_system
echo no >"$work/network"
expect 0 'built without its page' 'install' 'npm is missing and there is no network'
expect 0 'in a browser will be skipped' 'install' 'Chromium is missing and there is no network' --tests
fresh_system
expect 2 'usage' '' 'an argument that there is not' --test
if [ "$failures" -ne 0 ]; then exit 1; fi
echo "install: all as expected"
