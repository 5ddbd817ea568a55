#include "ckernels.h"
#include "simd/clones.h"
#include "simd/exponential.h"
#include <math.h>

ND_KERNEL double nd_softmax_cross_entropy(
    float *restrict p, const float *restrict logits, const int64_t *restrict targets,
    ptrdiff_t rows, ptrdiff_t classes) {
  double total = 0;
  for (ptrdiff_t r = 0; r < rows; r++) {
    const float *x = logits + r * classes;
    float *q = p + r * classes;
    float largest = x[0];
    for (ptrdiff_t c = 1; c < classes; c++) largest = x[c] > largest ? x[c] : largest;
    for (ptrdiff_t c = 0; c < classes; c++) q[c] = exponential(x[c] - largest);
    double sum = 0;
    for (ptrdiff_t c = 0; c < classes; c++) sum += q[c];
    float scale = (float)(1 / sum);
    for (ptrdiff_t c = 0; c < classes; c++) q[c] *= scale;
    total += log(sum) - ((double)x[targets[r]] - largest);
  }
  return total;
}

ND_KERNEL void nd_softmax_cross_entropy_backward(
    float *dx, const float *p, const int64_t *restrict targets, ptrdiff_t rows, ptrdiff_t classes,
    float scale) {
  // Computed in blocks of rows: a row of few classes does not fill a register. The targets'
  // probabilities are read first, as dx may be p.
  enum { BLOCK = 16 };
  float own[BLOCK];
  for (ptrdiff_t first = 0; first < rows;
       first += BLOCK, p += BLOCK * classes, dx += BLOCK * classes) {
    const ptrdiff_t count = rows - first < BLOCK ? rows - first : BLOCK;
    for (ptrdiff_t r = 0; r < count; r++) own[r] = p[r * classes + targets[first + r]];
    // As in nd_add.
#pragma clang loop vectorize(assume_safety)
    for (ptrdiff_t i = 0; i < count * classes; i++) dx[i] = p[i] * scale;
    for (ptrdiff_t r = 0; r < count; r++)
      dx[r * classes + targets[first + r]] = (own[r] - 1) * scale;
  }
}
