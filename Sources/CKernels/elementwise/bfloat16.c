#include "ckernels.h"
#include "simd/clones.h"
#include <string.h>

// The bits of x rounded to bfloat16: to the nearest, ties to even. NaN becomes a quiet NaN, as
// rounding could carry its mantissa into infinity.
ND_INLINE uint32_t rounded_bits(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  uint32_t nearest = bits + 0x7fffu + (bits >> 16 & 1);
  uint32_t quiet = bits | 0x400000u;
  return ((bits & 0x7fffffffu) > 0x7f800000u ? quiet : nearest) & 0xffff0000u;
}

ND_INLINE float rounded(float x) {
  uint32_t bits = rounded_bits(x);
  memcpy(&x, &bits, sizeof x);
  return x;
}

ND_KERNEL void nd_round_bf16(float *y, const float *x, ptrdiff_t n) {
  // As in nd_add.
#pragma clang loop vectorize(assume_safety)
  for (ptrdiff_t i = 0; i < n; i++) y[i] = rounded(x[i]);
}

ND_KERNEL void nd_round_operand_bf16(float *restrict y, const float *restrict x, ptrdiff_t n) {
  for (ptrdiff_t i = 0; i < n; i++) {
    uint32_t bits;
    memcpy(&bits, &x[i], sizeof bits);
    const uint32_t zero = bits & 0x80000000u;
    const uint32_t kept = (bits & 0x7f800000u) == 0 ? zero : rounded_bits(x[i]);
    memcpy(&y[i], &kept, sizeof kept);
  }
}

ND_KERNEL void nd_add_bf16(float *z, const float *x, const float *y, ptrdiff_t n) {
  // As in nd_add.
#pragma clang loop vectorize(assume_safety)
  for (ptrdiff_t i = 0; i < n; i++) z[i] = rounded(rounded(x[i]) + rounded(y[i]));
}

ND_KERNEL void nd_pack_bf16(uint16_t *restrict packed, const float *restrict x, ptrdiff_t n) {
  for (ptrdiff_t i = 0; i < n; i++) packed[i] = (uint16_t)(rounded_bits(x[i]) >> 16);
}

ND_KERNEL void nd_unpack_bf16(float *restrict x, const uint16_t *restrict packed, ptrdiff_t n) {
  for (ptrdiff_t i = 0; i < n; i++) {
    uint32_t bits = (uint32_t)packed[i] << 16;
    memcpy(&x[i], &bits, sizeof bits);
  }
}
