// The float32 matrix product for one instruction set. matmul.c includes it once for each, with
// a table of simd/, and with
//   ROWS1 ... ROWS4  rows of a tile that is 1 ... 4 registers wide: so many that its sums fill the
//                    registers but for a row of b and an element of a
//   WIDEST           registers of the widest tile
//   PART, BREADTH    for matmul_sparse.h
// Where the table has PAIR, the product is bfloat16's, by matmul_pairs.h.

#define TILE_ROWS(width) \
  ((width) == 1 ? ROWS1 : (width) == 2 ? ROWS2 : (width) == 3 ? ROWS3 : ROWS4)

// Sums of `width` registers go to c, + bias; `last` are the last one's. No sum is -0: what products of 0
// add to it is 0 then, and they may as well be left out.
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

// c[rows, columns] = a b, or += where it `adds`; + bias behind the last product. `columns` fill `width`
// registers but for some of the last. `next_c` is where the next tile's sums will go.
TARGET ND_INLINE void SET(tile)(
    const int rows, const int width, const struct nd_product *restrict p, ptrdiff_t depth,
    const float *restrict a, const float *restrict b, ptrdiff_t b_row, float *restrict c,
    const float *restrict bias, ptrdiff_t columns, int adds, const float *next_c,
    struct ahead *ahead) {
  vector sums[ROWS1][WIDEST];
  const mask last = MASK(columns - (width - 1) * LANES);
  const ptrdiff_t a_row = p->a_row, a_column = p->a_column, c_row = p->c_row;
  UNROLLED for (int i = 0; i < rows; i++)
    UNROLLED for (int j = 0; j < width; j++) {
      const float *place = c + i * c_row + j * LANES;
      sums[i][j] = !adds ? ZERO : j == width - 1 ? MASKED_LOAD(place, last) : LOAD(place);
      // What is written comes meanwhile, as other ranks may have read it last and have it in their
      // caches; and what the next tile begins with.
      __builtin_prefetch(adds ? next_c + i * c_row + j * LANES : place, 1);
    }
  const char *next = ahead->next, *const end = ahead->end;
  const ptrdiff_t step = ahead->step;
  // Each third row of a, the others by addressing. What they have in common is hidden from the compiler, which
  // would go from row to row by additions that wait for each other: as long as the products of a register.
  const float *starts[(ROWS1 + 2) / 3];
  UNROLLED for (int i = 0; i < rows; i += 3) {
    starts[i / 3] = a + i * a_row;
    __asm__("" : "+r"(starts[i / 3]));
  }
  for (ptrdiff_t k = 0; k < depth; k++, b += b_row) {
    // SPAN times in the time of 12 products.
    const int asks = SPAN * ((rows * width + 11) / 12);
    if (next < end) {
      UNROLLED for (int l = 0; l < asks; l++, next += step) __builtin_prefetch(next, 0, 2);
    }
    vector row[WIDEST];
    UNROLLED for (int j = 0; j < width; j++) row[j] = LOAD(b + j * LANES);
    UNROLLED for (int i = 0; i < rows; i++) {
      const vector element = SPREAD(starts[i / 3][i % 3 * a_row]);
      UNROLLED for (int j = 0; j < width; j++) sums[i][j] = FMA(element, row[j], sums[i][j]);
    }
    UNROLLED for (int i = 0; i < rows; i += 3) starts[i / 3] += a_column;
  }
  ahead->next = next;
  UNROLLED for (int i = 0; i < rows; i++) SET(store)(width, sums[i], c + i * c_row, bias, last);
}

// The tiles below each other that share a panel of b.
#define TILE(rows, width)                                                                          \
  SET(tile)(rows, width, p, depth, a + row * p->a_row, b, b_row, c + row * p->c_row, bias, columns, \
            adds, row + (rows) < p->m ? c + (row + (rows)) * p->c_row : c + (width) * LANES, ahead)
#define REST(rows, width)                                   \
  case rows:                                                \
    if (rows < TILE_ROWS(width)) TILE(rows, width);         \
    break;
#define COLUMN(width)                                                                                \
  TARGET static void SET(column##width)(                                                             \
      const struct nd_product *restrict p, ptrdiff_t depth, const float *a, const float *b,          \
      ptrdiff_t b_row, float *c, const float *bias, ptrdiff_t columns, int adds,                     \
      struct ahead *ahead) {                                                                         \
    ptrdiff_t row = 0;                                                                               \
    for (; row + TILE_ROWS(width) <= p->m; row += TILE_ROWS(width)) {                                \
      if (ahead->follows_rows) {                                                                     \
        ahead->next = (const char *)(a + (row + TILE_ROWS(width)) * p->a_row);                       \
        ahead->end = ahead->next + TILE_ROWS(width) * p->a_row * (ptrdiff_t)sizeof *a;               \
      }                                                                                              \
      TILE(TILE_ROWS(width), width);                                                                 \
    }                                                                                                \
    switch (p->m - row) {                                                                            \
      REST(1, width) REST(2, width) REST(3, width) REST(4, width) REST(5, width) REST(6, width)      \
      REST(7, width) REST(8, width) REST(9, width) REST(10, width) REST(11, width)                   \
    }                                                                                                \
  }

COLUMN(1)
COLUMN(2)
#if WIDEST > 2
COLUMN(3)
COLUMN(4)
#endif

TARGET static void SET(finish)(
    const struct nd_product *p, float *c, ptrdiff_t rows, ptrdiff_t columns) {
  finish(p, c, rows, columns);
}

#ifdef PAIR
#include "matmul/matmul_pairs.h"
#else

// y[column][row] = x[row][column] (+ bias[row]). Of y's rows the last register's rest is not written.
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

// A panel of b, one row of it behind the other: [depth][width * LANES]. What is behind its columns
// is multiplied and never stored.
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

// In blocks: `DEPTH` of k, so that a panel of b stays near; HEIGHT rows of a, which stay near while
// panel after panel passes.
TARGET static void SET(multiply)(const struct nd_product *all) {
  struct nd_product block = *all;
  const ptrdiff_t most = block_depth(all);
  const int streams = streams_b(all);
  struct ahead ahead = {.step = 64, .follows_rows = streams_a(all) && most == all->k};
  if (ahead.follows_rows)
    ahead.step = even_step(all->a_row * (ptrdiff_t)sizeof *all->a, in_registers(all->n) * most, SPAN);
  const int turns = turns_rows(all);
  float *panels = all->scratch + (turns ? HEIGHT * (most + PADDING) : 0);
  for (ptrdiff_t k = 0; k < all->k; k += most) {
    const ptrdiff_t depth = MINIMUM(all->k - k, most);
    const float *bias = k + depth == all->k ? all->bias : 0;
    if (streams) {
      ahead.next = (const char *)(all->b + (k + depth) * all->b_row);
      ahead.end = ahead.next + MINIMUM(all->k - k - depth, most) * all->b_row * (ptrdiff_t)sizeof *all->b;
      ahead.step = even_step(ahead.end - ahead.next, all->m * in_registers(all->n) * depth, SPAN);
    }
    for (ptrdiff_t m = 0; m < all->m; m += HEIGHT) {
      block.m = MINIMUM(all->m - m, HEIGHT);
      const float *a = all->a + k * all->a_column + m * all->a_row;
      if (turns) {
        block.a_row = most + PADDING;
        block.a_column = 1;
        SET(transpose)(a, all->a_column, depth, block.m, all->scratch, block.a_row, 0);
        a = all->scratch;
      }
      float *panel = panels;
      for (ptrdiff_t n = 0, columns; n < all->n; n += columns) {
        const ptrdiff_t width = MINIMUM((all->n - n + LANES - 1) / LANES, WIDEST);
        columns = MINIMUM(all->n - n, width * LANES);
        const float *b = all->b + k * all->b_row + n * all->b_column;
        ptrdiff_t b_row = all->b_row;
        // Of a b with few tiles above it, to pack costs more than to jump from row to row.
        if (all->b_column != 1 || columns < width * LANES || all->m > 12 * TILE_ROWS(width)) {
          if (m == 0) SET(pack)(all, b, depth, width, columns, panel);
          b = panel;
          b_row = width * LANES;
          panel += depth * b_row;
          // The panels and what passes by do not all stay near.
          if (m > 0 && !streams && !ahead.follows_rows) {
            ahead.next = (const char *)panel;
            ahead.end = ahead.next + depth * b_row * (ptrdiff_t)sizeof *panel;
          }
        }
        float *c = all->c + m * all->c_row + n;
        const float *added = bias ? bias + n : 0;
        switch (width) {
        case 1: SET(column1)(&block, depth, a, b, b_row, c, added, columns, k > 0, &ahead); break;
        case 2: SET(column2)(&block, depth, a, b, b_row, c, added, columns, k > 0, &ahead); break;
#if WIDEST > 2
        case 3: SET(column3)(&block, depth, a, b, b_row, c, added, columns, k > 0, &ahead); break;
        case 4: SET(column4)(&block, depth, a, b, b_row, c, added, columns, k > 0, &ahead); break;
#endif
        }
        if (k + depth == all->k) SET(finish)(all, c, block.m, columns);
      }
    }
  }
}

TARGET static void SET(multiply_swapped)(const struct nd_product *p) {
  struct nd_product other = swapped(p);
  SET(multiply)(&other);
  // A few columns: an element at a time is faster than to turn whole registers.
  if (p->n <= 3)
    scatter_columns(p);
  else
    SET(transpose)(p->scratch, p->m, p->n, p->m, p->c, p->c_row, p->bias);
  SET(finish)(p, p->c, p->m, p->n);
}

TARGET static ptrdiff_t SET(matmul)(const struct nd_product *p) {
  if (SET(is_sparse)(p)) return SET(multiply_sparse)(p);
  if (swaps(p)) {
    SET(multiply_swapped)(p);
    return p->m * p->n * p->k;
  }
  const ptrdiff_t odd = odd_columns(p);
  struct nd_product first = *p;
  first.n -= odd;
  SET(multiply)(&first);
  if (odd > 0) {
    const struct nd_product last = last_columns(p, odd);
    SET(multiply_swapped)(&last);
  }
  return p->m * p->n * p->k;
}

#endif

#undef TILE_ROWS
#undef TILE
#undef REST
#undef COLUMN
#undef ROWS1
#undef ROWS2
#undef ROWS3
#undef ROWS4
#undef WIDEST
#undef PART
#undef BREADTH
#include "simd/undefine.h"
