#!/usr/bin/env bash
# Runs a command in a network of its own:   deploy/rig/namespace.sh COMMAND ARGUMENTS…
#
# The command sees loopback and 10.77.0.1, where the rig's servers listen. `ip netns exec cli COMMAND` runs another one
# at the far end of a cable, at 10.77.0.2, where the clients live. (Janus gathers no candidates on loopback; and with
# both addresses on one machine nothing could be blocked between them.) There is no default route, on purpose: with one,
# looking up an unknown name takes 20 s. The machine's own network is out of reach, and its addresses and ports do not
# matter: any number of these can run at once.
#
# All processes and interfaces are gone when the command ends; its exit status is passed on. To stop it from outside, kill
# with SIGKILL, or start it with `timeout -k 5 LIMIT`. Needs root, or a kernel that allows user namespaces, or sudo.
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
[ $# -gt 0 ] || { echo "usage: deploy/rig/namespace.sh COMMAND ARGUMENTS…" >&2; exit 64; }

separate=(unshare --net --pid --mount --fork --kill-child --mount-proc)
if [ "$(id -u)" != 0 ]; then
  if "${separate[@]}" --user --map-root-user mount -t tmpfs none /run 2>/dev/null; then
    separate+=(--user --map-root-user)
  elif command -v sudo >/dev/null; then
    kept=PATH,HOME,RIG_LOGS,RECORDING_SECONDS,FIRST_SAMPLE_RUNS,MOUTH_TO_EAR_SECONDS,FAILURE_TIMES,TALKBRIDGE
    exec sudo --preserve-env="$kept" "$here/namespace.sh" "$@"
  else
    echo "deploy/rig/namespace.sh: a network namespace needs root, sudo or user namespaces; none is to be had" >&2
    exit 77
  fi
fi

# shellcheck disable=SC2016  # expanded by the inner shell
exec "${separate[@]}" bash -c '
  set -e
  export PATH=$PATH:/usr/sbin:/sbin HOSTS=$1
  shift
  mount -t tmpfs none /run  # ours: the name "cli" collides with nobody, and no daemon of the machine is in reach
  mkdir -p /run/netns /run/lock ${XDG_RUNTIME_DIR:+"$XDG_RUNTIME_DIR"}
  mount --bind "$HOSTS" /etc/hosts
  ip link set lo up
  ip netns add cli
  ip -n cli link set lo up
  ip link add v0 type veth peer name v1 netns cli
  ip link set v0 addrgenmode none  # no link-local candidates, no wait for duplicate addresses
  ip -n cli link set v1 addrgenmode none
  ip addr add 10.77.0.1/24 dev v0
  ip -n cli addr add 10.77.0.2/24 dev v1
  ip link set v0 up
  ip -n cli link set v1 up
  until ip -n cli -br link show v1 | grep -q " UP "; do sleep .01; done
  # Not exec: the first process of a process namespace reaps nothing by itself and ignores SIGTERM.
  "$@" & command=$!
  trap "kill -TERM $command 2>/dev/null" TERM INT
  while :; do
    wait $command && status=0 || status=$?
    kill -0 $command 2>/dev/null || exit $status
  done' rig "$here/hosts" "$@"
