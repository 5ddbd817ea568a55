// AVX-512 (x86-64-v4): the instructions that kernel templates are written in. A kernel includes a
// table, then its template; the template includes undefine.h at its end, so that the next table can
// follow. Every table defines:
//   SET(name)           the name with the set's suffix
//   TARGET              the set, as an attribute
//   LANES               floats in a register
//   vector, mask        a register of floats; which of its lanes to load or store
//   ZERO                a register of zeros
//   MASK(count)         the first `count` lanes, at least 0
//   LOAD, STORE, MASKED_LOAD, MASKED_STORE
//                       at any address; lanes that are not loaded are 0
//   BROADCAST(x)        the float x in every lane; BROADCAST_INTEGER: an int32
//   ADD(x, y)           x + y
//   FMA(x, y, z)        z plus the products of elements of x and y, each rounded once
//   comparison          the type of a comparison's result, one truth value for each lane
//   EXCEEDS(x, y)       where x > y or x is NaN
//   CHOOSE(where, x, y) x where it is true, else y
//   NONZERO(x)          a bit for each element that is not 0
//   HAS_NONFINITE(x)    whether any element is infinite or NaN
//   LARGER(x, y)        x, or the magnitude of y where that is larger; x holds magnitudes.
//                       Infinity is larger than all finite elements, and NaN than infinity.
//   TRANSPOSE(x)        transposes LANES registers of LANES elements in place
//   SPAN                numbers in an element: 1, or 2 where an element is a pair of bfloat16
#include "simd/functions.h"

#define SET(name) name##_avx512
#define TARGET TARGET_AVX512
#define LANES 16
#define vector __m512
#define mask __mmask16
#define ZERO _mm512_setzero_ps()
#define MASK(count) ((__mmask16)((1u << (count)) - 1))
#define LOAD(p) _mm512_loadu_ps(p)
#define STORE(p, x) _mm512_storeu_ps(p, x)
#define MASKED_LOAD(p, m) _mm512_maskz_loadu_ps(m, p)
#define MASKED_STORE(p, m, x) _mm512_mask_storeu_ps(p, m, x)
#define BROADCAST(x) _mm512_set1_ps(x)
#define BROADCAST_INTEGER(x) _mm512_set1_epi32(x)
#define ADD(x, y) _mm512_add_ps(x, y)
#define FMA(x, y, z) _mm512_fmadd_ps(x, y, z)
#define comparison __mmask16
#define EXCEEDS(x, y) \
  (_mm512_cmp_ps_mask(x, y, _CMP_GT_OQ) | _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q))
#define CHOOSE(where, x, y) _mm512_mask_blend_ps(where, y, x)
#define NONZERO(x) _mm512_cmp_ps_mask(x, ZERO, _CMP_NEQ_UQ)
#define HAS_NONFINITE(x) (_mm512_fpclass_ps_mask(x, 0x99) != 0)
#define LARGER(x, y)                 \
  ((__m512)_mm512_max_epu32(         \
      (__m512i)(x), _mm512_and_si512((__m512i)(y), _mm512_set1_epi32(INT32_MAX))))
#define TRANSPOSE(x) transpose_registers_avx512(x)
#define SPAN 1
