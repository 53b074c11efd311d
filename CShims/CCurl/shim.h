#pragma once
#include <curl/curl.h>

// curl_easy_setopt and its kin take varargs, which the importer leaves out: one function per type of value.
static inline CURLcode CCurl_set_long(CURL *easy, CURLoption option, long value) {
  return curl_easy_setopt(easy, option, value);
}
static inline CURLcode CCurl_set_size(CURL *easy, CURLoption option, curl_off_t value) {
  return curl_easy_setopt(easy, option, value);
}
static inline CURLcode CCurl_set_string(CURL *easy, CURLoption option, const char *value) {
  return curl_easy_setopt(easy, option, value);
}
static inline CURLcode CCurl_set_pointer(CURL *easy, CURLoption option, void *value) {
  return curl_easy_setopt(easy, option, value);
}
/// For CURLOPT_WRITEFUNCTION and CURLOPT_HEADERFUNCTION.
static inline CURLcode CCurl_set_receiver(
    CURL *easy, CURLoption option, size_t (*receiver)(char *bytes, size_t size, size_t count, void *data)) {
  return curl_easy_setopt(easy, option, receiver);
}
static inline long CCurl_get_long(CURL *easy, CURLINFO info) {
  long value = 0;
  curl_easy_getinfo(easy, info, &value);
  return value;
}
static inline curl_off_t CCurl_get_time(CURL *easy, CURLINFO info) {
  curl_off_t value = 0;
  curl_easy_getinfo(easy, info, &value);
  return value;
}
static inline void *CCurl_get_private(CURL *easy) {
  char *value = NULL;
  curl_easy_getinfo(easy, CURLINFO_PRIVATE, &value);
  return value;
}
static inline struct curl_slist *CCurl_get_cookies(CURL *easy) {
  struct curl_slist *value = NULL;
  curl_easy_getinfo(easy, CURLINFO_COOKIELIST, &value);
  return value;
}

/// Tells the multi handle whom to tell about sockets and deadlines.
static inline void CCurl_multi_set_callbacks(
    CURLM *multi, int (*socket)(CURL *easy, curl_socket_t descriptor, int what, void *data, void *socket_data),
    int (*timer)(CURLM *multi, long milliseconds, void *data), void *data) {
  curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, socket);
  curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, data);
  curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, timer);
  curl_multi_setopt(multi, CURLMOPT_TIMERDATA, data);
}

static inline void CCurl_share_cookies(CURLSH *share) {
  curl_share_setopt(share, CURLSHOPT_SHARE, CURL_LOCK_DATA_COOKIE);
}

/// CURLAUTH_BASIC and CURL_GLOBAL_DEFAULT are macros with casts.
static inline long CCurl_auth_basic(void) { return (long)CURLAUTH_BASIC; }
static inline CURLcode CCurl_global_init(void) { return curl_global_init(CURL_GLOBAL_DEFAULT); }
