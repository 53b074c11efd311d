#!/usr/bin/env bash
# Runs all tests; installs what is missing first. Extra arguments go to `swift test` (for example --filter RTP).
set -euo pipefail
cd "$(dirname "$0")/.."

deploy/packages.sh build
swift format lint --strict --recursive Sources Tests Package.swift
swift build --build-tests
swift test --skip-build "$@"
