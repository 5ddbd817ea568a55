#include "ckernels.h"
#include "simd/clones.h"

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

// The running means and momenta of a weight whose gradient stays 0 decay to denormal numbers, on
// which the loops are 10 times slower. Denormals are about 30 powers of ten below values that
// matter, so they can be flushed to 0. Returns the control register's previous value, for
// restore_denormals.
ND_INLINE unsigned flush_denormals(void) {
#if defined(__x86_64__)
  const unsigned before = _mm_getcsr();
  _mm_setcsr(before | 0x8040);  // flush results to zero, read denormal operands as zero
  return before;
#else
  return 0;
#endif
}

ND_INLINE void restore_denormals(unsigned before) {
#if defined(__x86_64__)
  _mm_setcsr(before);
#endif
}

ND_KERNEL void nd_sgd(float *restrict p, const float *restrict g, ptrdiff_t n, float lr) {
  for (ptrdiff_t i = 0; i < n; i++) p[i] -= lr * g[i];
}

ND_KERNEL static void sgd_momentum(
    float *restrict p, float *restrict m, const float *restrict g, ptrdiff_t n, float lr,
    float momentum, float blend, float ahead, float decay) {
  for (ptrdiff_t i = 0; i < n; i++) {
    float gradient = g[i] + decay * p[i];
    float velocity = momentum * m[i] + blend * gradient;
    m[i] = velocity;
    p[i] -= lr * (ahead > 0 ? gradient + ahead * velocity : velocity);
  }
}

void nd_sgd_momentum(
    float *p, float *m, const float *g, ptrdiff_t n, float lr, float momentum, float blend,
    float ahead, float decay) {
  const unsigned before = flush_denormals();
  sgd_momentum(p, m, g, n, lr, momentum, blend, ahead, decay);
  restore_denormals(before);
}

ND_KERNEL void nd_sgd_decay(
    float *restrict p, const float *restrict g, ptrdiff_t n, float lr, float decay) {
  for (ptrdiff_t i = 0; i < n; i++) p[i] -= lr * (g[i] + decay * p[i]);
}

// Without weight decay, decay is 0 and keep is 1. These change no bit of finite numbers.
ND_KERNEL static void adam(
    float *restrict p, float *restrict m, float *restrict v, const float *restrict g, ptrdiff_t n,
    float a, float beta2, float b, float step, float rv, float eps, float decay, float keep) {
  for (ptrdiff_t i = 0; i < n; i++) {
    float gradient = g[i] + decay * p[i];
    float mean = m[i] + (gradient - m[i]) * a;
    float square = v[i] * beta2 + b * (gradient * gradient);
    m[i] = mean;
    v[i] = square;
    // The builtin is the bare instruction; sqrtf sets errno, which keeps the loop scalar.
    p[i] = keep * p[i] - step * mean / (__builtin_elementwise_sqrt(square) * rv + eps);
  }
}

void nd_adam(
    float *p, float *m, float *v, const float *g, ptrdiff_t n, float a, float beta2, float b,
    float step, float rv, float eps, float decay, float keep) {
  const unsigned before = flush_denormals();
  adam(p, m, v, g, n, a, beta2, b, step, rv, eps, decay, keep);
  restore_denormals(before);
}

// scaled = gradient / (square root of its mean square + eps). `centre` may subtract the square of
// the gradient's mean from the mean square.
#define ND_SCALED(i, centre)                                                  \
  float gradient = g[i] + decay * p[i];                                       \
  float square = v[i] * alpha + b * (gradient * gradient);                    \
  v[i] = square;                                                              \
  centre;                                                                     \
  float scaled = gradient / (__builtin_elementwise_sqrt(square) + eps);

#define ND_CENTRE(i)                             \
  float mean = c[i] + (gradient - c[i]) * b;     \
  c[i] = mean;                                   \
  square -= mean * mean

ND_KERNEL static void rmsprop(
    float *restrict p, float *restrict v, float *restrict m, float *restrict c,
    const float *restrict g, ptrdiff_t n, float lr, float alpha, float b, float eps, float momentum,
    float decay) {
  // One loop for each of the four cases, so that all of them are vectorized.
  if (m && c) {
    for (ptrdiff_t i = 0; i < n; i++) {
      ND_SCALED(i, ND_CENTRE(i))
      m[i] = momentum * m[i] + scaled;
      p[i] -= lr * m[i];
    }
  } else if (m) {
    for (ptrdiff_t i = 0; i < n; i++) {
      ND_SCALED(i, )
      m[i] = momentum * m[i] + scaled;
      p[i] -= lr * m[i];
    }
  } else if (c) {
    for (ptrdiff_t i = 0; i < n; i++) {
      ND_SCALED(i, ND_CENTRE(i))
      p[i] -= lr * scaled;
    }
  } else {
    for (ptrdiff_t i = 0; i < n; i++) {
      ND_SCALED(i, )
      p[i] -= lr * scaled;
    }
  }
}

void nd_rmsprop(
    float *p, float *v, float *m, float *c, const float *g, ptrdiff_t n, float lr, float alpha,
    float b, float eps, float momentum, float decay) {
  const unsigned before = flush_denormals();
  rmsprop(p, v, m, c, g, n, lr, alpha, b, eps, momentum, decay);
  restore_denormals(before);
}

ND_KERNEL void nd_adagrad(
    float *restrict p, float *restrict s, const float *restrict g, ptrdiff_t n, float lr, float eps,
    float decay) {
  for (ptrdiff_t i = 0; i < n; i++) {
    float gradient = g[i] + decay * p[i];
    float sum = s[i] + gradient * gradient;
    s[i] = sum;
    p[i] -= lr * gradient / (__builtin_elementwise_sqrt(sum) + eps);
  }
}

ND_KERNEL void nd_scale(float *y, const float *x, ptrdiff_t n, float factor) {
  // Vectorized without a test for overlap, as in nd_add: y is x, or does not overlap it.
#pragma clang loop vectorize(assume_safety)
  for (ptrdiff_t i = 0; i < n; i++) y[i] = x[i] * factor;
}

ND_KERNEL void nd_clip(float *x, ptrdiff_t n, float limit) {
  // Comparisons in this order keep NaN.
  for (ptrdiff_t i = 0; i < n; i++) {
    float v = x[i] > limit ? limit : x[i];
    x[i] = v < -limit ? -limit : v;
  }
}

ND_KERNEL void nd_move_towards(
    float *restrict y, const float *restrict x, ptrdiff_t n, float part) {
  for (ptrdiff_t i = 0; i < n; i++) y[i] += (x[i] - y[i]) * part;
}
