#!/usr/bin/env bash
# Puts the talkbridge binary in place, as PREFIX/bin/talkbridge (PREFIX is /usr/local unless set).
#
#   deploy/install.sh               # build a release, install it and the Debian libraries that it runs with
#   deploy/install.sh --uninstall   # remove the binary again
#
# Building needs Swift 6.3; the installed binary does not. Root or sudo is used where the user's rights do not suffice.
set -euo pipefail
cd "$(dirname "$0")/.."
target=${PREFIX:-/usr/local}/bin/talkbridge

fail() { echo "deploy/install.sh: $1" >&2; exit 1; }

# Runs a command as root unless the user may write where the binary goes, or is root.
as_owner() {
  local folder=$target
  until [ -e "$folder" ]; do folder=$(dirname "$folder"); done
  if [ -w "$folder" ] && [ -w "$(dirname "$folder")" ]; then "$@"
  elif command -v sudo >/dev/null; then sudo "$@"
  else fail "no right to write $folder; run as root or set PREFIX"
  fi
}

case "${1:-}" in
  --uninstall)
    [ -e "$target" ] || fail "$target is not there"
    as_owner rm "$target"
    echo "removed $target (the Debian libraries stay)"
    exit
    ;;
  '') ;;
  *) echo "usage: [PREFIX=DIRECTORY] deploy/install.sh [--uninstall]" >&2; exit 64 ;;
esac

command -v swift >/dev/null || fail "Swift 6.3 is needed to build, and no swift is in PATH"
deploy/packages.sh build
# A build folder of its own: the statically linked libraries and the usual ones do not mix. -s strips symbols.
release=(swift build -c release --static-swift-stdlib --scratch-path .build-release --product talkbridge -Xlinker -s)
"${release[@]}" >&2
binary=$("${release[@]}" --show-bin-path)/talkbridge
if ldd "$binary" | grep -iE 'swift|foundation|dispatch' >&2; then fail "the binary needs the Swift libraries above"; fi

deploy/packages.sh run
as_owner install -D -m 755 "$binary" "$target"
env -i "$target" --version >/dev/null || fail "$target does not run"
echo "installed $target ($(du -h "$target" | cut -f1)); remove it with deploy/install.sh --uninstall"
