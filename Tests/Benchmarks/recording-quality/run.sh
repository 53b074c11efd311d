#!/usr/bin/env bash
# Tells how good a recording through real Janus is: run.sh [SECONDS], 600 unless given. See README.md.
set -euo pipefail
RECORDING_SECONDS=${1:-600}
export RECORDING_SECONDS
exec "$(dirname "$0")/../../../deploy/test.sh" --filter RecordingThroughJanus
