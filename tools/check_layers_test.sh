#!/usr/bin/env bash
# Tests check_layers.sh on a small tree: a good one passes, and each kind of fault is found and named.
set -euo pipefail
check=$(cd "$(dirname "$0")" && pwd)/check_layers.sh
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
failures=0

fresh_tree() {
  rm -rf "${tree:?}"/*
  mkdir -p "$tree"/src/{base,store,kernels,model,serve} "$tree/docs"
  printf 'loquat_module(base)\nloquat_module(store DEPS base)\nloquat_module(kernels DEPS base)\n' >"$tree/CMakeLists.txt"
  printf 'loquat_module(model DEPS kernels store)\nloquat_module(serve DEPS store)\n' >>"$tree/CMakeLists.txt"
  printf '| base | - | – |\n| store | - | base |\n| kernels | - | base |\n' >"$tree/docs/architecture.md"
  printf '| model | - | kernels, store |\n| serve | - | store |\n' >>"$tree/docs/architecture.md"
  printf '#include "base/b.h"\n#include <zlib.h>\n' >"$tree/src/store/s.h"
  printf '#include <vector>\n' >"$tree/src/base/b.h"
  # base is reached through kernels and store.
  printf '#include "base/b.h"\n#include "kernels/k.h"\n  # include "store/s.h"\n' >"$tree/src/model/m.cc"
  printf '#include <boost/asio.hpp>\n' >"$tree/src/serve/h.cc"
}
expect() { # expect STATUS TEXT WHAT
  local status=0 said
  said=$("$check" "$tree" 2>&1) || status=$?
  if [ "$status" -ne "$1" ] || [[ $said != *"$2"* ]]; then
    printf 'FAILED: %s: status %s (expected %s), said:\n%s\n' "$3" "$status" "$1" "$said"
    failures=$((failures + 1))
  fi
}

fresh_tree
expect 0 'no problem' 'a good tree'

fresh_tree
echo '#include "model/m.h"' >>"$tree/src/store/s.h"
expect 1 'src/store/s.h:3: store may not include "model/m.h"' 'an include upwards'

fresh_tree
mkdir "$tree/src/serve/deep"
echo '#include "kernels/k.h"' >"$tree/src/serve/deep/x_test.cc"
expect 1 'src/serve/deep/x_test.cc:1: serve may not include "kernels/k.h"' 'an include sideways, in a test below'

fresh_tree
echo '#include "m.h"' >>"$tree/src/model/m.cc"
expect 1 'src/model/m.cc:4: includes "m.h"' 'an include not named from src/'

fresh_tree
mkdir "$tree/src/extra" && echo >"$tree/src/extra/x.cc"
expect 1 'src/extra: a folder that CMakeLists.txt does not name' 'an unknown folder'

fresh_tree
echo '#include <pcre2.h>' >>"$tree/src/model/m.cc"
expect 1 'model may not include <pcre2.h>' 'a library where none is allowed'

fresh_tree
echo '#include <boost/asio.hpp>' >"$tree/src/serve/h.h"
expect 1 'Boost stays in .cc files' 'Boost in a header'

fresh_tree
for i in 1 2 3; do echo '#include <boost/beast.hpp>' >"$tree/src/serve/h$i.cc"; done
expect 1 'Boost is in 4 files' 'Boost in a fourth file'

fresh_tree
seq -f '// line %g' 701 >"$tree/src/base/long.cc"
expect 1 'src/base/long.cc: 701 lines' 'a file that is too long'
seq -f '// line %g' 650 >"$tree/src/base/long.cc"
expect 0 'warning: src/base/long.cc: 650 lines' 'a file that is rather long'

fresh_tree
echo 'loquat_module(low DEPS high)' >>"$tree/CMakeLists.txt"
expect 1 'low depends on high, which is not named above it' 'a layer that uses one above it'

fresh_tree
sed -i 's/^| serve .*/| serve | - | store, model |/' "$tree/docs/architecture.md"
expect 1 'serve may include model, which CMakeLists.txt does not name' 'a page that allows more'
sed -i 's/^| serve .*/| serve | - | – |/' "$tree/docs/architecture.md"
expect 1 'serve may include store by CMakeLists.txt' 'a page that allows less'
sed -i '/^| serve/d' "$tree/docs/architecture.md"
expect 1 'no row for serve' 'a page without a row'

if [ "$failures" -ne 0 ]; then exit 1; fi
echo "check_layers: all as expected"
