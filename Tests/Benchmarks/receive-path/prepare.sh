#!/usr/bin/env bash
# shellcheck disable=SC2034  # who sources this uses them
# Sourced by the benchmarks of the receive path: makes what they need, once. Sets root, bench, data and receiver.
# VOICE is espeak-ng's, for the one speaker whose sound is judged.
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)
bench=$root/.build-bench
benchmark=$root/Tests/Benchmarks/receive-path

"$root/deploy/packages.sh" test
mkdir -p "$bench"
if ! cmp -s "$bench/venv/requirements.txt" "$benchmark/requirements.txt"; then
  rm -rf "$bench/venv"
  /usr/bin/python3 -m venv "$bench/venv"
  "$bench/venv/bin/pip" install --quiet --use-pep517 --disable-pip-version-check -r "$benchmark/requirements.txt" >&2
  cp "$benchmark/requirements.txt" "$bench/venv/requirements.txt"
fi
swift build --package-path "$root" -c release --static-swift-stdlib --product bench-receiver --scratch-path "$bench/build" >&2
receiver=$bench/build/release/bench-receiver
cc -O2 -Wall "$benchmark/floor.c" -o "$bench/floor" -lsrtp2 -lopus

voice=${VOICE:-en-us+m1}
data=$bench/speech-$voice
[ -e "$data/crowd-31.opus-packets" ] || "$bench/venv/bin/python" "$benchmark/speech.py" "$data" "$voice"
