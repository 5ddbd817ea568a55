#include "matmul/matmul_plan.h"
#include <string.h>

// c = a b with tiles of c in registers, after Goto and van de Geijn (Anatomy of high-performance
// matrix multiplication, 2008, doi:10.1145/1356052.1356053). It is tuned for the shapes of
// training: batches have few rows, and either operand may be transposed.
//
// Each element of c is one chain of fused multiply-adds in the order of k: each block of k
// continues the sums of the block before. So the bits of an element depend only on its row of a and
// its column of b. They do not depend on m, n, the number of threads or the instruction set.

ptrdiff_t nd_matmul_scratch_count(const struct nd_product *p) {
  return MAXIMUM(dense_scratch_count(p), sparse_scratch_count(p));
}

ptrdiff_t nd_matmul_bf16_scratch_count(const struct nd_product *p) {
  if (is_narrow_in_bf16(p)) return p->m * p->k + p->k * p->n;
  const ptrdiff_t dense = PAIRS_OF_A + pairs_depth(p) * padded_columns(p);
  return MAXIMUM(dense, sparse_scratch_count(p));
}

static void transpose_scalar(float *y, const float *x, ptrdiff_t rows, ptrdiff_t columns) {
  for (ptrdiff_t r = 0; r < rows; r++)
    for (ptrdiff_t c = 0; c < columns; c++) y[c * rows + r] = x[r * columns + c];
}

#if defined(__x86_64__)
#include <immintrin.h>

// `count` runs of `length` floats each. The starts of consecutive runs are `stride` floats apart.
struct lines {
  const float *first;
  ptrdiff_t stride, count, length;
};

// Prefetches the next `count` lines and removes them from `lines`.
ND_INLINE void prefetch_lines(struct lines *lines, ptrdiff_t count) {
  for (; count > 0 && lines->count > 0; count--, lines->count--, lines->first += lines->stride)
    for (ptrdiff_t i = 0; i < lines->length; i += 16) __builtin_prefetch(lines->first + i, 0, 2);
}

// Copies c from its transpose in the scratch memory and adds the bias.
static void scatter_columns(const struct nd_product *p) {
  for (ptrdiff_t r = 0; r < p->m; r++)
    for (ptrdiff_t c = 0; c < p->n; c++) {
      const float sum = p->scratch[c * p->m + r];
      p->c[r * p->c_row + c] = p->bias ? sum + p->bias[c] : sum;
    }
}

// Applies ReLU to rows x columns of c where p->rectifies. They are complete, and still in the
// cache. NaN stays NaN.
ND_INLINE void apply_relu(const struct nd_product *p, float *c, ptrdiff_t rows, ptrdiff_t columns) {
  if (!p->rectifies) return;
  for (ptrdiff_t r = 0; r < rows; r++)
    for (ptrdiff_t i = r * p->c_row; i < r * p->c_row + columns; i++) c[i] = c[i] <= 0 ? 0 : c[i];
}

ND_KERNEL static void apply_relu_to_all(const struct nd_product *p) {
  apply_relu(p, p->c, p->m, p->n);
}

#include "matmul/matmul_narrow.h"

#include "simd/avx512.h"
#define ROWS1 12
#define ROWS2 12
#define ROWS3 8
#define ROWS4 6
#define MAX_WIDTH 4
#define PART 64
#define BREADTH 8
#include "matmul/matmul_tiles.h"

#include "simd/avx2.h"
#define ROWS1 12
#define ROWS2 6
#define ROWS3 0
#define ROWS4 0
#define MAX_WIDTH 2
#define PART 64
#define BREADTH 8
#include "matmul/matmul_tiles.h"

#include "simd/avx512_bf16.h"
#define ROWS1 12
#define ROWS2 12
#define ROWS3 8
#define ROWS4 6
#define MAX_WIDTH 4
#define PART 32
#define BREADTH 16
#include "matmul/matmul_tiles.h"

#include "simd/avx2_bf16.h"
#define ROWS1 8
#define ROWS2 4
#define ROWS3 0
#define ROWS4 0
#define MAX_WIDTH 2
#define PART 64
#define BREADTH 8
#include "matmul/matmul_tiles.h"

enum nd_instruction_set nd_matmul_bf16_best_set(void) {
  if (__builtin_cpu_supports("x86-64-v4") && __builtin_cpu_supports("avx512bf16"))
    return nd_avx512_bf16;
  return __builtin_cpu_supports("x86-64-v3") ? nd_avx2 : nd_none;
}

// Makes this thread read and write denormals as 0. Returns the control register's previous value.
static unsigned begin_flushing(void) {
  const unsigned control = _mm_getcsr();
  _mm_setcsr(control | _MM_FLUSH_ZERO_ON | _MM_DENORMALS_ZERO_ON);
  return control;
}

int nd_matmul_bf16_and_row_sums(const struct nd_product *p, float *sums) {
  if (!is_tiny(p) || !is_narrow_in_bf16(p) || nd_matmul_bf16_best_set() == nd_none) return 0;
  // The row sums must not flush denormals, so they may be computed here only if none can occur.
  if (!has_normal_sums(p->a, p->m * p->k)) return 0;
  const struct nd_product other = rounded(p);
  const unsigned control = begin_flushing();
  multiply_tiny_pairs_and_sum(&other, sums, p->a);
  _mm_setcsr(control);
  return 1;
}

ptrdiff_t nd_matmul_bf16(const struct nd_product *p, enum nd_instruction_set set) {
  // The bias is also added without denormals, as vdpbf16ps adds products.
  const unsigned control = begin_flushing();
  const ptrdiff_t computed = is_narrow_in_bf16(p) ? multiply_narrow_in_bf16(p)
                         : set == nd_avx2     ? matmul_avx2_bf16(p)
                                              : matmul_avx512_bf16(p);
  _mm_setcsr(control);
  return computed;
}

enum nd_instruction_set nd_matmul_best_set(void) {
  if (__builtin_cpu_supports("x86-64-v4")) return nd_avx512;
  return __builtin_cpu_supports("x86-64-v3") ? nd_avx2 : nd_none;
}

ptrdiff_t nd_matmul(const struct nd_product *p, enum nd_instruction_set set) {
  if (is_tiny(p) || is_slim(p)) {
    is_tiny(p) ? multiply_tiny(p) : multiply_slim(p);
    apply_relu_to_all(p);
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
  case nd_none: return transpose_scalar(y, x, rows, columns);
  }
}

#else

enum nd_instruction_set nd_matmul_best_set(void) { return nd_none; }
ptrdiff_t nd_matmul(const struct nd_product *p, enum nd_instruction_set set) { return 0; }
int nd_matmul_and_row_sums(const struct nd_product *p, float *sums) { return 0; }
void nd_transpose(float *y, const float *x, ptrdiff_t rows, ptrdiff_t columns) {
  transpose_scalar(y, x, rows, columns);
}
enum nd_instruction_set nd_matmul_bf16_best_set(void) { return nd_none; }
int nd_matmul_bf16_and_row_sums(const struct nd_product *p, float *sums) { return 0; }
ptrdiff_t nd_matmul_bf16(const struct nd_product *p, enum nd_instruction_set set) { return 0; }

#endif
