// The float32 matrix product for one instruction set. matmul.c includes it once for each set, after
// a table of simd/ and
//   ROWS1 ... ROWS4  rows of a tile that is 1 ... 4 registers wide: as many as leave registers for
//                    one row of b and one element of a
//   MAX_WIDTH        registers of the widest tile
//   PART, BREADTH    for matmul_sparse.h
// With a table of bfloat16 pairs, matmul_pairs.h replaces the float32 product.

#define TILE_ROWS(width) \
  ((width) == 1 ? ROWS1 : (width) == 2 ? ROWS2 : (width) == 3 ? ROWS3 : ROWS4)

// Stores the sums of `width` registers to c, plus the bias. `last` masks the lanes of the last
// register. Adding 0 makes -0 into +0. Products of 0 then change no sum and may be skipped.
TARGET ND_INLINE void SET(store)(
    const int width, const vector *sums, float *restrict c, const float *restrict bias, mask last) {
  UNROLLED for (int j = 0; j < width; j++) {
    vector sum = ADD(sums[j], ZERO);
    float *place = c + j * LANES;
    if (j < width - 1) {
      STORE(place, bias ? ADD(sum, LOAD(bias + j * LANES)) : sum);
    } else {
      if (bias) sum = ADD(sum, MASKED_LOAD(bias + j * LANES, last));
      MASKED_STORE(place, last, sum);
    }
  }
}

// c[rows, columns] = a b, or += where `adds`; the bias is added after the last product. `columns`
// take `width` registers, of which the last may be partly used. `next_c` is the address of the next
// tile of c.
TARGET ND_INLINE void SET(tile)(
    const int rows, const int width, const struct nd_product *restrict p, ptrdiff_t depth,
    const float *restrict a, const float *restrict b, ptrdiff_t b_row, float *restrict c,
    const float *restrict bias, ptrdiff_t columns, int adds, const float *next_c,
    struct prefetch *fetch) {
  vector sums[ROWS1][MAX_WIDTH];
  const mask last = MASK(columns - (width - 1) * LANES);
  const ptrdiff_t a_row = p->a_row, a_column = p->a_column, c_row = p->c_row;
  UNROLLED for (int i = 0; i < rows; i++)
    UNROLLED for (int j = 0; j < width; j++) {
      const float *place = c + i * c_row + j * LANES;
      sums[i][j] = !adds ? ZERO : j == width - 1 ? MASKED_LOAD(place, last) : LOAD(place);
      // Prefetches c for writing, as it may be in the caches of other ranks that have read it; and
      // the sums that the next tile loads.
      __builtin_prefetch(adds ? next_c + i * c_row + j * LANES : place, 1);
    }
  const char *next = fetch->next, *const end = fetch->end;
  const ptrdiff_t step = fetch->step;
  // Pointers to every third row of a; the rows between are reached by addressing modes. The asm
  // hides from the compiler that the pointers are related. It would else compute each from the one
  // before, a chain of additions as slow as the products of a register.
  const float *starts[(ROWS1 + 2) / 3];
  UNROLLED for (int i = 0; i < rows; i += 3) {
    starts[i / 3] = a + i * a_row;
    __asm__("" : "+r"(starts[i / 3]));
  }
  for (ptrdiff_t k = 0; k < depth; k++, b += b_row) {
    // SPAN prefetches per 12 products.
    const int prefetches = SPAN * ((rows * width + 11) / 12);
    if (next < end) {
      UNROLLED for (int l = 0; l < prefetches; l++, next += step) __builtin_prefetch(next, 0, 2);
    }
    vector row[MAX_WIDTH];
    UNROLLED for (int j = 0; j < width; j++) row[j] = LOAD(b + j * LANES);
    UNROLLED for (int i = 0; i < rows; i++) {
      const vector element = BROADCAST(starts[i / 3][i % 3 * a_row]);
      UNROLLED for (int j = 0; j < width; j++) sums[i][j] = FMA(element, row[j], sums[i][j]);
    }
    UNROLLED for (int i = 0; i < rows; i += 3) starts[i / 3] += a_column;
  }
  fetch->next = next;
  UNROLLED for (int i = 0; i < rows; i++) SET(store)(width, sums[i], c + i * c_row, bias, last);
}

// A column of tiles, which share a panel of b.
#define TILE(rows, width)                                                                     \
  SET(tile)(                                                                                  \
      rows, width, p, depth, a + row * p->a_row, b, b_row, c + row * p->c_row, bias, columns, \
      adds, row + (rows) < p->m ? c + (row + (rows)) * p->c_row : c + (width) * LANES, fetch)
#define REMAINDER(rows, width)                      \
  case rows:                                        \
    if (rows < TILE_ROWS(width)) TILE(rows, width); \
    break;
#define COLUMN(width)                                                                           \
  TARGET static void SET(column##width)(                                                        \
      const struct nd_product *restrict p, ptrdiff_t depth, const float *a, const float *b,     \
      ptrdiff_t b_row, float *c, const float *bias, ptrdiff_t columns, int adds,                \
      struct prefetch *fetch) {                                                                 \
    ptrdiff_t row = 0;                                                                          \
    for (; row + TILE_ROWS(width) <= p->m; row += TILE_ROWS(width)) {                           \
      if (fetch->follows_rows) {                                                                \
        fetch->next = (const char *)(a + (row + TILE_ROWS(width)) * p->a_row);                  \
        fetch->end = fetch->next + TILE_ROWS(width) * p->a_row * (ptrdiff_t)sizeof *a;          \
      }                                                                                         \
      TILE(TILE_ROWS(width), width);                                                            \
    }                                                                                           \
    switch (p->m - row) {                                                                       \
      REMAINDER(1, width) REMAINDER(2, width) REMAINDER(3, width) REMAINDER(4, width)           \
      REMAINDER(5, width) REMAINDER(6, width) REMAINDER(7, width) REMAINDER(8, width)           \
      REMAINDER(9, width) REMAINDER(10, width) REMAINDER(11, width)                             \
    }                                                                                           \
  }

COLUMN(1)
COLUMN(2)
#if MAX_WIDTH > 2
COLUMN(3)
COLUMN(4)
#endif

TARGET static void SET(apply_relu)(
    const struct nd_product *p, float *c, ptrdiff_t rows, ptrdiff_t columns) {
  apply_relu(p, c, rows, columns);
}

#ifdef PAIR
#include "matmul/matmul_pairs.h"
#else

// y[column][row] = x[row][column] (+ bias[row]). Writes only `rows` elements of each row of y.
TARGET static void SET(transpose)(
    const float *restrict x, ptrdiff_t x_row, ptrdiff_t rows, ptrdiff_t columns, float *restrict y,
    ptrdiff_t y_row, const float *restrict bias) {
  for (ptrdiff_t r = 0; r < rows; r += LANES) {
    const ptrdiff_t height = MINIMUM(rows - r, LANES);
    const mask high = MASK(height);
    const vector offset = bias ? MASKED_LOAD(bias + r, high) : ZERO;
    for (ptrdiff_t c = 0; c < columns; c += LANES) {
      const ptrdiff_t breadth = MINIMUM(columns - c, LANES);
      const mask broad = MASK(breadth);
      vector block[LANES];
      UNROLLED for (int i = 0; i < LANES; i++)
        block[i] = i < height ? MASKED_LOAD(x + (r + i) * x_row + c, broad) : ZERO;
      TRANSPOSE(block);
      UNROLLED for (int i = 0; i < LANES; i++)
        if (i < breadth)
          MASKED_STORE(y + (c + i) * y_row + r, high, bias ? ADD(block[i], offset) : block[i]);
    }
  }
}

// Copies a panel of b to contiguous rows: [depth][width * LANES]. Lanes past `columns` are
// multiplied but never stored.
TARGET static void SET(pack)(
    const struct nd_product *p, const float *b, ptrdiff_t depth, ptrdiff_t width,
    ptrdiff_t columns, float *restrict panel) {
  if (p->b_column != 1)
    return SET(transpose)(b, p->b_column, columns, depth, panel, width * LANES, 0);
  const ptrdiff_t whole = (width - 1) * LANES;
  const mask last = MASK(columns - whole);
  for (ptrdiff_t k = 0; k < depth; k++, b += p->b_row, panel += width * LANES) {
    for (ptrdiff_t j = 0; j < whole; j += LANES) STORE(panel + j, LOAD(b + j));
    STORE(panel + whole, MASKED_LOAD(b + whole, last));
  }
}

// A block of a whose rows are contiguous: a itself, or a transposed copy in `scratch`. Sets
// `a_row`, the stride of its rows.
TARGET static const float *SET(rows_of_a)(
    const struct nd_product *p, ptrdiff_t m, ptrdiff_t rows, ptrdiff_t k, ptrdiff_t depth,
    float *scratch, ptrdiff_t *a_row) {
  const float *a = p->a + m * p->a_row + k * p->a_column;
  *a_row = p->a_column == 1 ? p->a_row : PART + PADDING;
  if (p->a_column == 1) return a;
  SET(transpose)(a, p->a_column, depth, rows, scratch, *a_row, 0);
  return scratch;
}

TARGET ND_INLINE vector SET(elements)(const struct nd_product *p, const float *place) {
  return LOAD(place);
}

#include "matmul/matmul_sparse.h"

// Multiplies in blocks: DEPTH of k, so that a panel of b stays in the cache; HEIGHT rows of a,
// which stay in the cache while they are multiplied by one panel after another.
TARGET static void SET(multiply)(const struct nd_product *all) {
  struct nd_product block = *all;
  const ptrdiff_t max_depth = block_depth(all);
  const int streams = streams_b(all);
  struct prefetch fetch = {.step = 64, .follows_rows = streams_a(all) && max_depth == all->k};
  if (fetch.follows_rows)
    fetch.step = prefetch_step(
        all->a_row * (ptrdiff_t)sizeof *all->a, register_count(all->n) * max_depth, SPAN);
  const int transposes = transposes_a(all);
  float *panels = all->scratch + (transposes ? HEIGHT * (max_depth + PADDING) : 0);
  for (ptrdiff_t k = 0; k < all->k; k += max_depth) {
    const ptrdiff_t depth = MINIMUM(all->k - k, max_depth);
    const float *bias = k + depth == all->k ? all->bias : 0;
    if (streams) {
      fetch.next = (const char *)(all->b + (k + depth) * all->b_row);
      const ptrdiff_t rest = MINIMUM(all->k - k - depth, max_depth);
      fetch.end = fetch.next + rest * all->b_row * (ptrdiff_t)sizeof *all->b;
      fetch.step =
          prefetch_step(fetch.end - fetch.next, all->m * register_count(all->n) * depth, SPAN);
    }
    for (ptrdiff_t m = 0; m < all->m; m += HEIGHT) {
      block.m = MINIMUM(all->m - m, HEIGHT);
      const float *a = all->a + k * all->a_column + m * all->a_row;
      if (transposes) {
        block.a_row = max_depth + PADDING;
        block.a_column = 1;
        SET(transpose)(a, all->a_column, depth, block.m, all->scratch, block.a_row, 0);
        a = all->scratch;
      }
      float *panel = panels;
      for (ptrdiff_t n = 0, columns; n < all->n; n += columns) {
        const ptrdiff_t width = MINIMUM((all->n - n + LANES - 1) / LANES, MAX_WIDTH);
        columns = MINIMUM(all->n - n, width * LANES);
        const float *b = all->b + k * all->b_row + n * all->b_column;
        ptrdiff_t b_row = all->b_row;
        // Packing pays off only where many tiles use the panel; else rows are read where they are.
        if (all->b_column != 1 || columns < width * LANES || all->m > 12 * TILE_ROWS(width)) {
          if (m == 0) SET(pack)(all, b, depth, width, columns, panel);
          b = panel;
          b_row = width * LANES;
          panel += depth * b_row;
          // The panels do not all stay in the cache beside the other operands.
          if (m > 0 && !streams && !fetch.follows_rows) {
            fetch.next = (const char *)panel;
            fetch.end = fetch.next + depth * b_row * (ptrdiff_t)sizeof *panel;
          }
        }
        float *c = all->c + m * all->c_row + n;
        const float *added = bias ? bias + n : 0;
        switch (width) {
        case 1: SET(column1)(&block, depth, a, b, b_row, c, added, columns, k > 0, &fetch); break;
        case 2: SET(column2)(&block, depth, a, b, b_row, c, added, columns, k > 0, &fetch); break;
#if MAX_WIDTH > 2
        case 3: SET(column3)(&block, depth, a, b, b_row, c, added, columns, k > 0, &fetch); break;
        case 4: SET(column4)(&block, depth, a, b, b_row, c, added, columns, k > 0, &fetch); break;
#endif
        }
        if (k + depth == all->k) SET(apply_relu)(all, c, block.m, columns);
      }
    }
  }
}

TARGET static void SET(multiply_transposed)(const struct nd_product *p) {
  struct nd_product other = transposed_product(p);
  SET(multiply)(&other);
  // For a few columns, copying single elements is faster than transposing whole registers.
  if (p->n <= 3)
    scatter_columns(p);
  else
    SET(transpose)(p->scratch, p->m, p->n, p->m, p->c, p->c_row, p->bias);
  SET(apply_relu)(p, p->c, p->m, p->n);
}

TARGET static ptrdiff_t SET(matmul)(const struct nd_product *p) {
  if (SET(is_sparse)(p)) return SET(multiply_sparse)(p);
  if (computes_transpose(p)) {
    SET(multiply_transposed)(p);
    return p->m * p->n * p->k;
  }
  const ptrdiff_t leftover = leftover_columns(p);
  struct nd_product first = *p;
  first.n -= leftover;
  SET(multiply)(&first);
  if (leftover > 0) {
    const struct nd_product last = last_columns(p, leftover);
    SET(multiply_transposed)(&last);
  }
  return p->m * p->n * p->k;
}

#endif

#undef TILE_ROWS
#undef TILE
#undef REMAINDER
#undef COLUMN
#undef ROWS1
#undef ROWS2
#undef ROWS3
#undef ROWS4
#undef MAX_WIDTH
#undef PART
#undef BREADTH
#include "simd/undefine.h"
