#!/usr/bin/env bash
# Tells how soon after its start `talkbridge record` has sound in its file: run.sh [RUNS], 10 unless given. See README.md.
set -euo pipefail
FIRST_SAMPLE_RUNS=${1:-10}
export FIRST_SAMPLE_RUNS
exec "$(dirname "$0")/../../../deploy/test.sh" --filter FirstSample
