// The bfloat16 matrix product for one instruction set, with float32's tiles. Their elements are
// pairs: the lower half holds the bfloat16 of an even k, the upper half that of the next k.
// matmul_tiles.h includes this file where the table of instructions has PAIR and JOIN.

// pairs[q][i] = (x[2 q][i], x[2 q + 1][i]); an odd last row is paired with 0. Writes whole
// registers. fetch: memory that is prefetched meanwhile, or 0.
TARGET ND_INLINE void SET(pair_rows)(
    const float *restrict x, ptrdiff_t x_row, ptrdiff_t rows, ptrdiff_t columns,
    float *restrict pairs, ptrdiff_t pairs_row, struct prefetch *fetch) {
  for (ptrdiff_t r = 0; r < rows; r += 2, pairs += pairs_row)
    for (ptrdiff_t c = 0; c < columns; c += LANES) {
      if (fetch && fetch->next < fetch->end) {
        __builtin_prefetch(fetch->next, 0, 2);
        fetch->next += fetch->step;
      }
      const mask here = MASK(MINIMUM(columns - c, LANES));
      const float *place = x + r * x_row + c;
      const vector high = r + 1 < rows ? MASKED_LOAD(place + x_row, here) : ZERO;
      STORE(pairs + c, PAIR(MASKED_LOAD(place, here), high));
    }
}

// A register of pairs of the next `count` elements at x, at most 2 LANES. Pairs past them are 0.
TARGET ND_INLINE vector SET(joined)(const float *x, ptrdiff_t count) {
  if (count >= 2 * LANES) return JOIN(LOAD(x), LOAD(x + LANES));
  const vector first = MASKED_LOAD(x, MASK(MINIMUM(count, LANES)));
  return JOIN(first, count > LANES ? MASKED_LOAD(x + LANES, MASK(count - LANES)) : ZERO);
}

// pairs[i][q] = (x[i][2 q], x[i][2 q + 1]). Writes whole registers.
TARGET static void SET(pair_columns)(
    const float *restrict x, ptrdiff_t x_row, ptrdiff_t rows, ptrdiff_t columns,
    float *restrict pairs, ptrdiff_t pairs_row) {
  for (ptrdiff_t r = 0; r < rows; r++)
    for (ptrdiff_t c = 0; c < columns; c += 2 * LANES)
      STORE(pairs + r * pairs_row + c / 2, SET(joined)(x + r * x_row + c, columns - c));
}

// pairs[q][i] = (x[i][2 q], x[i][2 q + 1]). Writes whole registers.
TARGET static void SET(pair_columns_transposed)(
    const float *restrict x, ptrdiff_t x_row, ptrdiff_t rows, ptrdiff_t columns,
    float *restrict pairs, ptrdiff_t pairs_row) {
  for (ptrdiff_t r = 0; r < rows; r += LANES)
    for (ptrdiff_t c = 0; c < columns; c += 2 * LANES) {
      vector block[LANES];
      UNROLLED for (int i = 0; i < LANES; i++)
        block[i] = i < rows - r ? SET(joined)(x + (r + i) * x_row + c, columns - c) : ZERO;
      TRANSPOSE(block);
      UNROLLED for (int i = 0; i < LANES; i++)
        if (c + 2 * i < columns) STORE(pairs + (c / 2 + i) * pairs_row + r, block[i]);
    }
}

// pairs[i][q] = (x[2 q][i], x[2 q + 1][i]). Writes whole registers.
TARGET static void SET(pair_rows_transposed)(
    const float *restrict x, ptrdiff_t x_row, ptrdiff_t rows, ptrdiff_t columns,
    float *restrict pairs, ptrdiff_t pairs_row) {
  for (ptrdiff_t c = 0; c < columns; c += LANES) {
    const mask here = MASK(MINIMUM(columns - c, LANES));
    for (ptrdiff_t r = 0; r < rows; r += 2 * LANES) {
      vector block[LANES];
      UNROLLED for (int i = 0; i < LANES; i++) {
        const ptrdiff_t k = r + 2 * i;
        const vector low = k < rows ? MASKED_LOAD(x + k * x_row + c, here) : ZERO;
        block[i] = PAIR(low, k + 1 < rows ? MASKED_LOAD(x + (k + 1) * x_row + c, here) : ZERO);
      }
      TRANSPOSE(block);
      UNROLLED for (int i = 0; i < LANES; i++)
        if (c + i < columns) STORE(pairs + (c + i) * pairs_row + r / 2, block[i]);
    }
  }
}

TARGET static void SET(pack)(
    const struct nd_product *p, const float *b, ptrdiff_t depth, ptrdiff_t width,
    ptrdiff_t columns, float *restrict panel) {
  if (p->b_column == 1)
    SET(pair_rows)(b, p->b_row, depth, columns, panel, width * LANES, 0);
  else
    SET(pair_columns_transposed)(b, p->b_column, columns, depth, panel, width * LANES);
}

TARGET static const float *SET(rows_of_a)(
    const struct nd_product *p, ptrdiff_t m, ptrdiff_t rows, ptrdiff_t k, ptrdiff_t depth,
    float *scratch, ptrdiff_t *a_row) {
  const float *a = p->a + m * p->a_row + k * p->a_column;
  *a_row = PART + PADDING;
  if (p->a_column == 1)
    SET(pair_columns)(a, p->a_row, rows, depth, scratch, *a_row);
  else
    SET(pair_rows_transposed)(a, p->a_column, depth, rows, scratch, *a_row);
  return scratch;
}

TARGET ND_INLINE vector SET(elements)(const struct nd_product *p, const float *place) {
  return p->a_column == 1 ? JOIN(LOAD(place), LOAD(place + LANES))
                          : PAIR(LOAD(place), LOAD(place + p->a_column));
}

#include "matmul/matmul_sparse.h"

// Multiplies in the blocks of float32; a DEPTH of pairs is twice as many elements of k.
TARGET static ptrdiff_t SET(matmul)(const struct nd_product *all) {
  if (SET(is_sparse)(all)) return SET(multiply_sparse)(all);
  struct nd_product block = *all;
  const ptrdiff_t max_depth = pairs_depth(all), height = pairs_height(all);
  const int streams = streams_b(all), passes = streams_a(all) && 2 * max_depth >= all->k;
  struct prefetch fetch = {.step = 64};
  const int neighbours = all->a_column == 1;
  block.a_row = neighbours ? (max_depth + LANES - 1) / LANES * LANES + PADDING : 1;
  block.a_column = neighbours ? 1 : height;
  float *panels = all->scratch + PAIRS_OF_A;
  for (ptrdiff_t k = 0; k < all->k; k += 2 * max_depth) {
    const ptrdiff_t depth = MINIMUM(all->k - k, 2 * max_depth), steps = (depth + 1) / 2;
    const float *bias = k + depth == all->k ? all->bias : 0;
    if (streams) {
      fetch.next = (const char *)(all->b + (k + depth) * all->b_row);
      const ptrdiff_t rest = MINIMUM(all->k - k - depth, 2 * max_depth);
      fetch.end = fetch.next + rest * all->b_row * (ptrdiff_t)sizeof *all->b;
      fetch.step = prefetch_step(
          fetch.end - fetch.next, (all->m + 6) * register_count(all->n) * steps, SPAN);
    }
    for (ptrdiff_t m = 0; m < all->m; m += height) {
      block.m = MINIMUM(all->m - m, height);
      const float *a = all->a + k * all->a_column + m * all->a_row;
      if (passes) {
        fetch.next = (const char *)(a + block.m * all->a_row);
        const ptrdiff_t rest = MINIMUM(all->m - m - block.m, height);
        fetch.end = fetch.next + rest * all->a_row * (ptrdiff_t)sizeof *all->a;
        fetch.step =
            prefetch_step(fetch.end - fetch.next, block.m * register_count(all->n) * steps, SPAN);
      }
      if (neighbours)
        SET(pair_columns)(a, all->a_row, block.m, depth, all->scratch, block.a_row);
      else
        SET(pair_rows)(a, all->a_column, depth, block.m, all->scratch, height, 0);
      a = all->scratch;
      float *panel = panels;
      for (ptrdiff_t n = 0, columns; n < all->n; n += columns) {
        const ptrdiff_t width = MINIMUM((all->n - n + LANES - 1) / LANES, MAX_WIDTH);
        columns = MINIMUM(all->n - n, width * LANES);
        const ptrdiff_t row = width * LANES;
        const float *b = all->b + k * all->b_row + n * all->b_column;
        if (m == 0 && streams)
          SET(pair_rows)(b, all->b_row, depth, columns, panel, row, &fetch);
        else if (m == 0)
          SET(pack)(all, b, depth, width, columns, panel);
        float *c = all->c + m * all->c_row + n;
        const float *added = bias ? bias + n : 0;
        switch (width) {
        case 1: SET(column1)(&block, steps, a, panel, row, c, added, columns, k > 0, &fetch); break;
        case 2: SET(column2)(&block, steps, a, panel, row, c, added, columns, k > 0, &fetch); break;
#if MAX_WIDTH > 2
        case 3: SET(column3)(&block, steps, a, panel, row, c, added, columns, k > 0, &fetch); break;
        case 4: SET(column4)(&block, steps, a, panel, row, c, added, columns, k > 0, &fetch); break;
#endif
        }
        if (k + depth == all->k) SET(apply_relu)(all, c, block.m, columns);
        panel += steps * row;
      }
    }
  }
  return all->m * all->n * all->k;
}
