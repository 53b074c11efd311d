#!/usr/bin/env bash
# Measures how calls sound and what they cost, beside Chromium: run.sh [quick|full]. See README.md.
# shellcheck disable=SC1091,SC2154  # prepare.sh sets them
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
mode=${1:-full}
case $mode in quick | full) ;; *) echo "usage: run.sh [quick|full]" >&2; exit 64 ;; esac
. "$here/prepare.sh"
exec "$bench/venv/bin/python" "$here/run.py" "$mode" "$data" "$bench/$mode-$voice" "$receiver" "$bench/floor"
