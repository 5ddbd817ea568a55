#include "ckernels.h"
#include "simd/clones.h"
#include <string.h>

enum { BLOCK = 16 };

// Takes the larger of two elements, the first of equal ones. NaN is the largest and stays.
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

// Pools `count` channels of one window. A constant count of 16 compiles to one or two registers.
ND_INLINE void pool_channels(
    float *restrict y, int32_t *restrict places, const float *restrict upper,
    const float *restrict lower, ptrdiff_t channels, int32_t start, int32_t width,
    ptrdiff_t count) {
  for (ptrdiff_t k = 0; k < count; k++) {
    int32_t place = start;
    float largest = -__builtin_inff();
    TAKE(upper[k], start);
    TAKE(upper[channels + k], start + 1);
    TAKE(lower[k], start + width);
    TAKE(lower[channels + k], start + width + 1);
    y[k] = largest;
    places[k] = place;
  }
}

ND_KERNEL void nd_max_pool_2x2_channels_last(
    float *restrict y, int32_t *restrict places, const float *restrict x, ptrdiff_t images,
    ptrdiff_t height, ptrdiff_t width, ptrdiff_t channels) {
  const ptrdiff_t rows = height / 2, columns = width / 2;
  for (ptrdiff_t i = 0; i < images; i++)
    for (ptrdiff_t r = 0; r < rows; r++)
      for (ptrdiff_t c = 0; c < columns; c++) {
        const int32_t start = (int32_t)(2 * r * width + 2 * c), below = (int32_t)width;
        const float *upper = x + (i * height * width + start) * channels;
        const float *lower = upper + width * channels;
        float *to = y + ((i * rows + r) * columns + c) * channels;
        int32_t *at = places + ((i * rows + r) * columns + c) * channels;
        ptrdiff_t k = 0;
        for (; k + BLOCK <= channels; k += BLOCK)
          pool_channels(to + k, at + k, upper + k, lower + k, channels, start, below, BLOCK);
        pool_channels(to + k, at + k, upper + k, lower + k, channels, start, below, channels - k);
      }
}

// Sets dx at one of a window's four places: `place` of the plane.
ND_INLINE void scatter_channels(
    float *restrict dx, const float *restrict dy, const int32_t *restrict places, int32_t place,
    ptrdiff_t channels) {
  ptrdiff_t k = 0;
  // dy is always read: this avoids a branch.
  for (; k + BLOCK <= channels; k += BLOCK)
    for (int l = 0; l < BLOCK; l++) {
      const float value = dy[k + l];
      dx[k + l] = places[k + l] == place ? value : 0;
    }
  for (; k < channels; k++) dx[k] = places[k] == place ? dy[k] : 0;
}

ND_KERNEL void nd_max_pool_2x2_channels_last_backward(
    float *restrict dx, const float *restrict dy, const int32_t *restrict places, ptrdiff_t images,
    ptrdiff_t height, ptrdiff_t width, ptrdiff_t channels) {
  const ptrdiff_t rows = height / 2, columns = width / 2;
  for (ptrdiff_t i = 0; i < images; i++) {
    float *to = dx + i * height * width * channels;
    for (ptrdiff_t h = 0; h < 2 * rows; h++) {
      const ptrdiff_t row = (i * rows + h / 2) * columns;
      for (ptrdiff_t c = 0; c < columns; c++) {
        const int32_t place = (int32_t)(h * width + 2 * c);
        const float *from = dy + (row + c) * channels;
        const int32_t *at = places + (row + c) * channels;
        scatter_channels(to, from, at, place, channels);
        scatter_channels(to + channels, from, at, place + 1, channels);
        to += 2 * channels;
      }
      // An odd last column or row has no window.
      const ptrdiff_t rest = (width - 2 * columns) * channels;
      memset(to, 0, (size_t)rest * sizeof *to);
      to += rest;
    }
    memset(to, 0, (size_t)((height - 2 * rows) * width * channels) * sizeof *to);
  }
}
