#define _GNU_SOURCE  // gethostname
#include "ckernels.h"
#include <errno.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

// Allocators of the C library, of this process's own name and with one addition: a process that is
// refused memory says so and ends. The libraries below (MPI, oneDNN, Swift's runtime) die of a null
// pointer or a trap there, without a word on why. Code of ours that can do without uses nd_try_malloc.
//
// Source: the GNU C Library, "Replacing malloc": a program's definitions take the place of the
// library's, for all libraries too.

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_OTHER_ALLOCATOR 1
#endif
#endif

#if defined(__GLIBC__) && !defined(HAS_OTHER_ALLOCATOR)
extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);
#define SYSTEM(name) __libc_##name
#define REPLACES_ALLOCATOR 1
#else
#define SYSTEM(name) name
#define __libc_memalign aligned_alloc
#endif

void nd_out_of_memory(const char *what) {
  if (nd_claim_line()) {
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
    if (count > (int)sizeof line - 1) count = sizeof line - 1;
    ssize_t written = write(STDERR_FILENO, line, (size_t)count);
    (void)written;
  }
  // Not exit: its handlers, and other threads, may want memory too.
  _exit(70);
}

static void *checked(void *memory, size_t bytes) {
  if (memory || !bytes) return memory;
  char what[64];
  snprintf(what, sizeof what, "%zu bytes were refused", bytes);
  nd_out_of_memory(what);
}

void *nd_try_malloc(size_t bytes) { return SYSTEM(malloc)(bytes); }

void nd_trim_heap(void) {
#ifdef __GLIBC__
  malloc_trim(0);
#endif
}

void *nd_allocate(size_t alignment, size_t bytes) {
  return checked(__libc_memalign(alignment, bytes), bytes);
}

#ifdef REPLACES_ALLOCATOR
void *malloc(size_t bytes) { return checked(__libc_malloc(bytes), bytes); }

void *calloc(size_t count, size_t bytes) {
  return checked(__libc_calloc(count, bytes), count && bytes ? bytes : 0);
}

void *realloc(void *old, size_t bytes) { return checked(__libc_realloc(old, bytes), bytes); }

void *memalign(size_t alignment, size_t bytes) { return nd_allocate(alignment, bytes); }

void *aligned_alloc(size_t alignment, size_t bytes) { return nd_allocate(alignment, bytes); }

int posix_memalign(void **memory, size_t alignment, size_t bytes) {
  if (alignment % sizeof(void *) || !alignment || alignment & (alignment - 1)) return EINVAL;
  *memory = nd_allocate(alignment, bytes);
  return 0;
}
#endif
