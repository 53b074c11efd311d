#!/usr/bin/env bash
# Tells who allocates memory while calls are received: run.sh [STREAMS [SECONDS]], 8 and 60 unless given. See README.md.
# shellcheck disable=SC1091,SC2154  # prepare.sh sets them
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
streams=${1:-8} seconds=${2:-60}
. "$here/../receive-path/prepare.sh"
cc -O2 -Wall -fPIC -shared "$here/allocations.c" -o "$bench/allocations.so"

"$bench/venv/bin/python" "$here/../receive-path/publisher.py" 9090 crowd "$streams" "$data" &
publisher=$!
trap 'kill $publisher' EXIT
until curl -sf http://127.0.0.1:9090/info >/dev/null; do sleep .2; done
ALLOCATIONS_AFTER=15 ALLOCATIONS_FOR=$seconds LD_PRELOAD=$bench/allocations.so \
  "$receiver" 9090 "$streams" mix "$bench/allocations" $((seconds + 20)) 2>"$bench/allocations.txt"

awk -v seconds="$seconds" -v packets="$((streams * 50 * seconds))" '
  /^ALLOCATIONS / && NF > 3 { count[$2 " " $4] += $3; if ($4 == "bench-receiver") ours += $3 }
  END {
    for (key in count) printf "%-40s %8d  (%.3f a packet)\n", key, count[key], count[key] / packets | "sort"
    close("sort")
    printf "\nin %d s, %d packets: %d allocations by talkbridge itself\n", seconds, packets, ours
    exit ours > 0
  }' "$bench/allocations.txt" || { grep ' bench-receiver ' "$bench/allocations.txt"; exit 1; }
