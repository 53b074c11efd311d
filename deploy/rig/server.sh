#!/usr/bin/env bash
# Runs one of the servers that a real installation has, configured for the rig:
#
#   deploy/rig/server.sh janus|coturn|signaling DIRECTORY
#
# Its configuration, and what else it writes, goes into the directory; its log to standard output. It is started by exec,
# so that its process id is the script's. Meant for inside deploy/rig/namespace.sh: ports are fixed, and only the address
# can be chosen (RIG_ADDRESS); clients may be served at another one, an IPv6 address for instance (RIG_PUBLIC_ADDRESS), while
# the servers speak to each other over the first. The signaling server wants Janus to be there, and looks for the Nextcloud
# that it serves at port 8080 (RIG_BACKEND); coturn speaks TLS if RIG_CERTIFICATE and RIG_KEY name the files for it.
set -euo pipefail
rig=$(readlink -f "$(dirname "$0")/../..")/.build-rig
address=${RIG_ADDRESS:-10.77.0.1}
public=${RIG_PUBLIC_ADDRESS:-$address}
# Every address of both families where clients use IPv6.
case "$public" in *:*) ipv6=true listen='[::]' ;; *) ipv6=false listen=$public ;; esac
[ $# = 2 ] || { echo "usage: deploy/rig/server.sh janus|coturn|signaling DIRECTORY" >&2; exit 64; }
[ -x "$rig/bin/janus" ] || { echo "deploy/rig/server.sh: no servers here; run deploy/packages.sh test" >&2; exit 69; }
mkdir -p "$2"
directory=$(readlink -f "$2")

janus() {
  local library
  library=$(echo "$rig"/root/usr/lib/*/janus)
  cat >"$directory/janus.jcfg" <<END
general: {
  configs_folder = "$directory"
  plugins_folder = "$library/plugins"
  transports_folder = "$library/transports"
  events_folder = "$directory/none"
  loggers_folder = "$directory/none"
  log_to_stdout = true
  debug_level = 4
  debug_timestamps = true
  debug_colors = false
  admin_secret = "rig-admin"
}
media: {
  rtp_port_range = "20000-20499"
  ipv6 = $ipv6
}
nat: {
  full_trickle = true
  ice_enforce_list = "$public"
}
plugins: { disable = "$(list "$library"/plugins videoroom)" }
transports: { disable = "$(list "$library"/transports websockets)" }
END
  cat >"$directory/janus.transport.websockets.jcfg" <<END
general: { json = "compact" ws = true ws_ip = "$address" ws_port = 8188 wss = false }
admin: { admin_ws = true admin_ws_ip = "$address" admin_ws_port = 7188 }
END
  echo 'general: { }' >"$directory/janus.plugin.videoroom.jcfg"  # without it: two demonstration rooms
  exec "$rig/bin/janus" -C "$directory/janus.jcfg" -F "$directory"
}

# The libraries of a folder but that of the given name, joined with commas.
list() { find "$1" -name '*.so' ! -name "*_$2.so" -printf '%f\n' | paste -sd,; }

coturn() {
  cat >"$directory/turnserver.conf" <<END
listening-ip=$address
relay-ip=$address
listening-port=3478
tls-listening-port=5349
min-port=21000
max-port=21499
fingerprint
use-auth-secret
static-auth-secret=rig-turn-secret
realm=rig
no-dtls
no-cli
no-multicast-peers
verbose
log-file=stdout
simple-log
pidfile=$directory/turn.pid
userdb=$directory/turndb
END
  if [ -n "${RIG_CERTIFICATE:-}" ]; then
    printf '%s\n' "cert=$RIG_CERTIFICATE" "pkey=$RIG_KEY"
  else
    echo no-tls
  fi >>"$directory/turnserver.conf"
  exec "$rig/bin/turnserver" -c "$directory/turnserver.conf"
}

signaling() {
  cat >"$directory/signaling.conf" <<END
[http]
listen = $listen:8081
[sessions]
hashkey = 0123456789abcdef0123456789abcdef
blockkey = fedcba9876543210fedcba9876543210
[clients]
internalsecret = rig-internal-secret
[backend]
backends = rig
timeout = 5
connectionsperhost = 8
[rig]
url = ${RIG_BACKEND:-http://$address:8080}
secret = rig-backend-secret
[nats]
url = nats://loopback
[mcu]
type = janus
url = ws://$address:8188
[stats]
allowed_ips = 10.77.0.0/16
END
  exec "$rig/bin/nextcloud-spreed-signaling-server" -config "$directory/signaling.conf"
}

case "$1" in
  janus | coturn | signaling) "$1" ;;
  *) echo "deploy/rig/server.sh: no server called $1" >&2; exit 64 ;;
esac
