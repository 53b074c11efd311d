#!/usr/bin/env bash
# Runs all tests, those against the real servers included; installs what is missing first.
#
#   deploy/test.sh                  # everything
#   deploy/test.sh --filter RTP     # what `swift test` makes of these arguments
#
# TEST_LIMIT (default 45m) bounds each of the two runs: a test that hangs must not hang whoever waits for it.
set -euo pipefail
cd "$(dirname "$0")/.."

deploy/packages.sh test
swift format lint --strict --recursive Sources Tests Package.swift
if grep -rnE 'import Foundation$' Sources; then
  echo "deploy/test.sh: FoundationEssentials will do; Foundation makes the installed binary three times as large" >&2
  exit 1
fi
swift build --build-tests

export PATH=$PWD/.build-rig/bin:$PATH
RIG_LOGS=$(mktemp -d)
export RIG_LOGS
finish() {
  local status=$?
  if [ $status != 0 ]; then
    for log in "$RIG_LOGS"/*/*.log; do
      [ -e "$log" ] || continue
      echo "--- end of ${log#"$RIG_LOGS"/}"
      tail -n 25 "$log"
    done >&2
    # Last, where whoever looks at a long log looks first.
    echo "--- what failed"
    if [ -e "$RIG_LOGS/tests.txt" ]; then
      grep -E -A 30 '^✘.*recorded an issue|error: |CRITICAL \*\*' "$RIG_LOGS/tests.txt" | tail -n 150 || true
      grep '^✘' "$RIG_LOGS/tests.txt" || true
    fi
    [ $status = 124 ] && echo "deploy/test.sh: stopped after ${TEST_LIMIT:-45m}" >&2
  fi
  rm -rf "$RIG_LOGS"
}
trap finish EXIT

run() {
  timeout --foreground -k 5 "${TEST_LIMIT:-45m}" deploy/rig/namespace.sh swift test --skip-build "$@" </dev/null 2>&1 |
    tee -a "$RIG_LOGS/tests.txt"
}
status=0
if [ $# -gt 0 ]; then
  run "$@" || status=$?
else
  run --skip SystemTests --no-parallel || status=$?
  # And these apart: they share the servers' ports, and measure what others would disturb.
  run --filter SystemTests --no-parallel || status=$?
fi
# GLib goes on after what it calls critical, often in freed memory.
if grep -q 'CRITICAL \*\*' "$RIG_LOGS/tests.txt"; then status=1; fi
(exit "$status")
