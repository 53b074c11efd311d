#pragma once
#include "../CGLib/shim.h"
#include <libsoup/soup.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

/// A session for one WebSocket: its own resolver of proxies, no time limits but ours (the constructor takes varargs).
static inline SoupSession *CSoup_session_new(const char *user_agent, GProxyResolver *proxies) {
  return soup_session_new_with_options("user-agent", user_agent, "proxy-resolver", proxies, "timeout", 0u, NULL);
}

/// A server with an optional certificate (the constructor takes varargs).
static inline SoupServer *CSoup_server_new(GTlsCertificate *certificate) {
  return soup_server_new("tls-certificate", certificate, NULL);
}

/// Without permessage-deflate, whose inflated size libsoup 3.2 does not limit (the type is a macro).
static inline void CSoup_server_refuse_compression(SoupServer *server) {
  soup_server_remove_websocket_extension(server, SOUP_TYPE_WEBSOCKET_EXTENSION_DEFLATE);
}

/// The purpose that a server's certificate must be good for (a string macro that the importer leaves out).
static inline const char *CSoup_purpose_server(void) { return G_TLS_DATABASE_PURPOSE_AUTHENTICATE_SERVER; }

/// A GObject's cast to its interface or base, which are macros.
static inline GSocketAddress *CSoup_socket_address(const char *address, guint port) {
  return g_inet_socket_address_new_from_string(address, port);
}
/// A listening socket; GIO's own queue holds 10 connections, too few for a room that comes back all at once.
static inline GSocket *CSoup_listening_socket(GSocketAddress *address, GError **error) {
  GSocket *socket = g_socket_new(
      g_socket_address_get_family(address), G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_TCP, error);
  if (socket == NULL) return NULL;
  g_socket_set_listen_backlog(socket, 512);
  if (g_socket_bind(socket, address, TRUE, error) && g_socket_listen(socket, error)) return socket;
  g_object_unref(socket);
  return NULL;
}
static inline guint CSoup_local_port(GSocket *socket) {
  GSocketAddress *address = g_socket_get_local_address(socket, NULL);
  guint port = address == NULL ? 0 : g_inet_socket_address_get_port(G_INET_SOCKET_ADDRESS(address));
  g_clear_object(&address);
  return port;
}
static inline GSocketConnectable *CSoup_identity(const char *host, guint16 port) {
  return G_SOCKET_CONNECTABLE(g_network_address_new(host, port));
}

/// The signals of a WebSocket, typed (G_CALLBACK is a macro); `destroy` frees `data` when the handler goes.
static inline void CSoup_on_message(
    SoupWebsocketConnection *socket, void (*handler)(SoupWebsocketConnection *, gint type, GBytes *, gpointer),
    gpointer data, GClosureNotify destroy) {
  g_signal_connect_data(socket, "message", G_CALLBACK(handler), data, destroy, 0);
}
static inline void CSoup_on_pong(
    SoupWebsocketConnection *socket, void (*handler)(SoupWebsocketConnection *, GBytes *, gpointer), gpointer data,
    GClosureNotify destroy) {
  g_signal_connect_data(socket, "pong", G_CALLBACK(handler), data, destroy, 0);
}
static inline void CSoup_on_error(
    SoupWebsocketConnection *socket, void (*handler)(SoupWebsocketConnection *, GError *, gpointer), gpointer data,
    GClosureNotify destroy) {
  g_signal_connect_data(socket, "error", G_CALLBACK(handler), data, destroy, 0);
}
static inline void CSoup_on_closed(
    SoupWebsocketConnection *socket, void (*handler)(SoupWebsocketConnection *, gpointer), gpointer data,
    GClosureNotify destroy) {
  g_signal_connect_data(socket, "closed", G_CALLBACK(handler), data, destroy, 0);
}

/// How many bytes a WebSocket's TCP connection has received so far; 0 when that cannot be told. (The way down to the
/// socket is casts and properties; glibc's own tcp_info ends before the field, which the kernel has had since 4.1.)
static inline guint64 CSoup_bytes_received(SoupWebsocketConnection *connection) {
  GIOStream *stream = g_object_ref(soup_websocket_connection_get_io_stream(connection));
  while (stream != NULL && !G_IS_SOCKET_CONNECTION(stream)) {
    GObjectClass *type = G_OBJECT_GET_CLASS(stream);
    const char *name = g_object_class_find_property(type, "base-iostream")    ? "base-iostream"
                       : g_object_class_find_property(type, "base-io-stream") ? "base-io-stream"
                                                                              : NULL;
    GIOStream *base = NULL;
    if (name != NULL) g_object_get(stream, name, &base, NULL);
    g_object_unref(stream);
    stream = base;
  }
  if (stream == NULL) return 0;
  struct {
    guint8 bytes[8];
    guint32 words[24];
    guint64 pacing_rate, max_pacing_rate, bytes_acked, bytes_received;
  } info;
  socklen_t size = sizeof info;
  int descriptor = g_socket_get_fd(g_socket_connection_get_socket(G_SOCKET_CONNECTION(stream)));
  gboolean is_known = getsockopt(descriptor, IPPROTO_TCP, TCP_INFO, &info, &size) == 0 && size >= sizeof info;
  g_object_unref(stream);
  return is_known ? info.bytes_received : 0;
}

/// The question whether a certificate that did not verify shall be taken all the same.
static inline void CSoup_on_accept_certificate(
    SoupMessage *message, gboolean (*handler)(SoupMessage *, GTlsCertificate *, GTlsCertificateFlags, gpointer),
    gpointer data, GClosureNotify destroy) {
  g_signal_connect_data(message, "accept-certificate", G_CALLBACK(handler), data, destroy, 0);
}

/// The question for a name and a password, mostly a proxy's.
static inline void CSoup_on_authenticate(
    SoupMessage *message, gboolean (*handler)(SoupMessage *, SoupAuth *, gboolean is_retrying, gpointer), gpointer data,
    GClosureNotify destroy) {
  g_signal_connect_data(message, "authenticate", G_CALLBACK(handler), data, destroy, 0);
}

/// The signals of a request that a server works on.
static inline void CSoup_on_request_chunk(
    SoupServerMessage *message, void (*handler)(SoupServerMessage *, GBytes *, gpointer), gpointer data,
    GClosureNotify destroy) {
  g_signal_connect_data(message, "got-chunk", G_CALLBACK(handler), data, destroy, 0);
}
static inline void CSoup_on_request_finished(
    SoupServerMessage *message, void (*handler)(SoupServerMessage *, gpointer), gpointer data, GClosureNotify destroy) {
  g_signal_connect_data(message, "finished", G_CALLBACK(handler), data, destroy, 0);
}
static inline void CSoup_on_request_disconnected(
    SoupServerMessage *message, void (*handler)(SoupServerMessage *, gpointer), gpointer data, GClosureNotify destroy) {
  g_signal_connect_data(message, "disconnected", G_CALLBACK(handler), data, destroy, 0);
}
static inline void CSoup_on_wrote_informational(
    SoupServerMessage *message, void (*handler)(SoupServerMessage *, gpointer), gpointer data, GClosureNotify destroy) {
  g_signal_connect_data(message, "wrote-informational", G_CALLBACK(handler), data, destroy, 0);
}

/// Verifies a server's certificate against one database (its pointers are casts of macros).
static inline GTlsCertificateFlags CSoup_verify(
    GTlsDatabase *database, GTlsCertificate *certificate, GSocketConnectable *identity) {
  return g_tls_database_verify_chain(
      database, certificate, G_TLS_DATABASE_PURPOSE_AUTHENTICATE_SERVER, identity, NULL, G_TLS_DATABASE_VERIFY_NONE,
      NULL, NULL);
}
static inline GTlsDatabase *CSoup_file_database(const char *path, GError **error) {
  return (GTlsDatabase *)g_tls_file_database_new(path, error);
}
static inline void CSoup_free_certificates(GList *certificates) { g_list_free_full(certificates, g_object_unref); }
