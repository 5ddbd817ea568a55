#pragma once
#include <stddef.h>

// The additions of a reduction. Plain float32 adds, one per element, so the bits are the same on
// every instruction set.

// dst[i] = dst[i] + src[i] for 0 <= i < n. The two do not overlap.
void nd_add_into(float *restrict dst, const float *restrict src, ptrdiff_t n);

// out[i] = a[i] + b[i] for 0 <= i < n. `out` may be the very address of a or of b; there is no other
// overlap.
void nd_add(float *out, const float *a, const float *b, ptrdiff_t n);
