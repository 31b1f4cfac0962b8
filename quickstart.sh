#!/usr/bin/env bash
# From a fresh Debian 12 or Ubuntu 24.04 to an assistant to talk to: installs what is missing, builds, and runs the town's
# recipe with its live page at http://localhost:8080. Run again, it goes on where it stopped.
set -euo pipefail
cd "$(dirname "$0")"

usage() {
  cat <<'TEXT'
usage: ./quickstart.sh [options] [options of `loquat recipe run`]
  --no-serve       end when the recipe has ended: no page, no server
  --port N         the page's port (8080)
  --scale S        smoke (about a minute), quick (the default), full (an hour or two)
  --out DIR        where the run is written (runs/town)
Others, such as --seed N and --world-seed N, go to `loquat recipe run`.
TEXT
}

serve=1 port=8080 scale=quick out=runs/town
others=()
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) usage && exit 0 ;;
    --no-serve) serve=0 ;;
    --serve) serve=1 ;;
    --port=* | --scale=* | --out=*)
      name=${1%%=*}
      printf -v "${name#--}" '%s' "${1#*=}"
      ;;
    --port | --scale | --out)
      if [ $# -lt 2 ]; then
        echo "quickstart: $1: its value is missing" >&2
        exit 2
      fi
      printf -v "${1#--}" '%s' "$2"
      shift
      ;;
    *) others+=("$1") ;;
  esac
  shift
done
case $scale in
  smoke | quick | full) ;;
  *)
    echo "quickstart: --scale $scale: expected smoke, quick or full" >&2
    exit 2
    ;;
esac
if ! [[ $port =~ ^[0-9]+$ ]] || [ "$port" -lt 1 ] || [ "$port" -gt 65535 ]; then
  echo "quickstart: --port $port: expected a number from 1 to 65535" >&2
  exit 2
fi

tools/install.sh
echo "Building build/release/loquat ($(nproc) cores) ..."
tools/build.sh release loquat

arguments=(recipe run recipes/town.toml --out "$out" --scale "$scale")
if [ $serve -eq 1 ]; then arguments+=(--serve --port "$port"); fi
exec build/release/loquat "${arguments[@]}" "${others[@]}"
