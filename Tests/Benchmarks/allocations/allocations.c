/* Counts the allocations of a program while it runs steadily, by thread and by who asked for them.

     ALLOCATIONS_AFTER=15 ALLOCATIONS_FOR=60 LD_PRELOAD=allocations.so PROGRAM …

   prints to standard error, when the time is over:

     ALLOCATIONS THREAD COUNT LIBRARY CALLER

   LIBRARY is the innermost one on the stack that is no allocator (libc, the Swift runtime, GLib's g_malloc), CALLER the address
   in it, for addr2line. What the program itself allocates so stands under its own name.
   cc -O2 -fPIC -shared allocations.c -o allocations.so */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <execinfo.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t),
    *__libc_memalign(size_t, size_t);

enum { depth = 32, most = 4096 };
static struct site { char thread[16]; void *stack[depth]; int frames; long count; } sites[most];
static int site_count;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_int counts;
static _Thread_local int is_inside;

static void count(void) {
  if (!atomic_load_explicit(&counts, memory_order_relaxed) || is_inside) return;
  is_inside = 1;  // the unwinder allocates, too
  struct site site = {.count = 1};
  site.frames = backtrace(site.stack, depth);
  prctl(PR_GET_NAME, site.thread);
  pthread_mutex_lock(&lock);
  int at = 0;
  while (at < site_count && (sites[at].frames != site.frames || strcmp(sites[at].thread, site.thread) != 0 ||
                             memcmp(sites[at].stack, site.stack, sizeof(void *) * site.frames) != 0))
    at++;
  if (at < site_count) sites[at].count++;
  else if (at < most) sites[site_count++] = site;
  pthread_mutex_unlock(&lock);
  is_inside = 0;
}

void *malloc(size_t size) { count(); return __libc_malloc(size); }
void *calloc(size_t number, size_t size) { count(); return __libc_calloc(number, size); }
void *realloc(void *old, size_t size) { count(); return __libc_realloc(old, size); }
void *memalign(size_t alignment, size_t size) { count(); return __libc_memalign(alignment, size); }
void *aligned_alloc(size_t alignment, size_t size) { count(); return __libc_memalign(alignment, size); }
int posix_memalign(void **result, size_t alignment, size_t size) {
  count();
  *result = __libc_memalign(alignment, size);
  return *result ? 0 : 12;
}

static int is_allocator(const Dl_info *place) {
  static const char *const libraries[] = {"allocations.so", "libc.so", "libstdc++", "libswiftCore", "libswift_Concurrency"};
  static const char *const functions[] = {"g_malloc", "g_malloc0", "g_realloc", "g_slice_alloc", "g_slice_alloc0",
                                          "g_malloc_n", "g_malloc0_n", "g_strdup", "g_memdup2", "g_try_malloc"};
  const char *library = strrchr(place->dli_fname, '/');
  library = library ? library + 1 : place->dli_fname;
  for (size_t i = 0; i < sizeof libraries / sizeof *libraries; i++)
    if (strncmp(library, libraries[i], strlen(libraries[i])) == 0) return 1;
  for (size_t i = 0; place->dli_sname && i < sizeof functions / sizeof *functions; i++)
    if (strcmp(place->dli_sname, functions[i]) == 0) return 1;
  return 0;
}

static void report(void) {
  struct { const char *thread; char caller[256]; long count; } rows[most];
  int row_count = 0;
  for (int at = 0; at < site_count; at++) {
    char caller[256] = "? ?";
    for (int frame = 0; frame < sites[at].frames; frame++) {
      Dl_info place;
      if (!dladdr(sites[at].stack[frame], &place) || is_allocator(&place)) continue;
      const char *library = strrchr(place.dli_fname, '/');
      snprintf(caller, sizeof caller, "%s 0x%lx", library ? library + 1 : place.dli_fname,
               (unsigned long)((char *)sites[at].stack[frame] - (char *)place.dli_fbase));
      break;
    }
    int row = 0;
    while (row < row_count && (strcmp(rows[row].thread, sites[at].thread) || strcmp(rows[row].caller, caller))) row++;
    if (row == row_count) {
      rows[row_count].thread = sites[at].thread;
      strcpy(rows[row_count].caller, caller);
      rows[row_count++].count = 0;
    }
    rows[row].count += sites[at].count;
  }
  for (int row = 0; row < row_count; row++)
    fprintf(stderr, "ALLOCATIONS %s %ld %s\n", rows[row].thread, rows[row].count, rows[row].caller);
  fprintf(stderr, "ALLOCATIONS end\n");
}

static void *watch(void *nothing) {
  is_inside = 1;
  sleep(atoi(getenv("ALLOCATIONS_AFTER")));
  atomic_store(&counts, 1);
  sleep(atoi(getenv("ALLOCATIONS_FOR")));
  atomic_store(&counts, 0);
  pthread_mutex_lock(&lock);
  report();
  pthread_mutex_unlock(&lock);
  return nothing;
}

__attribute__((constructor)) static void begin(void) {
  if (!getenv("ALLOCATIONS_AFTER") || !getenv("ALLOCATIONS_FOR")) return;
  void *stack[depth];
  backtrace(stack, depth);  // loads the unwinder
  pthread_t thread;
  pthread_create(&thread, NULL, watch, NULL);
}
