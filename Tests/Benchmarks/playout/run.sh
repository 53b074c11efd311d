#!/usr/bin/env bash
# Measures the receive path on simulated networks. See README.md.
set -euo pipefail
cd "$(dirname "$0")/../../.."

swift build -c release --product bench-playout
program=$(swift build -c release --show-bin-path)/bench-playout
folder=$(mktemp -d)
[ -x .build-venv/bin/python ] || deploy/packages.sh test
trap 'rm -rf "$folder"' EXIT
gcc -O2 -shared -fPIC -o "$folder/allocations.so" Tests/Benchmarks/playout/allocations.c

part() {
  echo "--- $*"
  case $1 in
    cost) LD_PRELOAD=$folder/allocations.so "$program" "$@" ;;
    voices | stretch)
      "$program" "$@" "$folder"
      .build-venv/bin/python Tests/Benchmarks/playout/score.py "$folder"
      rm -f "$folder"/*.wav
      ;;
    *) "$program" "$@" ;;
  esac
}

if [ $# -gt 0 ]; then
  part "$@"
else
  part cost
  part voices
  part hour 150
  part hour -150
  part fuzz
  part plots .build-plots
  part music .build-plots
fi
