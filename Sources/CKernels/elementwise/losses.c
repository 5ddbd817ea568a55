#include "ckernels.h"
#include "simd/clones.h"
#include "simd/exponential.h"
#include "simd/lanes.h"

// The terms of a block are computed first, as vectors, and then added in double. The block stays in
// the first-level cache. In a single loop, the conversions to double would prevent vectorization.
enum { BLOCK = 64 * SUM_LANES };

#define SUM_OF(term)                                                    \
  double lanes[SUM_LANES] = {0};                                            \
  float terms[BLOCK];                                                   \
  for (ptrdiff_t start = 0; start < n; start += BLOCK) {                \
    const ptrdiff_t count = n - start < BLOCK ? n - start : BLOCK;      \
    const float *a = x + start, *b = y + start;                         \
    ND_INTERLEAVED                                                      \
    for (ptrdiff_t i = 0; i < count; i++) terms[i] = term(a[i], b[i]);  \
    add_to_lanes(lanes, terms, count);                                  \
  }                                                                     \
  return sum_of_lanes(lanes);

ND_INLINE float squared_error(float x, float y) {
  const float d = x - y;
  return d * d;
}

ND_KERNEL double nd_squared_error(const float *x, const float *y, ptrdiff_t n) {
  SUM_OF(squared_error)
}

ND_KERNEL void nd_squared_error_backward(
    float *restrict dx, const float *restrict x, const float *restrict y, ptrdiff_t n,
    float scale) {
  for (ptrdiff_t i = 0; i < n; i++) dx[i] = 2 * (x[i] - y[i]) * scale;
}

typedef float floats8 __attribute__((ext_vector_type(8), aligned(4)));
typedef double doubles8 __attribute__((ext_vector_type(8)));

// Each addition in double waits for the one before it; the gradient is computed meanwhile.
ND_KERNEL double nd_squared_error_and_gradient(
    float *restrict dx, const float *restrict x, const float *restrict y, ptrdiff_t n,
    float scale) {
  doubles8 sums = 0;
  ptrdiff_t i = 0;
  for (; i + SUM_LANES <= n; i += SUM_LANES) {
    const floats8 d = *(const floats8 *)(x + i) - *(const floats8 *)(y + i);
    *(floats8 *)(dx + i) = 2 * d * scale;
    sums += __builtin_convertvector(d * d, doubles8);
  }
  double lanes[SUM_LANES];
  for (int l = 0; l < SUM_LANES; l++) lanes[l] = sums[l];
  for (int l = 0; i < n; i++, l++) {
    lanes[l] += squared_error(x[i], y[i]);
    dx[i] = 2 * (x[i] - y[i]) * scale;
  }
  return sum_of_lanes(lanes);
}

ND_INLINE float at_least(float x, float minimum) {
  return x < minimum ? minimum : x;
}

ND_INLINE float cross_entropy(float x, float y) {
  const float log_of_one_minus = at_least(logarithm_of_one_minus(x), -100.0f);
  return (y - 1) * log_of_one_minus - y * at_least(logarithm(x), -100.0f);
}

ND_KERNEL double nd_binary_cross_entropy(const float *x, const float *y, ptrdiff_t n) {
  SUM_OF(cross_entropy)
}

ND_KERNEL void nd_binary_cross_entropy_backward(
    float *restrict dx, const float *restrict x, const float *restrict y, ptrdiff_t n,
    float scale) {
  for (ptrdiff_t i = 0; i < n; i++)
    dx[i] = (x[i] - y[i]) / at_least((1 - x[i]) * x[i], 1e-12f) * scale;
}

ND_KERNEL int nd_all_probabilities(const float *x, ptrdiff_t n) {
  int outside = 0;
  for (ptrdiff_t i = 0; i < n; i++) outside |= !(x[i] >= 0) | !(x[i] <= 1);
  return !outside;
}
