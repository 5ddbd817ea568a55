#include "matmul/matmul_plan.h"
#include <string.h>

// c = a b with tiles of c in registers, after Goto and van de Geijn (Anatomy of high-performance
// matrix multiplication, 2008, doi:10.1145/1356052.1356053), for the shapes of training: a batch is
// short, and which operand lies transposed differs.
//
// Each element of c is one chain of fused multiply-adds in the order of k: blocks over k go on with
// the sum they find. So its bits depend on its row of a and its column of b alone: not on m and n, on
// threads or on the instruction set.

ptrdiff_t nd_matmul_scratch_count(const struct nd_product *p) {
  return GREATEST(dense_scratch_count(p), sparse_scratch_count(p));
}

ptrdiff_t nd_matmul_bf16_scratch_count(const struct nd_product *p) {
  if (is_narrow_in_bf16(p)) return p->m * p->k + p->k * p->n;
  const ptrdiff_t dense = PAIRS_OF_A + pairs_depth(p) * padded_columns(p);
  return GREATEST(dense, sparse_scratch_count(p));
}

static void transpose_plainly(float *y, const float *x, ptrdiff_t rows, ptrdiff_t columns) {
  for (ptrdiff_t r = 0; r < rows; r++)
    for (ptrdiff_t c = 0; c < columns; c++) y[c * rows + r] = x[r * columns + c];
}

#if defined(__x86_64__)
#include <immintrin.h>

// To instrument so much unrolled code takes a compiler many minutes.
#define UNCHECKED no_sanitize("address", "coverage")

// Stretches of memory, each so many floats behind the one before.
struct lines {
  const float *first;
  ptrdiff_t stride, count, length;
};

// Asks for the next `count` of them.
ND_INLINE void fetch_lines(struct lines *lines, ptrdiff_t count) {
  for (; count > 0 && lines->count > 0; count--, lines->count--, lines->first += lines->stride)
    for (ptrdiff_t i = 0; i < lines->length; i += 16) __builtin_prefetch(lines->first + i, 0, 2);
}

// c from its transpose in the scratch, and the bias added.
static void scatter_columns(const struct nd_product *p) {
  for (ptrdiff_t r = 0; r < p->m; r++)
    for (ptrdiff_t c = 0; c < p->n; c++) {
      const float sum = p->scratch[c * p->m + r];
      p->c[r * p->c_row + c] = p->bias ? sum + p->bias[c] : sum;
    }
}

// Rectifies rows x columns of c, if that is wanted: they are done and still near. Not a number stays.
ND_INLINE void finish(const struct nd_product *p, float *c, ptrdiff_t rows, ptrdiff_t columns) {
  if (!p->rectifies) return;
  for (ptrdiff_t r = 0; r < rows; r++)
    for (ptrdiff_t i = r * p->c_row; i < r * p->c_row + columns; i++) c[i] = c[i] <= 0 ? 0 : c[i];
}

ND_KERNEL static void finish_all(const struct nd_product *p) { finish(p, p->c, p->m, p->n); }

#include "matmul/matmul_narrow.h"

#define SET(name) name##_avx512
#define TARGET __attribute__((target("arch=x86-64-v4"), UNCHECKED))
#define LANES 16
#define ROWS1 12
#define ROWS2 12
#define ROWS3 8
#define ROWS4 6
#define WIDEST 4
#define PART 64
#define BREADTH 8
#define vector __m512
#define mask __mmask16
#define ZERO _mm512_setzero_ps()
#define MASK(count) ((__mmask16)((1u << (count)) - 1))
#define LOAD(p) _mm512_loadu_ps(p)
#define STORE(p, x) _mm512_storeu_ps(p, x)
#define MASKED_LOAD(p, m) _mm512_maskz_loadu_ps(m, p)
#define MASKED_STORE(p, m, x) _mm512_mask_storeu_ps(p, m, x)
#define SPREAD(x) _mm512_set1_ps(x)
#define FMA(x, y, z) _mm512_fmadd_ps(x, y, z)
#define ADD(x, y) _mm512_add_ps(x, y)
#define NONZERO(x) _mm512_cmp_ps_mask(x, ZERO, _CMP_NEQ_UQ)
#define NOT_FINITE(x) (_mm512_fpclass_ps_mask(x, 0x99) != 0)
#define LARGEST(x, y) \
  ((__m512)_mm512_max_epu32((__m512i)(x), _mm512_and_si512((__m512i)(y), _mm512_set1_epi32(INT32_MAX))))
#define SPAN 1

// Transposes 16 x 16 floats: pairs, pairs of pairs, then quarters of registers.
TARGET ND_INLINE void turn_avx512(__m512 *x) {
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
#include "matmul/matmul_tiles.h"

#define SET(name) name##_avx2
#define TARGET __attribute__((target("arch=x86-64-v3"), UNCHECKED))
#define LANES 8
#define ROWS1 12
#define ROWS2 6
#define ROWS3 0
#define ROWS4 0
#define WIDEST 2
#define PART 64
#define BREADTH 8
#define vector __m256
#define mask __m256i
#define ZERO _mm256_setzero_ps()
#define MASK(count) first_avx2(count)
#define LOAD(p) _mm256_loadu_ps(p)
#define STORE(p, x) _mm256_storeu_ps(p, x)
#define MASKED_LOAD(p, m) _mm256_maskload_ps(p, m)
#define MASKED_STORE(p, m, x) _mm256_maskstore_ps(p, m, x)
#define SPREAD(x) _mm256_set1_ps(x)
#define FMA(x, y, z) _mm256_fmadd_ps(x, y, z)
#define ADD(x, y) _mm256_add_ps(x, y)
#define NONZERO(x) (unsigned)_mm256_movemask_ps(_mm256_cmp_ps(x, ZERO, _CMP_NEQ_UQ))
#define NOT_FINITE(x) not_finite_avx2(x)
#define LARGEST(x, y) \
  ((__m256)_mm256_max_epu32((__m256i)(x), _mm256_and_si256((__m256i)(y), _mm256_set1_epi32(INT32_MAX))))
#define SPAN 1

// Of those x - x is no number.
TARGET ND_INLINE int not_finite_avx2(__m256 x) {
  x = _mm256_sub_ps(x, x);
  return _mm256_movemask_ps(_mm256_cmp_ps(x, x, _CMP_UNORD_Q)) != 0;
}

TARGET ND_INLINE __m256i first_avx2(ptrdiff_t count) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)count), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

TARGET ND_INLINE void turn_avx2(__m256 *x) {
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
#include "matmul/matmul_tiles.h"

#define SET(name) name##_bf16
#define TARGET __attribute__((target("arch=x86-64-v4,avx512bf16"), UNCHECKED))
#define LANES 16
#define ROWS1 12
#define ROWS2 12
#define ROWS3 8
#define ROWS4 6
#define WIDEST 4
#define PART 32
#define BREADTH 16
#define vector __m512
#define mask __mmask16
#define ZERO _mm512_setzero_ps()
#define MASK(count) ((__mmask16)((1u << (count)) - 1))
#define LOAD(p) _mm512_loadu_ps(p)
#define STORE(p, x) _mm512_storeu_ps(p, x)
#define MASKED_LOAD(p, m) _mm512_maskz_loadu_ps(m, p)
#define MASKED_STORE(p, m, x) _mm512_mask_storeu_ps(p, m, x)
#define SPREAD(x) _mm512_set1_ps(x)
#define FMA(x, y, z) _mm512_dpbf16_ps(z, (__m512bh)(x), (__m512bh)(y))
#define ADD(x, y) _mm512_add_ps(x, y)
#define JOIN(first, second) ((__m512)_mm512_cvtne2ps_pbh(second, first))
#define PAIR(low, high) pair_bf16(low, high)
#define NONZERO(x) _mm512_test_epi32_mask((__m512i)(x), _mm512_set1_epi32(0x7fff7fff))
#define NOT_FINITE(x) \
  (_mm512_cmpeq_epi16_mask( \
       _mm512_and_si512((__m512i)(x), _mm512_set1_epi16(0x7f80)), _mm512_set1_epi16(0x7f80)) != 0)
#define LARGEST(x, y) \
  ((__m512)_mm512_max_epu16((__m512i)(x), _mm512_and_si512((__m512i)(y), _mm512_set1_epi16(INT16_MAX))))
#define SPAN 2
#define turn_bf16 turn_avx512

TARGET ND_INLINE __m512 pair_bf16(__m512 low, __m512 high) {
  // i of the lower half, then i of the upper.
  const __m512i turns = _mm512_set_epi16(
      31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6, 21, 5, 20, 4, 19, 3,
      18, 2, 17, 1, 16, 0);
  return (__m512)_mm512_permutexvar_epi16(turns, (__m512i)_mm512_cvtne2ps_pbh(high, low));
}
#include "matmul/matmul_tiles.h"

// What vdpbf16ps does to the bit, by two multiply-adds; denormals are 0, as the control register has it
// meanwhile.
#define SET(name) name##_bf16_avx2
#define TARGET __attribute__((target("arch=x86-64-v3"), UNCHECKED))
#define LANES 8
#define ROWS1 8
#define ROWS2 4
#define ROWS3 0
#define ROWS4 0
#define WIDEST 2
#define PART 64
#define BREADTH 8
#define vector __m256
#define mask __m256i
#define ZERO _mm256_setzero_ps()
#define MASK(count) first_avx2(count)
#define LOAD(p) _mm256_loadu_ps(p)
#define STORE(p, x) _mm256_storeu_ps(p, x)
#define MASKED_LOAD(p, m) _mm256_maskload_ps(p, m)
#define MASKED_STORE(p, m, x) _mm256_maskstore_ps(p, m, x)
#define SPREAD(x) _mm256_set1_ps(x)
#define FMA(x, y, z) add_pair_avx2(x, y, z)
#define ADD(x, y) _mm256_add_ps(x, y)
#define JOIN(first, second) join_avx2(first, second)
#define PAIR(low, high) pair_avx2(low, high)
#define NONZERO(x) nonzero_pairs_avx2((__m256i)(x))
#define NOT_FINITE(x) not_finite_pairs_avx2((__m256i)(x))
#define LARGEST(x, y) \
  ((__m256)_mm256_max_epu16((__m256i)(x), _mm256_and_si256((__m256i)(y), _mm256_set1_epi16(INT16_MAX))))
#define SPAN 2
#define turn_bf16_avx2 turn_avx2

TARGET ND_INLINE unsigned nonzero_pairs_avx2(__m256i x) {
  x = _mm256_and_si256(x, _mm256_set1_epi32(0x7fff7fff));
  const __m256i zero = _mm256_cmpeq_epi32(x, _mm256_setzero_si256());
  return 0xff & ~(unsigned)_mm256_movemask_ps((__m256)zero);
}

TARGET ND_INLINE int not_finite_pairs_avx2(__m256i x) {
  const __m256i exponent = _mm256_set1_epi16(0x7f80);
  x = _mm256_cmpeq_epi16(_mm256_and_si256(x, exponent), exponent);
  return _mm256_movemask_epi8(x) != 0;
}

TARGET ND_INLINE __m256 add_pair_avx2(__m256 x, __m256 y, __m256 sum) {
  const __m256 upper = (__m256)_mm256_set1_epi32((int)0xffff0000);
  sum = _mm256_fmadd_ps(_mm256_and_ps(x, upper), _mm256_and_ps(y, upper), sum);
  return _mm256_fmadd_ps(
      (__m256)_mm256_slli_epi32((__m256i)x, 16), (__m256)_mm256_slli_epi32((__m256i)y, 16), sum);
}

// Rounded as vcvtneps2bf16 does, in the upper halves: ties to even, denormals to 0, and not a number
// quiet.
TARGET ND_INLINE __m256i rounded_avx2(__m256 x) {
  __m256i bits = (__m256i)x;
  const __m256i normal = _mm256_cmpgt_epi32(
      _mm256_and_si256(bits, _mm256_set1_epi32(0x7f800000)), _mm256_setzero_si256());
  bits = _mm256_and_si256(bits, _mm256_or_si256(normal, _mm256_set1_epi32((int)0x80000000)));
  const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
  const __m256i nearest =
      _mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff)));
  const __m256i quiet = _mm256_or_si256(bits, _mm256_set1_epi32(0x400000));
  const __m256i none = (__m256i)_mm256_cmp_ps(x, x, _CMP_UNORD_Q);
  return _mm256_blendv_epi8(nearest, quiet, none);
}

TARGET ND_INLINE __m256 pair_avx2(__m256 low, __m256 high) {
  const __m256i upper =
      _mm256_and_si256(rounded_avx2(high), _mm256_set1_epi32((int)0xffff0000));
  return (__m256)_mm256_or_si256(upper, _mm256_srli_epi32(rounded_avx2(low), 16));
}

TARGET ND_INLINE __m256 join_avx2(__m256 first, __m256 second) {
  const __m256 low = _mm256_shuffle_ps(first, second, 0x88);
  const __m256 high = _mm256_shuffle_ps(first, second, 0xdd);
  // Of each register's halves the lower ones came first.
  return (__m256)_mm256_permute4x64_pd((__m256d)pair_avx2(low, high), 0xd8);
}
#include "matmul/matmul_tiles.h"

enum nd_instruction_set nd_matmul_bf16_best_set(void) {
  if (__builtin_cpu_supports("x86-64-v4") && __builtin_cpu_supports("avx512bf16"))
    return nd_avx512_bf16;
  return __builtin_cpu_supports("x86-64-v3") ? nd_avx2 : nd_none;
}

// Denormals are 0, read or written. Returns how it was before.
static unsigned begin_flushing(void) {
  const unsigned control = _mm_getcsr();
  _mm_setcsr(control | _MM_FLUSH_ZERO_ON | _MM_DENORMALS_ZERO_ON);
  return control;
}

int nd_matmul_bf16_and_row_sums(const struct nd_product *p, float *sums) {
  if (!is_tiny(p) || !is_narrow_in_bf16(p) || nd_matmul_bf16_best_set() == nd_none) return 0;
  // The sums alone would not flush.
  if (!has_normal_sums(p->a, p->m * p->k)) return 0;
  const struct nd_product other = rounded(p);
  const unsigned control = begin_flushing();
  multiply_tiny_pairs_and_sum(&other, sums, p->a);
  _mm_setcsr(control);
  return 1;
}

ptrdiff_t nd_matmul_bf16(const struct nd_product *p, enum nd_instruction_set set) {
  // The bias, too, is added as vdpbf16ps adds products.
  const unsigned control = begin_flushing();
  const ptrdiff_t made = is_narrow_in_bf16(p) ? multiply_narrow_in_bf16(p)
                         : set == nd_avx2     ? matmul_bf16_avx2(p)
                                              : matmul_bf16(p);
  _mm_setcsr(control);
  return made;
}

enum nd_instruction_set nd_matmul_best_set(void) {
  if (__builtin_cpu_supports("x86-64-v4")) return nd_avx512;
  return __builtin_cpu_supports("x86-64-v3") ? nd_avx2 : nd_none;
}

ptrdiff_t nd_matmul(const struct nd_product *p, enum nd_instruction_set set) {
  if (is_tiny(p) || is_slim(p)) {
    is_tiny(p) ? multiply_tiny(p) : multiply_slim(p);
    finish_all(p);
    return p->m * p->n * p->k;
  }
  return set == nd_avx2 ? matmul_avx2(p) : matmul_avx512(p);
}

int nd_matmul_and_row_sums(const struct nd_product *p, float *sums) {
  if (!is_tiny(p) || nd_matmul_best_set() == nd_none) return 0;
  multiply_tiny_and_sum(p, sums);
  return 1;
}

void nd_transpose(float *y, const float *x, ptrdiff_t rows, ptrdiff_t columns) {
  switch (nd_matmul_best_set()) {
  case nd_avx512:
  case nd_avx512_bf16: return transpose_avx512(x, columns, rows, columns, y, rows, 0);
  case nd_avx2: return transpose_avx2(x, columns, rows, columns, y, rows, 0);
  case nd_none: return transpose_plainly(y, x, rows, columns);
  }
}

#else

enum nd_instruction_set nd_matmul_best_set(void) { return nd_none; }
ptrdiff_t nd_matmul(const struct nd_product *p, enum nd_instruction_set set) { return 0; }
int nd_matmul_and_row_sums(const struct nd_product *p, float *sums) { return 0; }
void nd_transpose(float *y, const float *x, ptrdiff_t rows, ptrdiff_t columns) {
  transpose_plainly(y, x, rows, columns);
}
enum nd_instruction_set nd_matmul_bf16_best_set(void) { return nd_none; }
int nd_matmul_bf16_and_row_sums(const struct nd_product *p, float *sums) { return 0; }
ptrdiff_t nd_matmul_bf16(const struct nd_product *p, enum nd_instruction_set set) { return 0; }

#endif
