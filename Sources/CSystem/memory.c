#define _GNU_SOURCE  // gethostname
#include "csystem.h"
#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_OTHER_ALLOCATOR 1
#endif
#endif

// The C library's own functions, which return NULL where there is no memory. In a program with
// CAllocator, malloc never does.
#if defined(__GLIBC__) && !defined(HAS_OTHER_ALLOCATOR)
extern void *__libc_malloc(size_t), *__libc_memalign(size_t, size_t);
#else
#define __libc_malloc malloc
#define __libc_memalign aligned_alloc
#endif

static void (*handler)(const char *);

void nd_set_out_of_memory_handler(void (*new_handler)(const char *)) {
  __atomic_store_n(&handler, new_handler, __ATOMIC_RELEASE);
}

static void print(const char *line, int count, int capacity) {
  if (count > capacity - 1) count = capacity - 1;
  ssize_t written = write(STDERR_FILENO, line, (size_t)count);
  (void)written;
}

void nd_out_of_memory(const char *what) {
  void (*installed)(const char *) = __atomic_load_n(&handler, __ATOMIC_ACQUIRE);
  if (installed) installed(what);
  char line[256];
  print(line, snprintf(line, sizeof line, "out of memory: %s\n", what), sizeof line);
  abort();
}

void nd_exit_out_of_memory(const char *what) {
  if (nd_may_report()) {
    char host[256] = "", line[1024], place[32] = "before step 1";
    gethostname(host, sizeof host - 1);
    int rank = nd_launcher_rank();
    long long step = nd_current_step();
    if (step) snprintf(place, sizeof place, "at step %lld", step);
    int count = snprintf(
        line, sizeof line,
        "nndist: error: rank %d (pid %d, host %s) is out of memory %s: %s | use fewer ranks or threads "
        "on that host, a smaller batch (--batch-size, --micro-batch), or raise its limit (ulimit -v)\n",
        rank < 0 ? 0 : rank, getpid(), host, place, what);
    print(line, count, sizeof line);
  }
  // Not exit: its handlers, and other threads, may allocate memory.
  _exit(70);
}

void *nd_try_malloc(size_t bytes) { return __libc_malloc(bytes); }

void nd_trim_heap(void) {
#ifdef __GLIBC__
  malloc_trim(0);
#endif
}

void *nd_allocate(size_t alignment, size_t bytes) {
  void *memory = __libc_memalign(alignment, bytes);
  if (memory || !bytes) return memory;
  char what[64];
  snprintf(what, sizeof what, "%zu bytes were refused", bytes);
  nd_out_of_memory(what);
}
