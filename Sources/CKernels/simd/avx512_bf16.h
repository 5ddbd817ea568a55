// AVX-512 with its bfloat16 instructions: avx512.h, except that an element is a pair of bfloat16,
// the first in the lower half of a lane and the second in the upper. Besides:
//   PAIR(first, second) pairs of two registers of floats, rounded: lane i holds element i of both
//   JOIN(x, next)       pairs of neighbours in two registers of consecutive floats, rounded
#include "simd/avx512.h"
#include "simd/functions_bf16.h"

#undef SET
#undef TARGET
#undef FMA
#undef NONZERO
#undef HAS_NONFINITE
#undef LARGER
#undef SPAN

#define SET(name) name##_avx512_bf16
#define TARGET TARGET_AVX512_BF16
#define FMA(x, y, z) _mm512_dpbf16_ps(z, (__m512bh)(x), (__m512bh)(y))
#define NONZERO(x) _mm512_test_epi32_mask((__m512i)(x), _mm512_set1_epi32(0x7fff7fff))
#define HAS_NONFINITE(x)                                                         \
  (_mm512_cmpeq_epi16_mask(                                                      \
       _mm512_and_si512((__m512i)(x), _mm512_set1_epi16(0x7f80)),                \
       _mm512_set1_epi16(0x7f80)) != 0)
#define LARGER(x, y)                 \
  ((__m512)_mm512_max_epu16(         \
      (__m512i)(x), _mm512_and_si512((__m512i)(y), _mm512_set1_epi16(INT16_MAX))))
#define SPAN 2
#define PAIR(first, second) pair_avx512_bf16(first, second)
#define JOIN(x, next) ((__m512)_mm512_cvtne2ps_pbh(next, x))
