#include "ckernels.h"
#include "clones.h"
#include <string.h>

// c = a b with tiles of c in registers, after Goto and van de Geijn (Anatomy of high-performance
// matrix multiplication, 2008, doi:10.1145/1356052.1356053), for the shapes of training: a batch is
// short, and which operand lies transposed differs.
//
// Each element of c is one chain of fused multiply-adds in the order of k: blocks over k go on with
// the sum they find. So its bits depend on its row of a and its column of b alone: not on m and n, on
// threads or on the instruction set.

#define LEAST(a, b) ((a) < (b) ? (a) : (b))
#define GREATEST(a, b) ((a) > (b) ? (a) : (b))
#define UNROLLED _Pragma("clang loop unroll(full)")

// A block of b, DEPTH x 64 floats, is 66 KB and one of a 100 KB: both stay in a second-level cache.
enum { DEPTH = 264, HEIGHT = 96, PADDING = 16, MOST_LANES = 16 };
// Floats that a second-level cache has room for beside others, and so many that it has not.
enum { NEAR = 1 << 16, FAR = 1 << 20 };

// Whether b is so long that it comes from memory, and passes by few rows of a: the gradient of a
// layer's weight by a large batch.
static int streams_b(const struct nd_product *p) {
  return p->b_column == 1 && p->m <= 32 && p->n > 64 && p->k * p->n >= FAR;
}

// Whether a is so long that it comes from memory, and meets few columns of b: such a layer's output.
static int streams_a(const struct nd_product *p) {
  return p->a_column == 1 && p->n <= 64 && p->m * p->k >= FAR;
}

// Blocks of k as long as each other, of at most so much.
static ptrdiff_t even_depth(ptrdiff_t k, ptrdiff_t most) {
  const ptrdiff_t blocks = (k + most - 1) / most;
  return (k + blocks - 1) / blocks;
}

static ptrdiff_t block_depth(const struct nd_product *p) {
  // Of few columns a panel is narrow and may be deeper. Of a b that streams two blocks stay near: one
  // is multiplied while the next one comes.
  const ptrdiff_t most = p->n <= 16      ? 4 * DEPTH
                         : p->n <= 32    ? 2 * DEPTH
                         : streams_b(p) ? LEAST(DEPTH, 32 + NEAR / p->n)
                                         : DEPTH;
  return even_depth(p->k, most);
}

// What comes from memory while something else is multiplied: asked for in steps of so many bytes, a line
// or less, so that it comes as evenly as it can. More at once than memory gives, and all wait.
struct ahead {
  const char *next, *end;
  ptrdiff_t step;
  int follows_rows;  // whether it is each time the rows of a of the next tile
};

// Registers' worth of floats, of the wider registers.
static ptrdiff_t in_registers(ptrdiff_t count) { return (count + MOST_LANES - 1) / MOST_LANES; }

// The steps in which `bytes` come while so many products of registers are made, if `asks` times in the time
// of 12.
static ptrdiff_t even_step(ptrdiff_t bytes, ptrdiff_t products, ptrdiff_t asks) {
  return LEAST(64, 12 * bytes / (asks * products) + 1);
}

// Whether the product is computed as c' = b' a': where b lies transposed and a is short, it is less
// work to turn a and c than b; and where the last register of c's rows is mostly padding, but not that
// of its columns, it is fewer multiply-adds. To turn a register takes the time of some 6 of those.
static int swaps(const struct nd_product *p) {
  if (p->b_column != 1) return p->m * (p->k + p->n) < p->n * p->k;
  const ptrdiff_t turned = in_registers(p->m) * ((p->a_row == 1 ? 0 : p->k) + p->n);
  return p->n * in_registers(p->m) * p->k + 6 * turned < p->m * in_registers(p->n) * p->k;
}

static struct nd_product swapped(const struct nd_product *p) {
  return (struct nd_product){
      .m = p->n, .n = p->m, .k = p->k,
      .a = p->b, .a_row = p->b_column, .a_column = p->b_row,
      .b = p->a, .b_row = p->a_column, .b_column = p->a_row,
      .c = p->scratch, .c_row = p->m, .scratch = p->scratch + p->m * p->n};
}

// How many columns of c, its last, are computed apart as rows of c': where they fill little of a register,
// and a lies as it should for that.
static ptrdiff_t odd_columns(const struct nd_product *p) {
  const ptrdiff_t rest = p->n % MOST_LANES;
  return p->b_column == 1 && p->a_row == 1 && p->m >= 4 * MOST_LANES && p->n > MOST_LANES && rest <= 3
             ? rest : 0;
}

static struct nd_product last_columns(const struct nd_product *p, ptrdiff_t count) {
  const ptrdiff_t first = p->n - count;
  struct nd_product part = *p;
  part.n = count;
  part.b += first * p->b_column;
  part.c += first;
  if (p->bias) part.bias += first;
  return part;
}

// Most columns of a product that is narrow.
enum { NARROWEST = 4 };

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

// Whether blocks of a are turned, so that the elements a tile reads one after the other are
// neighbours.
static int turns_rows(const struct nd_product *p) {
  return p->a_column != 1 && p->m > 12 && p->n > 8 * MOST_LANES;
}

// A sparse a's: elements whose zeros a mask tells, so many of these parts that share panels, rows whose
// masks are made at once, registers of a row of c, and lines of a that are looked at before.
enum { PART = 64, PARTS = 4, TALL = 256, BREADTH = 8, SAMPLE = 64 };
// Of masks, and in front of a panel, in floats.
enum { MASKS = 2 * TALL, HEAD = 16 };

// Whether it can be worth while to look whether a is sparse.
static int may_be_sparse(const struct nd_product *p) {
  return p->m >= 16 && p->n >= 4 * MOST_LANES && p->k >= 16 && p->m * p->n * p->k >= 1 << 18;
}

static ptrdiff_t padded_columns(const struct nd_product *p) {
  return in_registers(p->n) * MOST_LANES;
}

static ptrdiff_t scratch_count(const struct nd_product *p) {
  const ptrdiff_t depth = block_depth(p);
  return depth * padded_columns(p)
         + (turns_rows(p) ? HEIGHT * (depth + PADDING) : 0);
}

static ptrdiff_t swapped_scratch_count(const struct nd_product *p) {
  const struct nd_product other = swapped(p);
  return p->m * p->n + scratch_count(&other);
}

// A sparse a's panels: those of PARTS parts, or one.
static ptrdiff_t panels_count(const struct nd_product *p) {
  if (p->m <= TALL) return HEAD + PART * BREADTH * MOST_LANES;
  // Of the narrower registers.
  const ptrdiff_t panels = PARTS * (padded_columns(p) / (BREADTH * MOST_LANES / 2) + 1);
  return panels * HEAD + LEAST(PARTS * PART, p->k) * padded_columns(p);
}

static ptrdiff_t sparse_scratch_count(const struct nd_product *p) {
  return may_be_sparse(p) ? MASKS + panels_count(p) + LEAST(TALL, p->m) * (PART + PADDING) : 0;
}

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

static ptrdiff_t dense_scratch_count(const struct nd_product *p) {
  if (swaps(p)) return swapped_scratch_count(p);
  const ptrdiff_t odd = odd_columns(p);
  if (odd == 0) return scratch_count(p);
  const struct nd_product last = last_columns(p, odd);
  return GREATEST(scratch_count(p), swapped_scratch_count(&last));
}

ptrdiff_t nd_matmul_scratch_count(const struct nd_product *p) {
  return GREATEST(dense_scratch_count(p), sparse_scratch_count(p));
}

static void transpose_plainly(float *y, const float *x, ptrdiff_t rows, ptrdiff_t columns) {
  for (ptrdiff_t r = 0; r < rows; r++)
    for (ptrdiff_t c = 0; c < columns; c++) y[c * rows + r] = x[r * columns + c];
}

// Room for a block of a in pairs, whichever way it lies.
enum { PAIRS_OF_A = HEIGHT * (DEPTH + MOST_LANES + PADDING) };

// Panels of few columns are narrow and may be so many times deeper; blocks of a are less high then.
static ptrdiff_t pairs_deeper(const struct nd_product *p) { return p->n <= 16 ? 4 : p->n <= 32 ? 2 : 1; }

static ptrdiff_t pairs_height(const struct nd_product *p) { return HEIGHT / pairs_deeper(p); }

// In pairs.
static ptrdiff_t pairs_depth(const struct nd_product *p) {
  const ptrdiff_t most = pairs_deeper(p) * DEPTH;
  // Of a b that streams two blocks stay near, as in float32, and the panels.
  return even_depth((p->k + 1) / 2, streams_b(p) ? LEAST(most, 8 + NEAR / 4 / p->n) : most);
}

// Few elements, of any number of products each.
static int is_tiny(const struct nd_product *p) { return p->m <= NARROWEST && p->n <= NARROWEST; }

// Many rows of k <= 4 elements each.
static int is_slim(const struct nd_product *p) {
  return p->k <= NARROWEST && p->n <= NARROWEST && p->a_column == 1 && p->a_row == p->k
         && p->c_row == p->n;
}

// Whether a matrix's rows, or its columns, lie one behind the other with nothing between.
static int is_dense(ptrdiff_t rows, ptrdiff_t columns, ptrdiff_t row, ptrdiff_t column) {
  return (column == 1 && row == columns) || (row == 1 && column == rows);
}

// Whether narrow kernels multiply what was rounded as it lies.
static int is_narrow_in_bf16(const struct nd_product *p) {
  return (is_tiny(p) || is_slim(p)) && is_dense(p->m, p->k, p->a_row, p->a_column)
         && is_dense(p->k, p->n, p->b_row, p->b_column);
}

ptrdiff_t nd_matmul_bf16_scratch_count(const struct nd_product *p) {
  if (is_narrow_in_bf16(p)) return p->m * p->k + p->k * p->n;
  const ptrdiff_t dense = PAIRS_OF_A + pairs_depth(p) * padded_columns(p);
  return GREATEST(dense, sparse_scratch_count(p));
}

#if defined(__x86_64__)
#include <immintrin.h>

// To instrument so much unrolled code takes a compiler many minutes.
#define UNCHECKED no_sanitize("address", "coverage")

#include "matmul_narrow.h"

#define SET(name) name##_avx512
#define TARGET __attribute__((target("arch=x86-64-v4"), UNCHECKED))
#define LANES 16
#define ROWS1 12
#define ROWS2 12
#define ROWS3 8
#define ROWS4 6
#define WIDEST 4
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
#include "matmul_tiles.h"

#define SET(name) name##_avx2
#define TARGET __attribute__((target("arch=x86-64-v3"), UNCHECKED))
#define LANES 8
#define ROWS1 12
#define ROWS2 6
#define ROWS3 0
#define ROWS4 0
#define WIDEST 2
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
#include "matmul_tiles.h"

#define SET(name) name##_bf16
#define TARGET __attribute__((target("arch=x86-64-v4,avx512bf16"), UNCHECKED))
#define LANES 16
#define ROWS1 12
#define ROWS2 12
#define ROWS3 8
#define ROWS4 6
#define WIDEST 4
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
#include "matmul_tiles.h"

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
#include "matmul_tiles.h"

enum nd_instruction_set nd_matmul_bf16_best_set(void) {
  if (__builtin_cpu_supports("x86-64-v4") && __builtin_cpu_supports("avx512bf16"))
    return nd_avx512_bf16;
  return __builtin_cpu_supports("x86-64-v3") ? nd_avx2 : nd_none;
}

// With operands rounded as they lie, into the scratch.
static struct nd_product rounded(const struct nd_product *p) {
  struct nd_product other = *p;
  float *const a = p->scratch, *const b = a + p->m * p->k;
  nd_round_operand_bf16(a, p->a, p->m * p->k);
  nd_round_operand_bf16(b, p->b, p->k * p->n);
  other.a = a;
  other.b = b;
  return other;
}

static ptrdiff_t multiply_narrow_in_bf16(const struct nd_product *p) {
  const struct nd_product other = rounded(p);
  is_tiny(p) ? multiply_tiny_pairs(&other) : multiply_slim_pairs(&other);
  finish_all(p);
  return p->m * p->n * p->k;
}

// Denormals are 0, read or written. Returns how it was before.
static unsigned begin_flushing(void) {
  const unsigned control = _mm_getcsr();
  _mm_setcsr(control | _MM_FLUSH_ZERO_ON | _MM_DENORMALS_ZERO_ON);
  return control;
}

// Whether sums of any of these n cannot be denormal: all are multiples of the least normal number, 2^-126,
// as are then sums that take no rounding; and others are larger.
ND_KERNEL static int has_normal_sums(const float *x, ptrdiff_t n) {
  uint32_t least = UINT32_MAX;
  for (ptrdiff_t i = 0; i < n; i++) {
    uint32_t bits;
    memcpy(&bits, &x[i], sizeof bits);
    const uint32_t before = (bits & 0x7fffffffu) - 1;  // 0 comes last
    least = LEAST(least, before);
  }
  const uint32_t exponent = 127 - 103;  // 2^-103's last bit is 2^-126
  return least >= (exponent << 23) - 1;
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
