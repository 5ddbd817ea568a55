#pragma once
#include "simd/clones.h"
#include <stddef.h>

// A sum in double is kept as 8 partial sums, one for each double in a register of AVX-512. The
// order of the additions is fixed here, so it does not depend on the compiler or the instruction
// set.
enum { SUM_LANES = 8 };

// The sum of the partial sums.
ND_INLINE double sum_of_lanes(const double *lanes) {
  return ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6]))
         + ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]));
}

// lanes[l] += x[i] where i mod SUM_LANES is l.
ND_INLINE void add_to_lanes(double *lanes, const float *x, ptrdiff_t n) {
  ptrdiff_t i = 0;
  for (; i + SUM_LANES <= n; i += SUM_LANES)
    for (int l = 0; l < SUM_LANES; l++) lanes[l] += x[i + l];
  for (int l = 0; i < n; i++, l++) lanes[l] += x[i];
}
