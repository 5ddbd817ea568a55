// The product of an a with many zeros, for one instruction set: products of elements of a that are
// 0 are skipped. matmul_tiles.h includes it for float32, and for bfloat16, where an element is a
// pair of SPAN = 2 of k. Besides a table of simd/ it needs
//   PART            elements of a row of a that one mask covers, at most 64
//   BREADTH         registers of a row of c, 8 or 16
//   SET(rows_of_a)  a block of a with contiguous rows
//   SET(elements)   a register of elements of a, in a's own layout
//   SET(pack)       copies a panel of b
//
// Half of the pixels of images are often zeros, and so are half of the outputs and gradients of
// ReLU. For each row of a, a kernel adds those rows of a panel of b whose element of a is not 0 to
// BREADTH registers of c. It reads the panel again for each row of a, so a panel fits into the
// first-level cache.
//
// Skipping products of 0 changes a sum only in two cases. The sign of a sum that is 0 may change,
// but no product here keeps that sign. And 0 times infinity or NaN is NaN, so nothing is skipped
// where the panel of b has elements that are not finite.

// Sets a row of c, `width` registers, to the sum over the bits k of `left` of a[k] times row k of
// the panel; adds to it where `adds`.
TARGET ND_INLINE void SET(sparse_row)(
    const int width, uint64_t left, const float *restrict a, const float *restrict panel,
    float *restrict c, ptrdiff_t c_row, const float *restrict bias, mask last, int adds) {
  vector sums[BREADTH];
  UNROLLED for (int j = 0; j < width; j++) {
    const float *place = c + j * LANES;
    sums[j] = !adds ? ZERO : j == width - 1 ? MASKED_LOAD(place, last) : LOAD(place);
    // Prefetches the next row of c: the processor predicts the end of the loop over `left` badly.
    __builtin_prefetch(place + c_row, 1);
  }
  for (; left; left &= left - 1) {
    const int k = __builtin_ctzll(left);
    const vector element = BROADCAST(a[k]);
    UNROLLED for (int j = 0; j < width; j++)
      sums[j] = FMA(element, LOAD(panel + (k * width + j) * LANES), sums[j]);
  }
  SET(store)(width, sums, c, bias, last);
}

#define SPARSE_ROWS(width)                                                                         \
  case width:                                                                                      \
    for (ptrdiff_t r = 0; r < rows; r++) {                                                         \
      prefetch_lines(&next, due);                                                                  \
      SET(sparse_row)(                                                                             \
          width, masks[r] | always, a + r * a_row, panel, c + r * c_row, c_row, bias, last, adds); \
    }                                                                                              \
    break;

// always: bits of the elements of a that are not skipped even if they are 0.
// next: memory that is prefetched meanwhile.
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

// Sets masks[r] to one bit for each of the row's `depth` elements, at most PART: 1 where it is not
// 0. Returns the number of elements that are not 0.
TARGET static ptrdiff_t SET(find_nonzeros)(
    const float *a, ptrdiff_t a_row, ptrdiff_t rows, ptrdiff_t depth, uint64_t *masks) {
  ptrdiff_t count = 0;
  const ptrdiff_t whole = (depth - 1) / LANES * LANES;
  const mask last = MASK(depth - whole);
  for (ptrdiff_t r = 0; r < rows; r++, a += a_row) {
    masks[r] = (uint64_t)NONZERO(MASKED_LOAD(a + whole, last)) << whole;
    for (ptrdiff_t k = 0; k < whole; k += LANES)
      masks[r] |= (uint64_t)NONZERO(LOAD(a + k)) << k;
    // Hardware prefetchers do not recognize these strides.
    for (ptrdiff_t k = 0; k < depth; k += 16) __builtin_prefetch(a + 16 * a_row + k);
    count += __builtin_popcountll(masks[r]);
  }
  return count;
}

// Whether all elements of the panel are finite.
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

// The width, in registers, of the panel that starts at register `first`. All panels are about
// equally wide.
static ptrdiff_t SET(panel_width)(ptrdiff_t registers, ptrdiff_t first) {
  const ptrdiff_t rest = registers - first, panels = (rest + BREADTH - 1) / BREADTH;
  return rest / panels;
}

// Whether this takes less time than tiles do, estimated from a sample of a's elements. The unit of
// time is the products of one register. The factors were measured on a Zen 5, whose products are
// fast; on processors with slower products the other terms matter less.
TARGET static int SET(is_sparse)(const struct nd_product *p) {
  if (!may_be_sparse(p)) return 0;
  const ptrdiff_t depth = p->k / SPAN, registers = (p->n + LANES - 1) / LANES;
  const int lies_in_rows = p->a_column == 1;
  const ptrdiff_t lines = lies_in_rows ? p->m : depth, length = lies_in_rows ? depth : p->m;
  ptrdiff_t nonzeros = 0, seen = 0;
  for (ptrdiff_t line = 0; line < lines; line += (lines + SAMPLE_LINES - 1) / SAMPLE_LINES) {
    const float *a = p->a + line * (lies_in_rows ? p->a_row : SPAN * p->a_column);
    for (ptrdiff_t i = 0; i + LANES <= length; i += LANES, seen += LANES)
      nonzeros += __builtin_popcount(NONZERO(SET(elements)(p, a + i * (lies_in_rows ? SPAN : 1))));
  }
  const ptrdiff_t panels = (depth + PART - 1) / PART * ((registers + BREADTH - 1) / BREADTH);
  const double products = (double)(p->m * depth * registers);
  const double added = 1.2 * products * (double)nonzeros / (double)(seen > 0 ? seen : 1);
  const ptrdiff_t rows = 40 * panels * p->m, masks = 10 * p->m * depth / LANES;
  const ptrdiff_t packed = (p->b_column == 1 ? 6 : 13) * registers * depth;
  // Tiles that are one register wide wait for the elements of their rows.
  const double dense = computes_transpose(p) && p->m <= MAX_LANES ? 1.75 * products : products;
  return seen > 0 && added + (double)(rows + masks + packed) < dense;
}

// The lines of b in the panel of `depth` elements of k that starts at register `first`.
TARGET ND_INLINE struct lines SET(lines_of_b)(
    const struct nd_product *p, ptrdiff_t k, ptrdiff_t depth, ptrdiff_t first) {
  const ptrdiff_t columns = MINIMUM(p->n - first * LANES, BREADTH * LANES);
  const ptrdiff_t rows = MINIMUM(p->k - k * SPAN, depth * SPAN);
  const float *b = p->b + k * SPAN * p->b_row + first * LANES * p->b_column;
  return p->b_column == 1 ? (struct lines){b, p->b_row, rows, columns}
                          : (struct lines){b, p->b_column, columns, rows};
}

// Returns the number of products computed.
TARGET static ptrdiff_t SET(multiply_sparse)(const struct nd_product *all) {
  const ptrdiff_t elements = (all->k + SPAN - 1) / SPAN, part = even_depth(elements, PART);
  const ptrdiff_t registers = (all->n + LANES - 1) / LANES;
  // If all rows of a are one block, each panel is needed only once, and they share one buffer.
  const int is_short = all->m <= SPARSE_HEIGHT;
  uint64_t *masks = (uint64_t *)all->scratch;
  float *panels = all->scratch + MASK_FLOATS;
  float *rows = panels + panels_count(all);
  ptrdiff_t nonzeros = 0;
  for (ptrdiff_t block = 0; block < elements; block += SPARSE_DEPTH / PART * part) {
    const ptrdiff_t end = MINIMUM(elements, block + SPARSE_DEPTH / PART * part);
    for (ptrdiff_t m = 0; m < all->m; m += SPARSE_HEIGHT) {
      const ptrdiff_t height = MINIMUM(SPARSE_HEIGHT, all->m - m);
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
          // The float in front of a panel tells whether the panel is finite.
          float *b = panel + PANEL_HEADER;
          if (m == 0) {
            SET(pack)(
                all, all->b + k * SPAN * all->b_row + first * LANES * all->b_column, depth_of_k,
                width, columns, b);
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
              all->c_row, all->bias && is_last ? all->bias + first * LANES : 0, columns, k > 0,
              next);
          if (is_last) SET(apply_relu)(all, c, height, columns);
          if (!is_short) panel = b + depth * width * LANES;
        }
      }
    }
  }
  return nonzeros * SPAN * all->n;
}
#undef SPARSE_ROWS
