#include "csystem.h"

// In C because Swift's Atomic is a type of its own, which cannot access a word in mapped memory,
// and because Swift has no pause instruction.

void nd_store_release(uint64_t *word, uint64_t value) {
  __atomic_store_n(word, value, __ATOMIC_RELEASE);
}

static inline void pause_briefly(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

int nd_spin_until(const uint64_t *word, uint64_t value, int attempts) {
  for (int attempt = 0; attempt < attempts; attempt++) {
    if (attempt > 0) pause_briefly();
    if (__atomic_load_n(word, __ATOMIC_ACQUIRE) >= value) return 1;
  }
  return 0;
}
