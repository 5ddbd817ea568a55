#pragma once
#include "ckernels.h"
#include "simd/clones.h"

// What a product is computed by and in which blocks, and how much scratch that takes: on every instruction
// set alike.

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
                         : streams_b(p) ? MINIMUM(DEPTH, 32 + NEAR / p->n)
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
  return MINIMUM(64, 12 * bytes / (asks * products) + 1);
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

// Whether blocks of a are turned, so that the elements a tile reads one after the other are
// neighbours.
static int turns_rows(const struct nd_product *p) {
  return p->a_column != 1 && p->m > 12 && p->n > 8 * MOST_LANES;
}

// A sparse a's: elements of its rows whose panels of b are kept at once, rows whose zeros are looked for at
// once, and lines of a that are looked at before. The elements whose zeros a mask tells are a PART of each
// instruction set, from LEAST_PART to MOST_PART; a panel is such a part of BREADTH registers, all PANEL
// at most, and has LEAST_BREADTH floats or more unless it is the only one beside others.
enum { DEEP = 256, TALL = 256, SAMPLE = 64, LEAST_PART = 32, MOST_PART = 64, PANEL = 512, LEAST_BREADTH = 32 };
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

// A sparse a's panels: those of DEEP elements, or one.
static ptrdiff_t panels_count(const struct nd_product *p) {
  if (p->m <= TALL) return HEAD + PANEL * MOST_LANES;
  const ptrdiff_t panels = DEEP / LEAST_PART * (padded_columns(p) / LEAST_BREADTH + 1);
  return panels * HEAD + MINIMUM(DEEP, p->k) * padded_columns(p);
}

static ptrdiff_t sparse_scratch_count(const struct nd_product *p) {
  return may_be_sparse(p) ? MASKS + panels_count(p) + MINIMUM(TALL, p->m) * (MOST_PART + PADDING) : 0;
}

static ptrdiff_t dense_scratch_count(const struct nd_product *p) {
  if (swaps(p)) return swapped_scratch_count(p);
  const ptrdiff_t odd = odd_columns(p);
  if (odd == 0) return scratch_count(p);
  const struct nd_product last = last_columns(p, odd);
  return MAXIMUM(scratch_count(p), swapped_scratch_count(&last));
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
  return even_depth((p->k + 1) / 2, streams_b(p) ? MINIMUM(most, 8 + NEAR / 4 / p->n) : most);
}
