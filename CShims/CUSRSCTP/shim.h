#pragma once
#include <errno.h>
#include <string.h>
#include <usrsctp.h>

/// The address of an association in the address family for "packets go through callbacks" (a cast between sockaddr types).
static inline struct sockaddr_conn CUSRSCTP_address(void *identity) {
  struct sockaddr_conn address;
  memset(&address, 0, sizeof address);
  address.sconn_family = AF_CONN;
  address.sconn_port = htons(5000);
  address.sconn_addr = identity;
  return address;
}

/// One socket option; 0 or errno.
static inline int CUSRSCTP_set(struct socket *socket, int level, int name, const void *value, socklen_t length) {
  return usrsctp_setsockopt(socket, level, name, value, length) == 0 ? 0 : errno;
}

/// All options of a data channel's socket (RFC 8831 §6.2), set before it is connected; 0 or errno. The options' structs
/// have flexible arrays and macros that the importer cannot see. Waits are in milliseconds.
static inline int CUSRSCTP_configure(
    struct socket *socket, int buffer_size, uint16_t streams, uint32_t initial_wait, uint32_t shortest_wait,
    uint32_t longest_wait, uint16_t attempts) {
  if (usrsctp_set_non_blocking(socket, 1) != 0) return errno;
  int error = 0;
  int on = 1;
  // Closing aborts the association at once and frees all of it; nothing of it lives on to call back.
  struct linger linger = {.l_onoff = 1, .l_linger = 0};
  struct sctp_initmsg init = {
      .sinit_num_ostreams = streams, .sinit_max_instreams = streams, .sinit_max_attempts = attempts,
      .sinit_max_init_timeo = (uint16_t)longest_wait};
  struct sctp_rtoinfo waits = {.srto_initial = initial_wait, .srto_max = longest_wait, .srto_min = shortest_wait};
  struct sctp_assocparams limits = {.sasoc_asocmaxrxt = attempts};
  struct sctp_assoc_value reset = {
      .assoc_id = SCTP_ALL_ASSOC, .assoc_value = SCTP_ENABLE_RESET_STREAM_REQ | SCTP_ENABLE_CHANGE_ASSOC_REQ};
  if ((error = CUSRSCTP_set(socket, SOL_SOCKET, SO_LINGER, &linger, sizeof linger))) return error;
  if ((error = CUSRSCTP_set(socket, SOL_SOCKET, SO_SNDBUF, &buffer_size, sizeof buffer_size))) return error;
  if ((error = CUSRSCTP_set(socket, SOL_SOCKET, SO_RCVBUF, &buffer_size, sizeof buffer_size))) return error;
  if ((error = CUSRSCTP_set(socket, IPPROTO_SCTP, SCTP_NODELAY, &on, sizeof on))) return error;
  if ((error = CUSRSCTP_set(socket, IPPROTO_SCTP, SCTP_INITMSG, &init, sizeof init))) return error;
  if ((error = CUSRSCTP_set(socket, IPPROTO_SCTP, SCTP_RTOINFO, &waits, sizeof waits))) return error;
  if ((error = CUSRSCTP_set(socket, IPPROTO_SCTP, SCTP_ASSOCINFO, &limits, sizeof limits))) return error;
  if ((error = CUSRSCTP_set(socket, IPPROTO_SCTP, SCTP_ENABLE_STREAM_RESET, &reset, sizeof reset))) return error;
  const uint16_t events[] = {SCTP_ASSOC_CHANGE, SCTP_STREAM_RESET_EVENT};
  for (size_t index = 0; index < sizeof events / sizeof *events; index++) {
    struct sctp_event event = {.se_assoc_id = SCTP_ALL_ASSOC, .se_on = 1, .se_type = events[index]};
    if ((error = CUSRSCTP_set(socket, IPPROTO_SCTP, SCTP_EVENT, &event, sizeof event))) return error;
  }
  return 0;
}

/// Binds and begins to connect, both ends being `identity`; `chunk_space` is the room in a packet behind its header.
/// There is one path, so it must not be given up before the association is, after `attempts`: usrsctp would lose what is
/// sent then without a word. 0 or errno.
static inline int CUSRSCTP_connect(
    struct socket *socket, void *identity, uint32_t chunk_space, uint16_t attempts) {
  struct sockaddr_conn address = CUSRSCTP_address(identity);
  if (usrsctp_bind(socket, (struct sockaddr *)&address, sizeof address) != 0) return errno;
  if (usrsctp_connect(socket, (struct sockaddr *)&address, sizeof address) != 0 && errno != EINPROGRESS) return errno;
  struct sctp_paddrparams path;
  memset(&path, 0, sizeof path);
  memcpy(&path.spp_address, &address, sizeof address);
  path.spp_flags = SPP_PMTUD_DISABLE;
  path.spp_pathmtu = chunk_space;
  path.spp_pathmaxrxt = (uint16_t)(attempts + 1);
  return CUSRSCTP_set(socket, IPPROTO_SCTP, SCTP_PEER_ADDR_PARAMS, &path, sizeof path);
}

/// Sends one whole message, reliably and in order; 0 or errno, EWOULDBLOCK when there is no room for now.
static inline int CUSRSCTP_send(
    struct socket *socket, uint16_t stream, uint32_t payload_protocol, const void *bytes, size_t count) {
  struct sctp_sndinfo info;
  memset(&info, 0, sizeof info);
  info.snd_sid = stream;
  info.snd_ppid = htonl(payload_protocol);
  return usrsctp_sendv(socket, bytes, count, NULL, 0, &info, sizeof info, SCTP_SENDV_SNDINFO, 0) < 0 ? errno : 0;
}

/// Resets our direction of a stream (a struct with a flexible array); 0 or errno.
static inline int CUSRSCTP_reset_stream(struct socket *socket, uint16_t stream) {
  struct {
    struct sctp_reset_streams header;
    uint16_t stream;
  } request;
  memset(&request, 0, sizeof request);
  request.header.srs_assoc_id = SCTP_ALL_ASSOC;
  request.header.srs_flags = SCTP_STREAM_RESET_OUTGOING;
  request.header.srs_number_streams = 1;
  request.stream = stream;
  return CUSRSCTP_set(
      socket, IPPROTO_SCTP, SCTP_RESET_STREAMS, &request, sizeof(struct sctp_reset_streams) + sizeof(uint16_t));
}
