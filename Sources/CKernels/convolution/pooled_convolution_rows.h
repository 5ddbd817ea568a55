// The loop of both gradients for one instruction set. The including file includes a table of simd/
// before it.

enum { SET(MAX_ROWS) = 3, SET(MAX_VECTORS) = 4 };

// Adds the products of all entries to `height` rows of `breadth` vectors, which stay in registers.
// Where `is_cut`, the last vector of a row has only `rest` floats.
TARGET ND_INLINE void SET(add_tile)(
    const int height, const int breadth, const int is_cut, ptrdiff_t rest, struct rows sums,
    const float *source, ptrdiff_t source_stride, const struct entry *entries, ptrdiff_t count) {
  vector tile[SET(MAX_ROWS)][SET(MAX_VECTORS)];
  const mask here = MASK(rest);
  UNROLLED for (int r = 0; r < height; r++) UNROLLED for (int v = 0; v < breadth; v++) {
    const float *from = sums.first + r * sums.stride + v * LANES;
    tile[r][v] = is_cut && v == breadth - 1 ? MASKED_LOAD(from, here) : LOAD(from);
  }
  for (ptrdiff_t e = 0; e < count; e++) {
    const vector factor = BROADCAST(entries[e].factor);
    const float *first = source + entries[e].offset;
    UNROLLED for (int r = 0; r < height; r++) UNROLLED for (int v = 0; v < breadth; v++) {
      const float *from = first + r * source_stride + v * LANES;
      const vector x = is_cut && v == breadth - 1 ? MASKED_LOAD(from, here) : LOAD(from);
      tile[r][v] = FMA(factor, x, tile[r][v]);
    }
  }
  UNROLLED for (int r = 0; r < height; r++) UNROLLED for (int v = 0; v < breadth; v++) {
    float *to = sums.first + r * sums.stride + v * LANES;
    if (is_cut && v == breadth - 1) MASKED_STORE(to, here, tile[r][v]);
    else STORE(to, tile[r][v]);
  }
}

#define TILE(height, breadth)                                                                     \
  case 4 * (height) + (breadth):                                                                  \
    if (rest == LANES)                                                                             \
      SET(add_tile)(height, breadth, 0, rest, to, from, source_stride, entries, count);           \
    else                                                                                          \
      SET(add_tile)(height, breadth, 1, rest, to, from, source_stride, entries, count);           \
    break;

TARGET static void SET(add_products)(
    struct rows sums, const float *source, ptrdiff_t source_stride, ptrdiff_t height,
    ptrdiff_t length, const struct entry *entries, ptrdiff_t count) {
  for (ptrdiff_t r = 0; r < height; r += SET(MAX_ROWS)) {
    const ptrdiff_t rows = MINIMUM(height - r, SET(MAX_ROWS));
    for (ptrdiff_t i = 0; i < length; i += SET(MAX_VECTORS) * LANES) {
      const ptrdiff_t vectors = MINIMUM((length - i + LANES - 1) / LANES, SET(MAX_VECTORS));
      const ptrdiff_t rest = MINIMUM(length - i - (vectors - 1) * LANES, LANES);
      const struct rows to = {sums.first + r * sums.stride + i, sums.stride};
      const float *from = source + r * source_stride + i;
      switch (4 * rows + vectors) {
        TILE(1, 1) TILE(1, 2) TILE(1, 3) TILE(1, 4)
        TILE(2, 1) TILE(2, 2) TILE(2, 3) TILE(2, 4)
        TILE(3, 1) TILE(3, 2) TILE(3, 3) TILE(3, 4)
      }
    }
  }
}

#undef TILE
#include "simd/undefine.h"
