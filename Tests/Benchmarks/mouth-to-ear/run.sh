#!/usr/bin/env bash
# Tells how long speech takes from a PulseAudio source to a PulseAudio sink: run.sh [SECONDS], 60 unless given. See README.md.
set -euo pipefail
MOUTH_TO_EAR_SECONDS=${1:-60}
export MOUTH_TO_EAR_SECONDS
exec "$(dirname "$0")/../../../deploy/test.sh" --filter MouthToEar
