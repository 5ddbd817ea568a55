#include "ckernels.h"
#include "clones.h"
#include <math.h>

ND_KERNEL void nd_sgd(float *restrict p, const float *restrict g, ptrdiff_t n, float lr) {
  for (ptrdiff_t i = 0; i < n; i++) p[i] -= lr * g[i];
}

ND_KERNEL void nd_adam(
    float *restrict p, float *restrict m, float *restrict v, const float *restrict g, ptrdiff_t n,
    float beta1, float beta2, float step, float rv, float eps) {
  const float a = 1 - beta1, b = 1 - beta2;
  for (ptrdiff_t i = 0; i < n; i++) {
    float mean = m[i] + (g[i] - m[i]) * a;
    float square = v[i] * beta2 + b * (g[i] * g[i]);
    m[i] = mean;
    v[i] = square;
    p[i] -= step * mean / (sqrtf(square) * rv + eps);
  }
}
