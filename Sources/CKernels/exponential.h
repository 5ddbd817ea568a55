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

// ln x for 0 < x < infinity to about 1 unit in the last place: x = 2^k (1 + f) with 1 + f between the
// square roots of 1/2 and 2, by a polynomial in f (the one of Cephes' logf). Below -103 for 0.
ND_INLINE float logarithm(float x) {
  // Below the smallest normal number there is no exponent to read.
  const int small = x < 1.17549435e-38f;
  const float normal = small ? x * 8388608.0f : x;  // 2^23
  int32_t bits;
  memcpy(&bits, &normal, 4);
  const int32_t from_root = bits - 0x3f3504f3;  // the bits of the square root of 1/2
  const float k = (float)(from_root >> 23) - (small ? 23.0f : 0.0f);
  bits = (from_root & 0x7fffff) + 0x3f3504f3;
  float f;
  memcpy(&f, &bits, 4);
  f -= 1.0f;
  const float square = f * f;
  float p = 7.0376836292e-2f;
  p = p * f - 1.1514610310e-1f;
  p = p * f + 1.1676998740e-1f;
  p = p * f - 1.2420140846e-1f;
  p = p * f + 1.4249322787e-1f;
  p = p * f - 1.6668057665e-1f;
  p = p * f + 2.0000714765e-1f;
  p = p * f - 2.4999993993e-1f;
  p = p * f + 3.3333331174e-1f;
  p = p * f * square + k * -2.12194440e-4f - 0.5f * square;
  return f + p + k * 0.693359375f;
}

// ln(1 - x) for 0 <= x <= 1, as exact where x is small.
ND_INLINE float logarithm_of_rest(float x) {
  const float rest = 1.0f - x;
  // What rounding lost of the rest; nothing from 1/2 on.
  const float lost = (rest - 1.0f) + x;
  return logarithm(rest) - (x < 0.5f ? lost / rest : 0.0f);
}

// 1 / (1 + e^-x), without overflow.
ND_INLINE float sigmoid_of(float x) {
  const float e = exponential(-__builtin_fabsf(x));
  return (x < 0 ? e : 1.0f) / (1.0f + e);
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
