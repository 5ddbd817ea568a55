#include "ckernels.h"
#include "simd/clones.h"
#include "simd/exponential.h"
#include <string.h>

ND_KERNEL void nd_relu(float *y, const float *x, ptrdiff_t n) {
  // This form keeps NaN, so that a diverged run is noticed. Vectorized without a test for overlap,
  // as in nd_add.
#pragma clang loop vectorize(assume_safety)
  for (ptrdiff_t i = 0; i < n; i++) y[i] = x[i] <= 0 ? 0 : x[i];
}

ND_KERNEL void nd_relu_backward(float *dx, const float *dy, const float *y, ptrdiff_t n) {
#pragma clang loop vectorize(assume_safety)
  for (ptrdiff_t i = 0; i < n; i++) dx[i] = y[i] <= 0 ? 0 : dy[i];
}

ND_KERNEL void nd_add_into(float *restrict y, const float *restrict x, ptrdiff_t n) {
  for (ptrdiff_t i = 0; i < n; i++) y[i] += x[i];
}

ND_KERNEL void nd_add(float *z, const float *x, const float *y, ptrdiff_t n) {
  // Vectorized without a test for overlap: where z is x or y, each element is read before it is
  // written, for any vector width.
#pragma clang loop vectorize(assume_safety)
  for (ptrdiff_t i = 0; i < n; i++) z[i] = x[i] + y[i];
}

typedef float floats16 __attribute__((ext_vector_type(16), aligned(4)));
typedef uint32_t words16 __attribute__((ext_vector_type(16)));

ND_KERNEL int nd_add_to_all(
    float *const *z, ptrdiff_t count, ptrdiff_t offset, const float *x, const float *y,
    ptrdiff_t n) {
  words16 carries = 0;  // as in nd_all_finite
  ptrdiff_t i = 0;
  for (; i + 16 <= n; i += 16) {
    const floats16 sum = *(const floats16 *)(x + i) + *(const floats16 *)(y + i);
    carries |= ((words16)sum & 0x7fffffffu) + 0x00800000u;
    for (ptrdiff_t k = 0; k < count; k++) {
      float *to = z[k] + offset + i;
      // Prefetched for writing, so that a line in another core's cache is transferred once, not
      // twice.
      __builtin_prefetch(to + 512, 1);
      *(floats16 *)to = sum;
    }
  }
  uint32_t carry = __builtin_reduce_or(carries);
  for (; i < n; i++) {
    const float sum = x[i] + y[i];
    uint32_t bits;
    memcpy(&bits, &sum, sizeof bits);
    carry |= (bits & 0x7fffffffu) + 0x00800000u;
    for (ptrdiff_t k = 0; k < count; k++) z[k][offset + i] = sum;
  }
  return !(carry >> 31);
}

ND_KERNEL void nd_multiply(float *z, const float *x, const float *y, ptrdiff_t n) {
  for (ptrdiff_t i = 0; i < n; i++) z[i] = x[i] * y[i];
}

ND_KERNEL void nd_sigmoid(float *y, const float *x, ptrdiff_t n) {
#pragma clang loop vectorize(assume_safety)
  ND_INTERLEAVED
  for (ptrdiff_t i = 0; i < n; i++) y[i] = sigmoid_of(x[i]);
}

ND_KERNEL void nd_sigmoid_backward(float *dx, const float *dy, const float *y, ptrdiff_t n) {
#pragma clang loop vectorize(assume_safety)
  for (ptrdiff_t i = 0; i < n; i++) dx[i] = dy[i] * (y[i] * (1 - y[i]));
}

ND_KERNEL void nd_tanh(float *y, const float *x, ptrdiff_t n) {
#pragma clang loop vectorize(assume_safety)
  ND_INTERLEAVED
  for (ptrdiff_t i = 0; i < n; i++) y[i] = tanh_of(x[i]);
}

ND_KERNEL void nd_tanh_backward(float *dx, const float *dy, const float *y, ptrdiff_t n) {
#pragma clang loop vectorize(assume_safety)
  for (ptrdiff_t i = 0; i < n; i++) dx[i] = dy[i] * (1 - y[i] * y[i]);
}
