#pragma once
#include "clones.h"

// 8 running sums, as wide as AVX-512 holds doubles: the order of the additions is written here, so
// that no compiler or instruction set chooses it.
enum { LANES = 8 };

ND_INLINE double folded(const double *lanes) {
  return ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6]))
         + ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]));
}
