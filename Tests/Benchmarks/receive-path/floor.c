/* The least that receiving N streams over UDP can cost: a socket for each, one thread that waits for all, and for each packet
   one recvfrom, SRTP and Opus through the same libraries; every 20 ms a block of their sum is written. No ICE, no RTCP, no
   jitter buffer: a packet is heard 60 ms after its time or not at all.

     floor send|receive STREAMS SECONDS FOLDER PORT [WAV]

   `receive` prints the CPU seconds for each minute of a stream, and its memory in MB. Keys are fixed.
   cc -O2 floor.c -o floor -lsrtp2 -lopus */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <opus/opus.h>
#include <srtp2/srtp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

enum { block = 960, frames = 64, largest = 1600 };

static double now(clockid_t clock) {
  struct timespec time;
  clock_gettime(clock, &time);
  return time.tv_sec + time.tv_nsec * 1e-9;
}

static void insist(int fact, const char *what) {
  if (fact) return;
  fprintf(stderr, "floor: %s\n", what);
  exit(1);
}

static srtp_t session(srtp_ssrc_type_t direction) {
  static unsigned char key[] = "0123456789abcdef0123456789ab";
  srtp_policy_t policy = {.ssrc.type = direction, .key = key, .window_size = 1024};
  srtp_crypto_policy_set_aes_gcm_128_16_auth(&policy.rtp);
  srtp_crypto_policy_set_aes_gcm_128_16_auth(&policy.rtcp);
  srtp_t session;
  insist(srtp_create(&session, &policy) == srtp_err_status_ok, "libsrtp cannot do AES-GCM");
  return session;
}

static struct sockaddr_in address(int port) {
  return (struct sockaddr_in){
      .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

/* Packets behind their lengths, as opus.py saves them. */
struct speech { unsigned char *bytes; int count; int start[6000], size[6000]; };

static void load(struct speech *speech, const char *folder, int index) {
  char path[4096];
  snprintf(path, sizeof path, "%s/crowd-%02d.opus-packets", folder, index % 32);
  FILE *file = fopen(path, "rb");
  insist(file != NULL, path);
  fseek(file, 0, SEEK_END);
  long size = ftell(file);
  rewind(file);
  speech->bytes = malloc(size);
  insist(fread(speech->bytes, 1, size, file) == (size_t)size, path);
  fclose(file);
  for (long at = 0; at + 2 <= size && speech->count < 6000; at += 2 + speech->size[speech->count++]) {
    speech->start[speech->count] = at + 2;
    speech->size[speech->count] = speech->bytes[at] | speech->bytes[at + 1] << 8;
  }
}

static void send_all(int streams, int seconds, const char *folder, int port) {
  struct speech *speech = calloc(streams, sizeof *speech);
  srtp_t *sessions = calloc(streams, sizeof *sessions);
  for (int i = 0; i < streams; i++) {
    load(&speech[i], folder, i);
    sessions[i] = session(ssrc_any_outbound);
  }
  int out = socket(AF_INET, SOCK_DGRAM, 0);
  double start = now(CLOCK_MONOTONIC) + .2;
  for (int k = 0; k < seconds * 50; k++) {
    for (int i = 0; i < streams; i++) {
      double wait = start + k * .02 + i * .02 / streams - now(CLOCK_MONOTONIC);
      if (wait > 0) nanosleep(&(struct timespec){0, (long)(wait * 1e9)}, NULL);
      unsigned char packet[largest] = {0x80, 111};
      uint16_t sequence = htons((uint16_t)(k + 1000));
      uint32_t timestamp = htonl((uint32_t)k * block), source = htonl(100 + i);
      memcpy(packet + 2, &sequence, 2);
      memcpy(packet + 4, &timestamp, 4);
      memcpy(packet + 8, &source, 4);
      int which = k % speech[i].count, size = 12 + speech[i].size[which];
      memcpy(packet + 12, speech[i].bytes + speech[i].start[which], speech[i].size[which]);
      insist(srtp_protect(sessions[i], packet, &size) == srtp_err_status_ok, "a packet could not be protected");
      struct sockaddr_in to = address(port + i);
      sendto(out, packet, size, 0, (struct sockaddr *)&to, sizeof to);
    }
  }
}

static void receive_all(int streams, int port, const char *path) {
  int epoll = epoll_create1(0), status, *sockets = calloc(streams, sizeof *sockets);
  srtp_t *sessions = calloc(streams, sizeof *sessions);
  OpusDecoder **decoders = calloc(streams, sizeof *decoders);
  for (int i = 0; i < streams; i++) {
    sockets[i] = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    struct sockaddr_in here = address(port + i);
    insist(bind(sockets[i], (struct sockaddr *)&here, sizeof here) == 0, "a port is taken");
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = i};
    epoll_ctl(epoll, EPOLL_CTL_ADD, sockets[i], &event);
    sessions[i] = session(ssrc_any_inbound);
    decoders[i] = opus_decoder_create(48000, 1, &status);
  }
  FILE *wav = fopen(path, "wb");
  insist(wav != NULL, path);
  fwrite((char[44]){0}, 1, 44, wav);
  static int sums[frames][block];
  long packets = 0, next = -1;
  double origin = 0, cpu = 0, last = now(CLOCK_MONOTONIC) + 10;
  for (;;) {
    struct epoll_event events[64];
    int ready = epoll_wait(epoll, events, 64, 20);
    for (int e = 0; e < ready; e++) {
      int i = events[e].data.u32, size;
      unsigned char packet[largest];
      while ((size = recvfrom(sockets[i], packet, sizeof packet, 0, NULL, NULL)) > 0) {
        if (srtp_unprotect(sessions[i], packet, &size) != srtp_err_status_ok) continue;
        short samples[block];
        if (opus_decode(decoders[i], packet + 12, size - 12, samples, block, 0) != block) continue;
        uint32_t timestamp;
        memcpy(&timestamp, packet + 4, 4);
        long k = ntohl(timestamp) / block;
        last = now(CLOCK_MONOTONIC);
        if (next < 0) {
          next = k;
          origin = last - k * .02;
          cpu = now(CLOCK_PROCESS_CPUTIME_ID);
        }
        for (int j = 0; k >= next && j < block; j++) sums[k % frames][j] += samples[j];
        packets++;
      }
    }
    long due = next < 0 ? -1 : (long)((now(CLOCK_MONOTONIC) - origin) / .02) - 3;
    for (; next < due; next++) {
      short samples[block];
      int *sum = sums[next % frames];
      for (int j = 0; j < block; j++) samples[j] = sum[j] > 32767 ? 32767 : sum[j] < -32768 ? -32768 : sum[j];
      memset(sum, 0, sizeof *sums);
      fwrite(samples, sizeof *samples, block, wav);
    }
    if (now(CLOCK_MONOTONIC) - last > 1) break;
  }
  insist(packets > 0, "no packet came");
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  printf("{\"cpu\": %.4f, \"memory\": %.1f}\n", (now(CLOCK_PROCESS_CPUTIME_ID) - cpu) / (packets / 3000.),
         usage.ru_maxrss / 1024.);
}

int main(int count, char **words) {
  insist(count >= 6, "usage: floor send|receive STREAMS SECONDS FOLDER PORT [WAV]");
  int streams = atoi(words[2]), seconds = atoi(words[3]), port = atoi(words[5]);
  srtp_init();
  if (strcmp(words[1], "send") == 0) send_all(streams, seconds, words[4], port);
  else receive_all(streams, port, count > 6 ? words[6] : "/dev/null");
}
