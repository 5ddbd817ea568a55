#pragma once
// The instruction sets as attributes, and the operations of the tables (avx2.h, avx512.h, ...) that
// take more than one instruction.
#include "simd/clones.h"
#include <immintrin.h>
#include <stddef.h>

// Instrumented, these fully unrolled kernels would take a compiler many minutes.
#define UNCHECKED no_sanitize("address", "coverage")
#define TARGET_AVX2 __attribute__((target("arch=x86-64-v3"), UNCHECKED))
#define TARGET_AVX512 __attribute__((target("arch=x86-64-v4"), UNCHECKED))
#define TARGET_AVX512_BF16 __attribute__((target("arch=x86-64-v4,avx512bf16"), UNCHECKED))

// All bits of the first `count` lanes set, those of the others 0.
TARGET_AVX2 ND_INLINE __m256i first_lanes_avx2(ptrdiff_t count) {
  return _mm256_cmpgt_epi32(
      _mm256_set1_epi32((int)count), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

// x - x is NaN exactly where x is infinite or NaN.
TARGET_AVX2 ND_INLINE int has_nonfinite_avx2(__m256 x) {
  x = _mm256_sub_ps(x, x);
  return _mm256_movemask_ps(_mm256_cmp_ps(x, x, _CMP_UNORD_Q)) != 0;
}

// Transposes 8 x 8 floats in place: pairs, pairs of pairs, then halves of registers.
TARGET_AVX2 ND_INLINE void transpose_registers_avx2(__m256 *x) {
  __m256 t[8];
  UNROLLED for (int i = 0; i < 8; i += 2) {
    t[i] = _mm256_unpacklo_ps(x[i], x[i + 1]);
    t[i + 1] = _mm256_unpackhi_ps(x[i], x[i + 1]);
  }
  UNROLLED for (int i = 0; i < 8; i += 4) {
    x[i] = (__m256)_mm256_unpacklo_pd((__m256d)t[i], (__m256d)t[i + 2]);
    x[i + 1] = (__m256)_mm256_unpackhi_pd((__m256d)t[i], (__m256d)t[i + 2]);
    x[i + 2] = (__m256)_mm256_unpacklo_pd((__m256d)t[i + 1], (__m256d)t[i + 3]);
    x[i + 3] = (__m256)_mm256_unpackhi_pd((__m256d)t[i + 1], (__m256d)t[i + 3]);
  }
  UNROLLED for (int i = 0; i < 4; i++) {
    t[i] = _mm256_permute2f128_ps(x[i], x[i + 4], 0x20);
    t[i + 4] = _mm256_permute2f128_ps(x[i], x[i + 4], 0x31);
  }
  UNROLLED for (int i = 0; i < 8; i++) x[i] = t[i];
}

// Transposes 16 x 16 floats in place: pairs, pairs of pairs, then quarters of registers.
TARGET_AVX512 ND_INLINE void transpose_registers_avx512(__m512 *x) {
  __m512 t[16];
  UNROLLED for (int i = 0; i < 16; i += 2) {
    t[i] = _mm512_unpacklo_ps(x[i], x[i + 1]);
    t[i + 1] = _mm512_unpackhi_ps(x[i], x[i + 1]);
  }
  UNROLLED for (int i = 0; i < 16; i += 4) {
    x[i] = (__m512)_mm512_unpacklo_pd((__m512d)t[i], (__m512d)t[i + 2]);
    x[i + 1] = (__m512)_mm512_unpackhi_pd((__m512d)t[i], (__m512d)t[i + 2]);
    x[i + 2] = (__m512)_mm512_unpacklo_pd((__m512d)t[i + 1], (__m512d)t[i + 3]);
    x[i + 3] = (__m512)_mm512_unpackhi_pd((__m512d)t[i + 1], (__m512d)t[i + 3]);
  }
  UNROLLED for (int i = 0; i < 4; i++) {
    t[i] = _mm512_shuffle_f32x4(x[i], x[i + 4], 0x88);
    t[i + 4] = _mm512_shuffle_f32x4(x[i], x[i + 4], 0xdd);
    t[i + 8] = _mm512_shuffle_f32x4(x[i + 8], x[i + 12], 0x88);
    t[i + 12] = _mm512_shuffle_f32x4(x[i + 8], x[i + 12], 0xdd);
  }
  UNROLLED for (int i = 0; i < 4; i++) {
    x[i] = _mm512_shuffle_f32x4(t[i], t[i + 8], 0x88);
    x[i + 8] = _mm512_shuffle_f32x4(t[i], t[i + 8], 0xdd);
    x[i + 4] = _mm512_shuffle_f32x4(t[i + 4], t[i + 12], 0x88);
    x[i + 12] = _mm512_shuffle_f32x4(t[i + 4], t[i + 12], 0xdd);
  }
}
