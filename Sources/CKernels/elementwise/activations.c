#include "ckernels.h"
#include "simd/clones.h"
#include <string.h>

// The activations after linear layers: dx from the result y, together with the sums of dx over
// rows, which are the bias's gradient. One pass over memory instead of two.

ND_INLINE float relu_slope(float dy, float y) { return y <= 0 ? 0 : dy; }
ND_INLINE float sigmoid_slope(float dy, float y) { return dy * (y * (1 - y)); }
ND_INLINE float tanh_slope(float dy, float y) { return dy * (1 - y * y); }

// As in nd_column_sums, the sums stay in registers. Each column is one chain of additions.
#define COLUMNS(width, slope)                                       \
  for (; columns - c >= width; c += width) {                        \
    float own[width] = {0};                                         \
    for (ptrdiff_t r = 0; r < rows; r++) {                          \
      const ptrdiff_t at = r * columns + c;                         \
      for (int i = 0; i < width; i++) {                             \
        const float d = slope(dy[at + i], y[at + i]);               \
        dx[at + i] = d;                                             \
        own[i] += d;                                                \
      }                                                             \
    }                                                               \
    memcpy(sums + c, own, sizeof own);                              \
  }

#define BACKWARD_WITH_SUMS(name, slope)                                                         \
  ND_KERNEL void name(                                                                          \
      float *restrict dx, float *restrict sums, const float *restrict dy,                       \
      const float *restrict y, ptrdiff_t rows, ptrdiff_t columns) {                             \
    ptrdiff_t c = 0;                                                                            \
    COLUMNS(64, slope)                                                                          \
    COLUMNS(16, slope)                                                                          \
    COLUMNS(8, slope)                                                                           \
    COLUMNS(4, slope)                                                                           \
    COLUMNS(1, slope)                                                                           \
  }

BACKWARD_WITH_SUMS(nd_relu_backward_and_sums, relu_slope)
BACKWARD_WITH_SUMS(nd_sigmoid_backward_and_sums, sigmoid_slope)
BACKWARD_WITH_SUMS(nd_tanh_backward_and_sums, tanh_slope)
