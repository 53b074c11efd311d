#!/usr/bin/env bash
# Installs the Debian packages talkbridge needs; installs nothing that is there already.
#
#   deploy/packages.sh build     # compile and run talkbridge
#   deploy/packages.sh run       # run a released binary
set -euo pipefail

run=(libnice10 libsoup-3.0-0 glib-networking libcurl4 libssl3 libsrtp2-1 libopus0 libpulse-mainloop-glib0
  libsndfile1 libspeexdsp1 libusrsctp2 ca-certificates)
build=(libglib2.0-dev libnice-dev libsoup-3.0-dev glib-networking libcurl4-openssl-dev libssl-dev libsrtp2-dev
  libopus-dev libpulse-dev libsndfile1-dev libspeexdsp-dev libusrsctp-dev pkg-config ca-certificates)

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

ensure() {
  local missing=()
  for package in "$@"; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
  done
  [ ${#missing[@]} -eq 0 ] && return
  echo "Installing ${missing[*]}" >&2
  as_root apt-get update -qq
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2
}

case "${1:-build}" in
  build) ensure "${build[@]}" ;;
  run) ensure "${run[@]}" ;;
  *) echo "usage: deploy/packages.sh build|run" >&2; exit 64 ;;
esac
