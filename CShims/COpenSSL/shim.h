#pragma once
#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdint.h>

/// Everything a DTLS context needs that OpenSSL offers as macros: DTLS 1.2 alone, groups, no session resumption, no
/// renegotiation, and no question to the kernel about the MTU of a socket that it does not have.
static inline int COpenSSL_restrict_to_webrtc(SSL_CTX *context) {
  SSL_CTX_set_options(context, SSL_OP_NO_QUERY_MTU | SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  return SSL_CTX_set_min_proto_version(context, DTLS1_2_VERSION) &&
         SSL_CTX_set_max_proto_version(context, DTLS1_2_VERSION) &&
         SSL_CTX_set1_groups_list(context, "X25519:P-256:P-384");
}

/// A new P-256 key (EVP_EC_gen is a macro over a variadic function).
static inline EVP_PKEY *COpenSSL_generate_p256(void) { return EVP_EC_gen("P-256"); }

/// Sets the size of the largest datagram a handshake flight is cut into (a macro).
static inline void COpenSSL_set_mtu(SSL *ssl, long bytes) { SSL_set_mtu(ssl, bytes); }

/// Microseconds until the flight must be sent again, 0 when that is due, -1 when nothing waits (a macro).
static inline int64_t COpenSSL_timeout_microseconds(SSL *ssl) {
  struct timeval left;
  if (!DTLSv1_get_timeout(ssl, &left)) return -1;
  return (int64_t)left.tv_sec * 1000000 + left.tv_usec;
}

/// Sends the last flight again if it is time: 1 done, 0 not yet, -1 gave up (a macro).
static inline int COpenSSL_handle_timeout(SSL *ssl) { return (int)DTLSv1_handle_timeout(ssl); }

/// A memory BIO that says "try again" instead of "end of file" when it is empty (a macro).
static inline BIO *COpenSSL_memory_bio(void) {
  BIO *bio = BIO_new(BIO_s_mem());
  if (bio) BIO_set_mem_eof_return(bio, -1);
  return bio;
}

/// The bytes that wait in a memory BIO, without taking them (a macro).
static inline long COpenSSL_pending(BIO *bio, char **bytes) { return BIO_get_mem_data(bio, bytes); }

/// Empties a memory BIO (a macro).
static inline void COpenSSL_empty(BIO *bio) { (void)BIO_reset(bio); }
