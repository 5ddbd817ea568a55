#include "ckernels.h"
#include "clones.h"
#include <math.h>
#include <string.h>

// e^x to about 1 unit in the last place: x = k ln 2 + r, |r| <= ln 2 / 2, by a polynomial in r
// (the one of Cephes' expf) and k added to the exponent. Ours and not libm's, because libm's bits
// depend on the processor it finds. 0 below the smallest normal number; NaN stays NaN.
ND_INLINE float exponential(float x) {
  const float top = 88.37f, bottom = -87.33f;
  float clamped = x > top ? top : x;
  clamped = clamped < bottom ? bottom : clamped;
  const float magic = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer
  float shifted = clamped * 1.44269504f + magic;
  float k = shifted - magic;
  float r = (clamped - k * 0.693359375f) - k * -2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  float e = (p * (r * r) + r) + 1.0f;
  int32_t exponent, bits;
  memcpy(&exponent, &shifted, 4);
  memcpy(&bits, &e, 4);
  bits += (int32_t)((uint32_t)(exponent - 0x4b400000) << 23);
  float scaled;
  memcpy(&scaled, &bits, 4);
  return x < bottom ? 0.0f : (x != x ? x : scaled);
}

ND_KERNEL double nd_softmax_cross_entropy(
    float *restrict p, const float *restrict logits, const int64_t *restrict targets,
    ptrdiff_t rows, ptrdiff_t classes) {
  double total = 0;
  for (ptrdiff_t r = 0; r < rows; r++) {
    const float *x = logits + r * classes;
    float *q = p + r * classes;
    float largest = x[0];
    for (ptrdiff_t c = 1; c < classes; c++) largest = x[c] > largest ? x[c] : largest;
    for (ptrdiff_t c = 0; c < classes; c++) q[c] = exponential(x[c] - largest);
    double sum = 0;
    for (ptrdiff_t c = 0; c < classes; c++) sum += q[c];
    float scale = (float)(1 / sum);
    for (ptrdiff_t c = 0; c < classes; c++) q[c] *= scale;
    total += log(sum) - ((double)x[targets[r]] - largest);
  }
  return total;
}

ND_KERNEL void nd_softmax_cross_entropy_backward(
    float *restrict dx, const float *restrict p, const int64_t *restrict targets, ptrdiff_t rows,
    ptrdiff_t classes, float scale) {
  for (ptrdiff_t i = 0; i < rows * classes; i++) dx[i] = p[i] * scale;
  for (ptrdiff_t r = 0; r < rows; r++) {
    ptrdiff_t i = r * classes + targets[r];
    dx[i] = (p[i] - 1) * scale;
  }
}
