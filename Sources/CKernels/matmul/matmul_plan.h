#pragma once
#include "ckernels.h"
#include "simd/clones.h"

// Chooses the kernel, the blocks and the scratch memory of a product. The choice is the same on
// every instruction set.

// A block of b, DEPTH x 64 floats, has 66 KB; a block of a has 100 KB. Both stay in a second-level
// cache.
enum { DEPTH = 264, HEIGHT = 96, PADDING = 16, MAX_LANES = 16 };
// CACHED_FLOATS floats fit into a second-level cache beside other data; UNCACHED_FLOATS floats do
// not fit.
enum { CACHED_FLOATS = 1 << 16, UNCACHED_FLOATS = 1 << 20 };

// Whether b is so large that it is read from memory, while a has few rows. An example is the
// gradient of a layer's weight for a large batch.
static int streams_b(const struct nd_product *p) {
  return p->b_column == 1 && p->m <= 32 && p->n > 64 && p->k * p->n >= UNCACHED_FLOATS;
}

// Whether a is so large that it is read from memory, while b has few columns. An example is the
// output of a layer with few features for a large batch.
static int streams_a(const struct nd_product *p) {
  return p->a_column == 1 && p->n <= 64 && p->m * p->k >= UNCACHED_FLOATS;
}

// Divides k into blocks of nearly equal length. Returns the length, at most `maximum`.
static ptrdiff_t even_depth(ptrdiff_t k, ptrdiff_t maximum) {
  const ptrdiff_t blocks = (k + maximum - 1) / maximum;
  return (k + blocks - 1) / blocks;
}

static ptrdiff_t block_depth(const struct nd_product *p) {
  // A panel of few columns is narrow and may be deeper. If b is read from memory, two blocks must
  // fit into the cache: one is multiplied while the next one is prefetched.
  const ptrdiff_t maximum = p->n <= 16     ? 4 * DEPTH
                            : p->n <= 32   ? 2 * DEPTH
                            : streams_b(p) ? MINIMUM(DEPTH, 32 + CACHED_FLOATS / p->n)
                                           : DEPTH;
  return even_depth(p->k, maximum);
}

// Memory that is prefetched while other data is multiplied, in steps of `step` bytes, at most a
// cache line. Steps are spread evenly over the products: more requests at once than memory can
// serve would stall all loads.
struct prefetch {
  const char *next, *end;
  ptrdiff_t step;
  int follows_rows;  // whether each tile prefetches the rows of a of the next tile
};

// The number of registers, of the widest instruction set, that hold `count` floats.
static ptrdiff_t register_count(ptrdiff_t count) { return (count + MAX_LANES - 1) / MAX_LANES; }

// The step in bytes that prefetches `bytes` during `products` products of registers, at
// `prefetches` prefetches per 12 products.
static ptrdiff_t prefetch_step(ptrdiff_t bytes, ptrdiff_t products, ptrdiff_t prefetches) {
  return MINIMUM(64, 12 * bytes / (prefetches * products) + 1);
}

// Whether the product is computed as c' = b' a'. That is faster in two cases:
// - b is transposed and a has few rows: transposing a and c is less work than transposing b;
// - the last register of c's rows is mostly padding, but the last one of its columns is not: there
//   are fewer multiply-adds. Transposing a register takes the time of about 6 multiply-adds.
static int computes_transpose(const struct nd_product *p) {
  if (p->b_column != 1) return p->m * (p->k + p->n) < p->n * p->k;
  const ptrdiff_t transposed = register_count(p->m) * ((p->a_row == 1 ? 0 : p->k) + p->n);
  return p->n * register_count(p->m) * p->k + 6 * transposed < p->m * register_count(p->n) * p->k;
}

static struct nd_product transposed_product(const struct nd_product *p) {
  return (struct nd_product){
      .m = p->n, .n = p->m, .k = p->k,
      .a = p->b, .a_row = p->b_column, .a_column = p->b_row,
      .b = p->a, .b_row = p->a_column, .b_column = p->a_row,
      .c = p->scratch, .c_row = p->m, .scratch = p->scratch + p->m * p->n};
}

// The number of last columns of c that are computed separately, as rows of c'. They are separate
// where they would fill little of a register and a has the layout for it; else 0.
static ptrdiff_t leftover_columns(const struct nd_product *p) {
  const ptrdiff_t rest = p->n % MAX_LANES;
  return p->b_column == 1 && p->a_row == 1 && p->m >= 4 * MAX_LANES && p->n > MAX_LANES && rest <= 3
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

// The largest extent that the kernels of matmul_narrow.h take.
enum { MAX_NARROW = 4 };

// Whether c has few elements; k may be any.
static int is_tiny(const struct nd_product *p) { return p->m <= MAX_NARROW && p->n <= MAX_NARROW; }

// Whether a has rows of at most 4 contiguous elements, and b and c have at most 4 columns.
static int is_slim(const struct nd_product *p) {
  return p->k <= MAX_NARROW && p->n <= MAX_NARROW && p->a_column == 1 && p->a_row == p->k
         && p->c_row == p->n;
}

// Whether a matrix is contiguous, row-major or column-major.
static int is_dense(ptrdiff_t rows, ptrdiff_t columns, ptrdiff_t row, ptrdiff_t column) {
  return (column == 1 && row == columns) || (row == 1 && column == rows);
}

// Whether the narrow kernels multiply copies of a and b that are rounded to bfloat16 and have the
// same layout.
static int is_narrow_in_bf16(const struct nd_product *p) {
  return (is_tiny(p) || is_slim(p)) && is_dense(p->m, p->k, p->a_row, p->a_column)
         && is_dense(p->k, p->n, p->b_row, p->b_column);
}

// Whether blocks of a are transposed first, so that a tile reads consecutive elements.
static int transposes_a(const struct nd_product *p) {
  return p->a_column != 1 && p->m > 12 && p->n > 8 * MAX_LANES;
}

// For a sparse a (matmul_sparse.h). One mask covers PART elements of a row of a, and a panel of b
// covers PART elements of k by at most BREADTH registers of columns. PART and BREADTH depend on the
// instruction set.
enum {
  SPARSE_DEPTH = 256,   // elements of k whose panels of b are kept at once
  SPARSE_HEIGHT = 256,  // rows of a whose masks are kept at once
  SAMPLE_LINES = 64,    // rows (or columns) of a that are sampled for zeros, about
  MIN_PART = 32, MAX_PART = 64,
  MAX_PANEL = 512,       // the largest PART * BREADTH
  MIN_PANEL_WIDTH = 32,  // the fewest floats of a panel's row, if a row of b has several panels
  MASK_FLOATS = 2 * SPARSE_HEIGHT,  // floats that the masks take
  PANEL_HEADER = 16                 // floats in front of each panel
};

// Whether the product is large enough that sampling a for zeros can pay off.
static int may_be_sparse(const struct nd_product *p) {
  return p->m >= 16 && p->n >= 4 * MAX_LANES && p->k >= 16 && p->m * p->n * p->k >= 1 << 18;
}

static ptrdiff_t padded_columns(const struct nd_product *p) {
  return register_count(p->n) * MAX_LANES;
}

static ptrdiff_t scratch_count(const struct nd_product *p) {
  const ptrdiff_t depth = block_depth(p);
  return depth * padded_columns(p)
         + (transposes_a(p) ? HEIGHT * (depth + PADDING) : 0);
}

static ptrdiff_t transposed_scratch_count(const struct nd_product *p) {
  const struct nd_product other = transposed_product(p);
  return p->m * p->n + scratch_count(&other);
}

// The floats of the panels of b for a sparse a: the panels of SPARSE_DEPTH elements of k, or one
// panel where all rows of a are one block.
static ptrdiff_t panels_count(const struct nd_product *p) {
  if (p->m <= SPARSE_HEIGHT) return PANEL_HEADER + MAX_PANEL * MAX_LANES;
  const ptrdiff_t panels = SPARSE_DEPTH / MIN_PART * (padded_columns(p) / MIN_PANEL_WIDTH + 1);
  return panels * PANEL_HEADER + MINIMUM(SPARSE_DEPTH, p->k) * padded_columns(p);
}

static ptrdiff_t sparse_scratch_count(const struct nd_product *p) {
  if (!may_be_sparse(p)) return 0;
  return MASK_FLOATS + panels_count(p) + MINIMUM(SPARSE_HEIGHT, p->m) * (MAX_PART + PADDING);
}

static ptrdiff_t dense_scratch_count(const struct nd_product *p) {
  if (computes_transpose(p)) return transposed_scratch_count(p);
  const ptrdiff_t leftover = leftover_columns(p);
  if (leftover == 0) return scratch_count(p);
  const struct nd_product last = last_columns(p, leftover);
  return MAXIMUM(scratch_count(p), transposed_scratch_count(&last));
}

// Floats that hold a block of a as pairs, in either layout.
enum { PAIRS_OF_A = HEIGHT * (DEPTH + MAX_LANES + PADDING) };

// The factor by which panels of few columns may be deeper, as they are narrow. Blocks of a then
// have that much fewer rows.
static ptrdiff_t pairs_depth_factor(const struct nd_product *p) {
  return p->n <= 16 ? 4 : p->n <= 32 ? 2 : 1;
}

static ptrdiff_t pairs_height(const struct nd_product *p) { return HEIGHT / pairs_depth_factor(p); }

// The depth of a block, in pairs.
static ptrdiff_t pairs_depth(const struct nd_product *p) {
  const ptrdiff_t maximum = pairs_depth_factor(p) * DEPTH;
  // If b is read from memory, two of its blocks and the panels must fit into the cache, as in
  // float32.
  const ptrdiff_t cached = 8 + CACHED_FLOATS / 4 / p->n;
  return even_depth((p->k + 1) / 2, streams_b(p) ? MINIMUM(maximum, cached) : maximum);
}
