#pragma once
#include "simd/clones.h"
#include <stdint.h>
#include <string.h>

// For loops over these functions: interleaves four registers. Each operation waits for the one
// before it, and a processor reorders operations of only a few registers.
#define ND_INTERLEAVED _Pragma("clang loop interleave_count(4)")

// Fused multiply-adds are written explicitly. On processors without the instruction, fmaf is slow
// but gives the same bits.

// e^x is a normal number for x between these.
static const float max_exponent = 88.37f, min_exponent = -87.33f;

// x limited to `minimum` ... `maximum`; NaN stays NaN.
ND_INLINE float clamped(float x, float minimum, float maximum) {
  x = x > maximum ? maximum : x;
  return x < minimum ? minimum : x;
}

// e^x = mantissa * power to about 1 unit in the last place, for x between min_exponent and
// max_exponent. x = k ln 2 + r with |r| <= ln 2 / 2; power = 2^k, and mantissa = e^r by the
// polynomial of Cephes' expf. For NaN the mantissa is NaN. libm is not used because its bits depend
// on the processor.
ND_INLINE void exponential_parts(float x, float *mantissa, float *power) {
  const float magic = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer
  const float shifted = __builtin_fmaf(x, 1.44269504f, magic);
  const float k = shifted - magic;
  const float r = __builtin_fmaf(k, 2.12194440e-4f, __builtin_fmaf(k, -0.693359375f, x));
  float p = 1.9875691500e-4f;
  p = __builtin_fmaf(p, r, 1.3981999507e-3f);
  p = __builtin_fmaf(p, r, 8.3334519073e-3f);
  p = __builtin_fmaf(p, r, 4.1665795894e-2f);
  p = __builtin_fmaf(p, r, 1.6666665459e-1f);
  p = __builtin_fmaf(p, r, 5.0000001201e-1f);
  p = __builtin_fmaf(p, r, 1.0f);
  *mantissa = __builtin_fmaf(p, r, 1.0f);
  uint32_t bits;
  memcpy(&bits, &shifted, 4);
  bits = (bits << 23) + 0x3f800000;  // the integer's lowest bits are those of `shifted`
  memcpy(power, &bits, 4);
}

// e^x; 0 where that is below the smallest normal number. NaN stays NaN.
ND_INLINE float exponential(float x) {
  float mantissa, power;
  exponential_parts(clamped(x, min_exponent, max_exponent), &mantissa, &power);
  return x < min_exponent ? 0.0f : mantissa * power;
}

// ln x for 0 < x < infinity to about 1 unit in the last place: x = 2^k (1 + f) with 1 + f between
// the square roots of 1/2 and 2, by the polynomial in f of Cephes' logf. For 0 it is a number below
// -103.
ND_INLINE float logarithm(float x) {
  // Denormals have no exponent to read, so they are scaled first.
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
  p = __builtin_fmaf(p, f, -1.1514610310e-1f);
  p = __builtin_fmaf(p, f, 1.1676998740e-1f);
  p = __builtin_fmaf(p, f, -1.2420140846e-1f);
  p = __builtin_fmaf(p, f, 1.4249322787e-1f);
  p = __builtin_fmaf(p, f, -1.6668057665e-1f);
  p = __builtin_fmaf(p, f, 2.0000714765e-1f);
  p = __builtin_fmaf(p, f, -2.4999993993e-1f);
  p = __builtin_fmaf(p, f, 3.3333331174e-1f);
  p = __builtin_fmaf(p * f, square, k * -2.12194440e-4f);
  p = __builtin_fmaf(-0.5f, square, p);
  return __builtin_fmaf(k, 0.693359375f, f + p);
}

// ln(1 - x) for 0 <= x <= 1, with the same accuracy where x is small.
ND_INLINE float logarithm_of_one_minus(float x) {
  const float difference = 1.0f - x;
  // The rounding error of 1 - x; it is 0 from x = 1/2 on.
  const float error = (difference - 1.0f) + x;
  return logarithm(difference) - (x < 0.5f ? error / difference : 0.0f);
}

// 1 / (1 + e^-x), without overflow; 0 where e^x is below the smallest normal number.
ND_INLINE float sigmoid_of(float x) {
  float mantissa, power;
  exponential_parts(-clamped(x, -max_exponent, -min_exponent), &mantissa, &power);
  const float y = 1.0f / __builtin_fmaf(mantissa, power, 1.0f);
  return x < min_exponent ? 0.0f : y;
}

// tanh x, by Cephes' polynomial around 0, and elsewhere as 1 - 2 e / (1 + e) with e = e^(-2 |x|).
// It has no branch, so that loops over it are vectorized.
ND_INLINE float tanh_of(float x) {
  const float size = __builtin_fabsf(x), z = x * x;
  float p = -5.70498872745e-3f;
  p = p * z + 2.06390887954e-2f;
  p = p * z + -5.37397155531e-2f;
  p = p * z + 1.33314422036e-1f;
  p = p * z + -3.33332819422e-1f;
  const float near = (p * z) * size + size;
  const float e = exponential(-2.0f * size);
  // In this form the rounding error of e has little effect near 1, where 1 - tanh^2 needs the last
  // places.
  const float far = 1.0f - (2.0f * e) / (1.0f + e);
  return __builtin_copysignf(size < 0.625f ? near : far, x);
}
