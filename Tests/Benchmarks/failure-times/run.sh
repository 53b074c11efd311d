#!/usr/bin/env bash
# Tells how soon each failure is told, and fails where one takes too long: a connection that does not come about within 10 s
# of the start, everything else within a second; and how soon a late joiner is in the recording: within two seconds of
# publishing. TALKBRIDGE names the program (the debug build unless given).
set -euo pipefail
export FAILURE_TIMES=1 FIRST_SAMPLE_RUNS=${1:-5}
exec "$(dirname "$0")/../../../deploy/test.sh" --filter 'FailureTimes|LateJoiner'
