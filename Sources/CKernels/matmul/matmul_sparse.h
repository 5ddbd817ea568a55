// The product of an a that holds many zeros, which are passed over, for one instruction set.
// matmul_tiles.h includes it for float32, and for bfloat16, where an element is a pair of SPAN = 2 of k:
//   PART            elements of a row of a whose zeros a mask tells, at most 64
//   BREADTH         registers of a row of c, 8 or 16
//   SET(rows_of_a)  a block of a, its rows' elements as neighbours
//   SET(elements)   a register of elements of a as they lie
//   SET(pack)       a panel of b
//
// Images are half zeros, and so is what ReLU leaves of outputs and gradients. A row of c, as much of it
// as BREADTH registers hold, adds the rows of b that meet elements of its row of a which are not 0. It
// reads them from the cache for each row of a anew, so a panel of b is as large as the first level.
//
// A sum is the same without products of 0, but for its sign where it is 0, which no product here keeps,
// and but for elements of b that are not finite: beside such ones nothing is passed over.

// c[row] (+)= the rows of the panel that `left` names times a's elements, over `width` registers.
TARGET ND_INLINE void SET(sparse_row)(
    const int width, uint64_t left, const float *restrict a, const float *restrict panel,
    float *restrict c, ptrdiff_t c_row, const float *restrict bias, mask last, int adds) {
  vector sums[BREADTH];
  UNROLLED for (int j = 0; j < width; j++) {
    const float *place = c + j * LANES;
    sums[j] = !adds ? ZERO : j == width - 1 ? MASKED_LOAD(place, last) : LOAD(place);
    // The next row's, as what comes behind a row's last element is guessed badly.
    __builtin_prefetch(place + c_row, 1);
  }
  for (; left; left &= left - 1) {
    const int k = __builtin_ctzll(left);
    const vector element = SPREAD(a[k]);
    UNROLLED for (int j = 0; j < width; j++)
      sums[j] = FMA(element, LOAD(panel + (k * width + j) * LANES), sums[j]);
  }
  SET(store)(width, sums, c, bias, last);
}

#define SPARSE_ROWS(width)                                                                      \
  case width:                                                                                   \
    for (ptrdiff_t r = 0; r < rows; r++) {                                                      \
      fetch_lines(&next, due);                                                                  \
      SET(sparse_row)(                                                                          \
          width, masks[r] | always, a + r * a_row, panel, c + r * c_row, c_row, bias, last, adds); \
    }                                                                                           \
    break;

// always: elements of a that are not passed over though they are 0.  next: what comes from memory meanwhile.
TARGET static void SET(sparse_rows)(
    ptrdiff_t width, ptrdiff_t rows, const uint64_t *masks, uint64_t always, const float *a,
    ptrdiff_t a_row, const float *panel, float *c, ptrdiff_t c_row, const float *bias,
    ptrdiff_t columns, int adds, struct lines next) {
  const mask last = MASK(columns - (width - 1) * LANES);
  const ptrdiff_t due = (next.count + rows - 1) / rows;
  switch (width) {
    SPARSE_ROWS(1) SPARSE_ROWS(2) SPARSE_ROWS(3) SPARSE_ROWS(4)
    SPARSE_ROWS(5) SPARSE_ROWS(6) SPARSE_ROWS(7) SPARSE_ROWS(8)
#if BREADTH > 8
    SPARSE_ROWS(9) SPARSE_ROWS(10) SPARSE_ROWS(11) SPARSE_ROWS(12)
    SPARSE_ROWS(13) SPARSE_ROWS(14) SPARSE_ROWS(15) SPARSE_ROWS(16)
#endif
  }
}

// masks[r]: a bit for each of the row's elements, at most PART, that is not 0. Returns how many those are.
TARGET static ptrdiff_t SET(find_nonzeros)(
    const float *a, ptrdiff_t a_row, ptrdiff_t rows, ptrdiff_t depth, uint64_t *masks) {
  ptrdiff_t count = 0;
  const ptrdiff_t whole = (depth - 1) / LANES * LANES;
  const mask last = MASK(depth - whole);
  for (ptrdiff_t r = 0; r < rows; r++, a += a_row) {
    masks[r] = (uint64_t)NONZERO(MASKED_LOAD(a + whole, last)) << whole;
    for (ptrdiff_t k = 0; k < whole; k += LANES)
      masks[r] |= (uint64_t)NONZERO(LOAD(a + k)) << k;
    // No processor sees these strides coming.
    for (ptrdiff_t k = 0; k < depth; k += 16) __builtin_prefetch(a + 16 * a_row + k);
    count += __builtin_popcountll(masks[r]);
  }
  return count;
}

TARGET static int SET(is_finite)(
    const float *panel, ptrdiff_t depth, ptrdiff_t width, ptrdiff_t columns) {
  const mask last = MASK(columns - (width - 1) * LANES);
  vector largest = ZERO;
  for (ptrdiff_t k = 0; k < depth; k++, panel += width * LANES) {
    for (ptrdiff_t j = 0; j < width - 1; j++) largest = LARGER(largest, LOAD(panel + j * LANES));
    largest = LARGER(largest, MASKED_LOAD(panel + (width - 1) * LANES, last));
  }
  return !HAS_NONFINITE(largest);
}

// Panels as wide as each other, in registers: the one that begins with `first` of so many.
static ptrdiff_t SET(panel_width)(ptrdiff_t registers, ptrdiff_t first) {
  const ptrdiff_t rest = registers - first, panels = (rest + BREADTH - 1) / BREADTH;
  return rest / panels;
}

// Whether it takes less time than tiles do, by a sample of a's elements as they lie. Times are in those
// of a register's products, as measured on a Zen 5, whose products are fast; where they are slower the rest
// counts for less.
TARGET static int SET(is_sparse)(const struct nd_product *p) {
  if (!may_be_sparse(p)) return 0;
  const ptrdiff_t depth = p->k / SPAN, registers = (p->n + LANES - 1) / LANES;
  const int lies_in_rows = p->a_column == 1;
  const ptrdiff_t lines = lies_in_rows ? p->m : depth, length = lies_in_rows ? depth : p->m;
  ptrdiff_t nonzeros = 0, seen = 0;
  for (ptrdiff_t line = 0; line < lines; line += (lines + SAMPLE - 1) / SAMPLE) {
    const float *a = p->a + line * (lies_in_rows ? p->a_row : SPAN * p->a_column);
    for (ptrdiff_t i = 0; i + LANES <= length; i += LANES, seen += LANES)
      nonzeros += __builtin_popcount(NONZERO(SET(elements)(p, a + i * (lies_in_rows ? SPAN : 1))));
  }
  const ptrdiff_t panels = (depth + PART - 1) / PART * ((registers + BREADTH - 1) / BREADTH);
  const double products = (double)(p->m * depth * registers);
  const double added = 1.2 * products * (double)nonzeros / (double)(seen > 0 ? seen : 1);
  const ptrdiff_t rows = 40 * panels * p->m, masks = 10 * p->m * depth / LANES;
  const ptrdiff_t packed = (p->b_column == 1 ? 6 : 13) * registers * depth;
  // Tiles of one register's columns are waiting for their rows' elements.
  const double dense = swaps(p) && p->m <= MOST_LANES ? 1.75 * products : products;
  return seen > 0 && added + (double)(rows + masks + packed) < dense;
}

// Where in b a panel begins, of `depth` elements of k.
TARGET ND_INLINE struct lines SET(lines_of_b)(
    const struct nd_product *p, ptrdiff_t k, ptrdiff_t depth, ptrdiff_t first) {
  const ptrdiff_t columns = MINIMUM(p->n - first * LANES, BREADTH * LANES);
  const ptrdiff_t rows = MINIMUM(p->k - k * SPAN, depth * SPAN);
  const float *b = p->b + k * SPAN * p->b_row + first * LANES * p->b_column;
  return p->b_column == 1 ? (struct lines){b, p->b_row, rows, columns}
                          : (struct lines){b, p->b_column, columns, rows};
}

// Returns how many products it made.
TARGET static ptrdiff_t SET(multiply_sparse)(const struct nd_product *all) {
  const ptrdiff_t elements = (all->k + SPAN - 1) / SPAN, part = even_depth(elements, PART);
  const ptrdiff_t registers = (all->n + LANES - 1) / LANES;
  // Where all rows are one block, a panel is needed but once: it is made when its time has come.
  const int is_short = all->m <= TALL;
  uint64_t *masks = (uint64_t *)all->scratch;
  float *panels = all->scratch + MASKS;
  float *rows = panels + panels_count(all);
  ptrdiff_t nonzeros = 0;
  for (ptrdiff_t block = 0; block < elements; block += DEEP / PART * part) {
    const ptrdiff_t end = MINIMUM(elements, block + DEEP / PART * part);
    for (ptrdiff_t m = 0; m < all->m; m += TALL) {
      const ptrdiff_t height = MINIMUM(TALL, all->m - m);
      float *panel = panels;
      for (ptrdiff_t k = block; k < end; k += part) {
        const ptrdiff_t depth = MINIMUM(part, end - k);
        const ptrdiff_t depth_of_k = MINIMUM(depth * SPAN, all->k - k * SPAN);
        ptrdiff_t a_row;
        const float *a = SET(rows_of_a)(all, m, height, k * SPAN, depth_of_k, rows, &a_row);
        nonzeros += SET(find_nonzeros)(a, a_row, height, depth, masks);
        const int is_last = k + depth == elements;
        for (ptrdiff_t first = 0, width; first < registers; first += width) {
          width = SET(panel_width)(registers, first);
          const ptrdiff_t columns = MINIMUM(all->n - first * LANES, width * LANES);
          // In front of a panel lies whether it is finite.
          float *b = panel + HEAD;
          if (m == 0) {
            SET(pack)(
                all, all->b + k * SPAN * all->b_row + first * LANES * all->b_column, depth_of_k, width,
                columns, b);
            *panel = SET(is_finite)(b, depth, width, columns);
          }
          struct lines next = {0};
          if (is_short && first + width < registers)
            next = SET(lines_of_b)(all, k, depth, first + width);
          else if (is_short && k + depth < elements)
            next = SET(lines_of_b)(all, k + depth, MINIMUM(part, elements - k - depth), 0);
          float *c = all->c + m * all->c_row + first * LANES;
          SET(sparse_rows)(
              width, height, masks, *panel ? 0 : ~(uint64_t)0 >> (64 - depth), a, a_row, b, c,
              all->c_row, all->bias && is_last ? all->bias + first * LANES : 0, columns, k > 0, next);
          if (is_last) SET(finish)(all, c, height, columns);
          if (!is_short) panel = b + depth * width * LANES;
        }
      }
    }
  }
  return nonzeros * SPAN * all->n;
}
#undef SPARSE_ROWS
