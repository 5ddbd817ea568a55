// AVX2 with FMA (x86-64-v3): the names of avx512.h.
#include "simd/functions.h"

#define SET(name) name##_avx2
#define TARGET TARGET_AVX2
#define LANES 8
#define vector __m256
#define mask __m256i
#define ZERO _mm256_setzero_ps()
#define MASK(count) first_lanes_avx2(count)
#define LOAD(p) _mm256_loadu_ps(p)
#define STORE(p, x) _mm256_storeu_ps(p, x)
#define MASKED_LOAD(p, m) _mm256_maskload_ps(p, m)
#define MASKED_STORE(p, m, x) _mm256_maskstore_ps(p, m, x)
#define BROADCAST(x) _mm256_set1_ps(x)
#define BROADCAST_INTEGER(x) _mm256_set1_epi32(x)
#define ADD(x, y) _mm256_add_ps(x, y)
#define FMA(x, y, z) _mm256_fmadd_ps(x, y, z)
#define comparison __m256
#define EXCEEDS(x, y) \
  _mm256_or_ps(_mm256_cmp_ps(x, y, _CMP_GT_OQ), _mm256_cmp_ps(x, x, _CMP_UNORD_Q))
#define CHOOSE(where, x, y) _mm256_blendv_ps(y, x, where)
#define NONZERO(x) (unsigned)_mm256_movemask_ps(_mm256_cmp_ps(x, ZERO, _CMP_NEQ_UQ))
#define HAS_NONFINITE(x) has_nonfinite_avx2(x)
#define LARGER(x, y)                 \
  ((__m256)_mm256_max_epu32(         \
      (__m256i)(x), _mm256_and_si256((__m256i)(y), _mm256_set1_epi32(INT32_MAX))))
#define TRANSPOSE(x) transpose_registers_avx2(x)
#define SPAN 1
