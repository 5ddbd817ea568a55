#pragma once
#include "clones.h"
#include <stdint.h>
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

// Without a branch, so that a loop over it is vectorized: Cephes' polynomial about 0, and elsewhere
// 1 - 2 e / (1 + e) with e = e^(-2 |x|).
ND_INLINE float tanh_of(float x) {
  const float size = __builtin_fabsf(x), z = x * x;
  float p = -5.70498872745e-3f;
  p = p * z + 2.06390887954e-2f;
  p = p * z + -5.37397155531e-2f;
  p = p * z + 1.33314422036e-1f;
  p = p * z + -3.33332819422e-1f;
  const float near = (p * z) * size + size;
  const float e = exponential(-2.0f * size);
  // So written the rounding of e counts for little near 1, where 1 - tanh^2 needs its last places.
  const float far = 1.0f - (2.0f * e) / (1.0f + e);
  return __builtin_copysignf(size < 0.625f ? near : far, x);
}
