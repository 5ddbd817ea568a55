#pragma once
// The operations on pairs of bfloat16 that take more than one instruction. A pair is one lane: its
// first element in the lower half, its second in the upper.
#include "simd/functions.h"

TARGET_AVX512_BF16 ND_INLINE __m512 pair_avx512_bf16(__m512 first, __m512 second) {
  // Element i of the lower half, then element i of the upper half.
  const __m512i order = _mm512_set_epi16(
      31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6, 21, 5, 20, 4, 19,
      3, 18, 2, 17, 1, 16, 0);
  return (__m512)_mm512_permutexvar_epi16(order, (__m512i)_mm512_cvtne2ps_pbh(second, first));
}

TARGET_AVX2 ND_INLINE unsigned nonzero_pairs_avx2(__m256i x) {
  x = _mm256_and_si256(x, _mm256_set1_epi32(0x7fff7fff));
  const __m256i zero = _mm256_cmpeq_epi32(x, _mm256_setzero_si256());
  return 0xff & ~(unsigned)_mm256_movemask_ps((__m256)zero);
}

TARGET_AVX2 ND_INLINE int has_nonfinite_pairs_avx2(__m256i x) {
  const __m256i exponent = _mm256_set1_epi16(0x7f80);
  x = _mm256_cmpeq_epi16(_mm256_and_si256(x, exponent), exponent);
  return _mm256_movemask_epi8(x) != 0;
}

// The second products first, as vdpbf16ps adds them.
TARGET_AVX2 ND_INLINE __m256 add_products_of_pairs_avx2(__m256 x, __m256 y, __m256 sum) {
  const __m256 upper = (__m256)_mm256_set1_epi32((int)0xffff0000);
  sum = _mm256_fmadd_ps(_mm256_and_ps(x, upper), _mm256_and_ps(y, upper), sum);
  return _mm256_fmadd_ps(
      (__m256)_mm256_slli_epi32((__m256i)x, 16), (__m256)_mm256_slli_epi32((__m256i)y, 16), sum);
}

// Rounds to bfloat16 in the upper halves, as vcvtneps2bf16 does: ties to even, denormals to 0, NaN
// to a quiet NaN.
TARGET_AVX2 ND_INLINE __m256i rounded_avx2(__m256 x) {
  __m256i bits = (__m256i)x;
  const __m256i normal = _mm256_cmpgt_epi32(
      _mm256_and_si256(bits, _mm256_set1_epi32(0x7f800000)), _mm256_setzero_si256());
  bits = _mm256_and_si256(bits, _mm256_or_si256(normal, _mm256_set1_epi32((int)0x80000000)));
  const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
  const __m256i nearest =
      _mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff)));
  const __m256i quiet = _mm256_or_si256(bits, _mm256_set1_epi32(0x400000));
  const __m256i is_nan = (__m256i)_mm256_cmp_ps(x, x, _CMP_UNORD_Q);
  return _mm256_blendv_epi8(nearest, quiet, is_nan);
}

TARGET_AVX2 ND_INLINE __m256 pair_avx2(__m256 first, __m256 second) {
  const __m256i upper =
      _mm256_and_si256(rounded_avx2(second), _mm256_set1_epi32((int)0xffff0000));
  return (__m256)_mm256_or_si256(upper, _mm256_srli_epi32(rounded_avx2(first), 16));
}

TARGET_AVX2 ND_INLINE __m256 join_avx2(__m256 x, __m256 next) {
  const __m256 first = _mm256_shuffle_ps(x, next, 0x88);
  const __m256 second = _mm256_shuffle_ps(x, next, 0xdd);
  // The shuffles work within halves of registers: both lower halves came first.
  return (__m256)_mm256_permute4x64_pd((__m256d)pair_avx2(first, second), 0xd8);
}
