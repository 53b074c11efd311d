#!/usr/bin/env bash
# Installs the Debian packages talkbridge needs; installs nothing that is there already.
#
#   deploy/packages.sh build     # compile and run talkbridge
#   deploy/packages.sh run       # run a released binary
#   deploy/packages.sh test      # build, and everything the tests need
#
# The servers that the tests run (Janus, coturn, the signaling server, PulseAudio) are not installed but unpacked into
# .build-rig, and only the libraries they are linked with are installed: so there is no unit, no account and no
# configuration of theirs on the machine that could ever start, and no source of packages is added to it either.
set -euo pipefail
export LC_ALL=C
cd "$(dirname "$0")/.."

run=(libnice10 libsoup-3.0-0 glib-networking libcurl4 libssl3 libsrtp2-1 libopus0 libpulse-mainloop-glib0
  libsndfile1 libspeexdsp1 libusrsctp2 libqrencode4 ca-certificates)
build=(libglib2.0-dev libnice-dev libsoup-3.0-dev glib-networking libcurl4-openssl-dev libssl-dev libsrtp2-dev
  libopus-dev libpulse-dev libsndfile1-dev libspeexdsp-dev libusrsctp-dev libqrencode-dev pkg-config ca-certificates)
tools=(pulseaudio-utils iproute2 nftables openssl curl espeak-ng chromium python3-venv python3-dev gcc libc6-dev)
server_libraries=(
  libconfig9 libjansson4 libwebsockets17                                                        # Janus
  libsqlite3-0 libpq5 libmariadb3 libhiredis0.14 libevent-core-2.1-7 libevent-extra-2.1-7       # coturn
  libevent-openssl-2.1-7 libevent-pthreads-2.1-7 libsystemd0
  libpulse0 libltdl7 libcap2 libdbus-1-3 libtdb1 libsoxr0 liborc-0.4-0 libwrap0 libx11-xcb1)    # PulseAudio
servers=(janus/bookworm coturn/bookworm pulseaudio/bookworm
  nextcloud-spreed-signaling/bookworm-backports)  # bookworm's own is 0.4.1, which today's Talk refuses

python_packages=(numpy==2.4.6 scipy==1.17.1 pesq==0.0.4)  # they judge the sound of recordings

fail() { echo "deploy/packages.sh: $1" >&2; exit 1; }

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"
  elif command -v sudo >/dev/null; then sudo "$@"
  else fail "installing packages needs root or sudo"
  fi
}

# The given packages that are not installed, one a line.
missing() {
  comm -13 \
    <(dpkg-query -W -f '${Package} ${Status}\n' "$@" 2>/dev/null | awk '/ install ok installed$/ { print $1 }' | sort -u) \
    <(printf '%s\n' "$@" | sort -u)
}

ensure() {
  local absent
  mapfile -t absent < <(missing "$@")
  [ ${#absent[@]} -eq 0 ] && return
  echo "Installing ${absent[*]}" >&2
  as_root apt-get update -qq
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${absent[@]}" >&2
}

# Unpacks the servers into .build-rig/root and puts them, by name, into .build-rig/bin.
unpack_servers() {
  local rig=$PWD/.build-rig stamp mirror apt deb program
  stamp=$(printf '%s\n' "$rig" "${servers[@]}" | md5sum)
  mkdir -p "$rig"
  exec 9>"$rig/lock"
  flock 9
  [ "$(cat "$rig/stamp" 2>/dev/null)" = "$stamp" ] && return
  echo "Fetching ${servers[*]}" >&2
  rm -rf "${rig:?}"/{root,bin,apt}
  mkdir -p "$rig/bin" "$rig/apt/lists/partial" "$rig/apt/cache/archives/partial" "$rig/apt/debs"

  # The machine's own mirror, but lists and sources of our own: apt's state stays as it is.
  # shellcheck disable=SC2016  # apt expands these
  mirror=$(apt-get indextargets --format '$(RELEASE) $(COMPONENT) $(REPO_URI)' 'Created-By: Packages' |
    awk '$1 == "bookworm" && $2 == "main" { print $3; exit }')
  for suite in bookworm bookworm-backports; do
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]" \
      "${mirror:-http://deb.debian.org/debian} $suite main"
  done >"$rig/apt/sources.list"
  apt=(-qq -o "Dir::Etc::SourceList=$rig/apt/sources.list" -o Dir::Etc::SourceParts=/dev/null
    -o "Dir::State::Lists=$rig/apt/lists" -o "Dir::Cache=$rig/apt/cache" -o "APT::Sandbox::User=$(id -un)")
  apt-get "${apt[@]}" update >&2
  (cd "$rig/apt/debs" && apt-get "${apt[@]}" download "${servers[@]}" >&2)
  for deb in "$rig"/apt/debs/*.deb; do dpkg-deb -x "$deb" "$rig/root"; done
  rm -rf "$rig/apt"

  for program in janus turnserver nextcloud-spreed-signaling-server; do
    ln -s "../root/usr/bin/$program" "$rig/bin/$program"
  done
  # PulseAudio finds its core library and its modules where the package would have put them, unless told.
  cat >"$rig/bin/pulseaudio" <<SCRIPT
#!/bin/sh
export LD_LIBRARY_PATH="\$(echo '$rig'/root/usr/lib/*/pulseaudio)"
exec '$rig/root/usr/bin/pulseaudio' --dl-search-path="\$(echo '$rig'/root/usr/lib/pulse-*/modules)" "\$@"
SCRIPT
  chmod +x "$rig/bin/pulseaudio"
  for program in janus turnserver pulseaudio; do
    if LD_LIBRARY_PATH=$(echo "$rig"/root/usr/lib/*/pulseaudio) ldd "$rig/root/usr/bin/$program" | grep 'not found' >&2
    then fail "$program lacks the libraries above"
    fi
  done
  echo "$stamp" >"$rig/stamp"
}

# Puts the Python packages into .build-venv.
make_venv() {
  local stamp=.build-venv/stamp
  [ "$(cat $stamp 2>/dev/null)" = "${python_packages[*]}" ] && return
  echo "Fetching ${python_packages[*]}" >&2
  rm -rf .build-venv
  /usr/bin/python3 -m venv .build-venv
  .build-venv/bin/pip install --quiet --use-pep517 --disable-pip-version-check "${python_packages[@]}" >&2
  echo "${python_packages[*]}" >$stamp
}

case "${1:-build}" in
  build) ensure "${build[@]}" ;;
  run) ensure "${run[@]}" ;;
  test)
    ensure "${build[@]}" "${tools[@]}" "${server_libraries[@]}"
    unpack_servers
    make_venv
    ;;
  *)
    echo "usage: deploy/packages.sh build|run|test" >&2
    exit 64
    ;;
esac
