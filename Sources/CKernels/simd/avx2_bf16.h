// avx512_bf16.h's pairs with the instructions of AVX2: two multiply-adds do what vdpbf16ps does, to
// the bit, while the control register flushes denormals to 0.
#include "simd/avx2.h"
#include "simd/functions_bf16.h"

#undef SET
#undef FMA
#undef NONZERO
#undef HAS_NONFINITE
#undef LARGER
#undef SPAN

#define SET(name) name##_avx2_bf16
#define FMA(x, y, z) add_products_of_pairs_avx2(x, y, z)
#define NONZERO(x) nonzero_pairs_avx2((__m256i)(x))
#define HAS_NONFINITE(x) has_nonfinite_pairs_avx2((__m256i)(x))
#define LARGER(x, y)                 \
  ((__m256)_mm256_max_epu16(         \
      (__m256i)(x), _mm256_and_si256((__m256i)(y), _mm256_set1_epi16(INT16_MAX))))
#define SPAN 2
#define PAIR(first, second) pair_avx2(first, second)
#define JOIN(x, next) join_avx2(x, next)
