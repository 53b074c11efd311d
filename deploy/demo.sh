#!/usr/bin/env bash
# Shows what talkbridge does, without a server: installs what is missing, builds, and runs `talkbridge demo` with the
# arguments given (for example --duration 8s --output demo.wav). Needs Swift 6.3, and root or sudo for the packages.
set -euo pipefail
here=$(readlink -f "$(dirname "$0")/..")
command -v swift >/dev/null || { echo "deploy/demo.sh: Swift 6.3 is needed, and no swift is in PATH" >&2; exit 69; }

"$here/deploy/packages.sh" build
# A debug build: it takes a fraction of the time, and the tests use it as well.
swift build --quiet --package-path "$here" --product talkbridge >&2
exec "$(swift build --package-path "$here" --show-bin-path)/talkbridge" demo "$@"
