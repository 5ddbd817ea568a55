#include "ckernels.h"
#include "clones.h"
#include "exponential.h"

ND_KERNEL void nd_relu(float *y, const float *x, ptrdiff_t n) {
  // Written so that NaN stays NaN: a diverged run must be seen.
  for (ptrdiff_t i = 0; i < n; i++) y[i] = x[i] <= 0 ? 0 : x[i];
}

ND_KERNEL void nd_relu_backward(float *dx, const float *dy, const float *y, ptrdiff_t n) {
  for (ptrdiff_t i = 0; i < n; i++) dx[i] = y[i] <= 0 ? 0 : dy[i];
}

ND_KERNEL void nd_add_into(float *restrict y, const float *restrict x, ptrdiff_t n) {
  for (ptrdiff_t i = 0; i < n; i++) y[i] += x[i];
}

ND_KERNEL void nd_add(float *z, const float *x, const float *y, ptrdiff_t n) {
  // Vectorized without a test for overlap: where z is x or y, each element is read before it is
  // written, whatever the width.
#pragma clang loop vectorize(assume_safety)
  for (ptrdiff_t i = 0; i < n; i++) z[i] = x[i] + y[i];
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
