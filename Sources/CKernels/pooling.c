#include "ckernels.h"
#include "clones.h"

// The larger of two, the first of equals; a NaN wins and stays.
#define TAKE(candidate, where)                                  \
  do {                                                          \
    const float value = (candidate);                            \
    const int wins = value > largest || value != value;         \
    largest = wins ? value : largest;                           \
    place = wins ? (where) : place;                             \
  } while (0)

ND_KERNEL void nd_max_pool_2x2(
    float *restrict y, int32_t *restrict places, const float *restrict x, ptrdiff_t planes,
    ptrdiff_t height, ptrdiff_t width) {
  const ptrdiff_t rows = height / 2, columns = width / 2;
  for (ptrdiff_t p = 0; p < planes; p++)
    for (ptrdiff_t r = 0; r < rows; r++) {
      const float *upper = x + p * height * width + 2 * r * width;
      const float *lower = upper + width;
      float *to = y + (p * rows + r) * columns;
      int32_t *at = places + (p * rows + r) * columns;
      const int32_t start = (int32_t)(2 * r * width);
      for (ptrdiff_t c = 0; c < columns; c++) {
        int32_t place = start + (int32_t)(2 * c);
        float largest = -__builtin_inff();
        TAKE(upper[2 * c], start + (int32_t)(2 * c));
        TAKE(upper[2 * c + 1], start + (int32_t)(2 * c + 1));
        TAKE(lower[2 * c], start + (int32_t)(width + 2 * c));
        TAKE(lower[2 * c + 1], start + (int32_t)(width + 2 * c + 1));
        to[c] = largest;
        at[c] = place;
      }
    }
}
