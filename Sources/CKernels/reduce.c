#include "reduce.h"

#if defined(__x86_64__)
#define EACH_ISA __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define EACH_ISA
#endif

EACH_ISA void nd_add_into(float *restrict dst, const float *restrict src, ptrdiff_t n) {
  for (ptrdiff_t i = 0; i < n; i++) dst[i] += src[i];
}

EACH_ISA void nd_add(float *out, const float *a, const float *b, ptrdiff_t n) {
  // Vectorized without a test for overlap: where `out` is a or b, each element is read before it is
  // written, whatever the width.
#pragma clang loop vectorize(assume_safety)
  for (ptrdiff_t i = 0; i < n; i++) out[i] = a[i] + b[i];
}
