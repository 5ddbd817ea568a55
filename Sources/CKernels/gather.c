#include "ckernels.h"
#include "clones.h"

enum { cacheLine = 64, rowsAhead = 2 };

ND_KERNEL void nd_gather_u8(
    float *restrict dst, const uint8_t *restrict src, const int32_t *restrict rows,
    ptrdiff_t rowCount, ptrdiff_t rowLength, int unit) {
  const float divisor = unit ? 255.0f : 1.0f;
  for (ptrdiff_t r = 0; r < rowCount; r++) {
    const uint8_t *from = src + (ptrdiff_t)rows[r] * rowLength;
    float *to = dst + r * rowLength;
    // Shuffled rows are out of cache and no hardware prefetcher guesses them: 64 rows of 784 took
    // 14-18 us without this, 11 with it.
    ptrdiff_t next = r + rowsAhead < rowCount ? r + rowsAhead : r;
    const uint8_t *later = src + (ptrdiff_t)rows[next] * rowLength;
    for (ptrdiff_t i = 0; i < rowLength; i += cacheLine) __builtin_prefetch(later + i);
    for (ptrdiff_t i = 0; i < rowLength; i++) to[i] = (float)from[i] / divisor;
  }
}
