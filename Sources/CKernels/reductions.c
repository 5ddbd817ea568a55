#include "ckernels.h"
#include "clones.h"
#include "lanes.h"
#include <string.h>

ND_KERNEL void nd_column_sums(
    float *restrict sums, const float *restrict x, ptrdiff_t rows, ptrdiff_t columns) {
  memset(sums, 0, (size_t)columns * sizeof *sums);
  for (ptrdiff_t r = 0; r < rows; r++)
    for (ptrdiff_t c = 0; c < columns; c++) sums[c] += x[r * columns + c];
}

ND_KERNEL double nd_sum(const float *x, ptrdiff_t n) {
  double lanes[LANES] = {0};
  ptrdiff_t i = 0;
  for (; i + LANES <= n; i += LANES)
    for (int l = 0; l < LANES; l++) lanes[l] += x[i + l];
  for (int l = 0; i < n; i++, l++) lanes[l] += x[i];
  return folded(lanes);
}

ND_KERNEL double nd_sum_of_squares(const float *x, ptrdiff_t n) {
  double lanes[LANES] = {0};
  ptrdiff_t i = 0;
  for (; i + LANES <= n; i += LANES)
    for (int l = 0; l < LANES; l++) lanes[l] += (double)x[i + l] * x[i + l];
  for (int l = 0; i < n; i++, l++) lanes[l] += (double)x[i] * x[i];
  return folded(lanes);
}

ND_KERNEL int nd_all_finite(const float *x, ptrdiff_t n) {
  uint32_t bad = 0;
  for (ptrdiff_t i = 0; i < n; i++) {
    uint32_t bits;
    memcpy(&bits, &x[i], sizeof bits);
    bad |= (bits & 0x7f800000u) == 0x7f800000u;
  }
  return !bad;
}

ND_INLINE uint64_t stirred(uint64_t h, uint64_t word) {
  h ^= word;
  h = (h << 29 | h >> 35) * 0x9e3779b97f4a7c15u;  // odd, so that the step can be undone
  return h ^ h >> 32;  // or changes of a top bit would stay there, for another to cancel
}

uint64_t nd_hash(const void *bytes, ptrdiff_t n) {
  const unsigned char *p = bytes;
  uint64_t h[4] = {1, 2, 3, 4};  // 4 chains hide the latency of the multiplication
  ptrdiff_t i = 0;
  for (; i + 32 <= n; i += 32)
    for (int l = 0; l < 4; l++) {
      uint64_t word;
      memcpy(&word, p + i + 8 * l, 8);
      h[l] = stirred(h[l], word);
    }
  for (; i < n; i += 8) {
    uint64_t word = 0;
    memcpy(&word, p + i, n - i < 8 ? (size_t)(n - i) : 8);
    h[0] = stirred(h[0], word);
  }
  return stirred(stirred(stirred(stirred((uint64_t)n, h[0]), h[1]), h[2]), h[3]);
}
