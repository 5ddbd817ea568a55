#include "callocator.h"
#include "csystem.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

// Replaces the C library's allocators in the whole process. They add one thing: when an allocation
// fails, the process prints its rank, host, step and the number of bytes, and exits with status 70.
// The libraries it uses (MPI, oneDNN, Swift's runtime) would else crash on a null pointer or trap,
// without saying why. Only nndist's own programs link this target. Code of ours that can continue
// without memory calls nd_try_malloc.
//
// Source: the GNU C Library, "Replacing malloc".

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_OTHER_ALLOCATOR 1
#endif
#endif

__attribute__((constructor)) static void install(void) {
  nd_set_out_of_memory_handler(nd_exit_out_of_memory);
}

#if defined(__GLIBC__) && !defined(HAS_OTHER_ALLOCATOR)
extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t);

static void *checked(void *memory, size_t bytes) {
  if (memory || !bytes) return memory;
  char what[64];
  snprintf(what, sizeof what, "%zu bytes were refused", bytes);
  nd_out_of_memory(what);
}

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
