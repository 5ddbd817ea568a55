#pragma once
#include "clones.h"
#include <stdint.h>
#include <string.h>

// The exponential function and what is made of it, without a branch or a call, so that a loop over them
// is vectorized; libm's are one call an element, and their bits are the system's. The polynomials are
// those of the Cephes library (S. Moshier), expf and tanhf; each operation rounds by itself.

ND_INLINE float power_of_two(int32_t exponent) {
  const uint32_t bits = (uint32_t)(exponent + 127) << 23;
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

// e^x for x <= 0, within 2 units in the last place; NaN of NaN.
ND_INLINE float exp_of_negative(float x) {
  const float shift = 12582912.0f;  // 1.5 * 2^23: a sum with it is rounded to a whole number
  const float least = x < -104.0f ? -104.0f : x;  // e^-104 is 0
  const float shifted = least * 1.44269504088896341f + shift;
  int32_t exponent;
  memcpy(&exponent, &shifted, sizeof exponent);
  exponent -= 0x4b400000;
  const float n = shifted - shift;
  const float r = (least - n * 0.693359375f) - n * -2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = (p * (r * r) + r) + 1.0f;
  // In two factors, as 2^-150 is none.
  const int32_t half = exponent >> 1;
  return (p * power_of_two(half)) * power_of_two(exponent - half);
}

// 1 / (1 + e^-x)
ND_INLINE float sigmoid_of(float x) {
  const float e = exp_of_negative(-__builtin_fabsf(x));
  return (x >= 0 ? 1.0f : e) / (1.0f + e);
}

ND_INLINE float tanh_of(float x) {
  const float size = __builtin_fabsf(x), z = x * x;
  float p = -5.70498872745e-3f;
  p = p * z + 2.06390887954e-2f;
  p = p * z + -5.37397155531e-2f;
  p = p * z + 1.33314422036e-1f;
  p = p * z + -3.33332819422e-1f;
  const float near = (p * z) * size + size;
  const float e = exp_of_negative(-2.0f * size);
  const float far = (1.0f - e) / (1.0f + e);
  return __builtin_copysignf(size < 0.625f ? near : far, x);
}
