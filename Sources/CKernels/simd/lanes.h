#pragma once
#include "simd/clones.h"
#include <stddef.h>

// 8 running sums, as wide as AVX-512 holds doubles: the order of the additions is written here, so
// that no compiler or instruction set chooses it.
enum { LANES = 8 };

ND_INLINE double folded(const double *lanes) {
  return ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6]))
         + ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]));
}

// lanes[l] += x[i] where i mod LANES is l.
ND_INLINE void add_to_lanes(double *lanes, const float *x, ptrdiff_t n) {
  ptrdiff_t i = 0;
  for (; i + LANES <= n; i += LANES)
    for (int l = 0; l < LANES; l++) lanes[l] += x[i + l];
  for (int l = 0; i < n; i++, l++) lanes[l] += x[i];
}
