#!/usr/bin/env bash
# Runs all tests; installs what is missing first. Extra arguments go to `swift test` (for example --filter RTP).
set -euo pipefail
cd "$(dirname "$0")/.."

deploy/packages.sh test
swift format lint --strict --recursive Sources Tests Package.swift
swift build --build-tests
export PATH=$PWD/.build-rig/bin:$PATH
# A test that hangs must not hang whoever waits for it.
exec timeout -k 10 "${TEST_LIMIT:-45m}" deploy/rig/namespace.sh swift test --skip-build "$@"
