// A tile of the forward pass for one instruction set. The including file defines, besides a table
// of simd/, WINDOWS and BREADTH: the most windows, and registers of output channels, of a tile,
// whose sums fill the registers.

// Each element is one chain of fused multiply-adds in the order of the weight's elements; the bias
// is added last.
TARGET ND_INLINE void SET(compute_fixed_tile)(
    const int count, const int breadth, const struct job *job, const struct columns *columns,
    const struct window *windows, ptrdiff_t first) {
  vector sums[WINDOWS][PLACES][BREADTH];
  UNROLLED for (int i = 0; i < count; i++)
    UNROLLED for (int k = 0; k < PLACES; k++)
      UNROLLED for (int v = 0; v < breadth; v++) sums[i][k][v] = ZERO;
  const float *weights = columns->weights;
  for (ptrdiff_t d = 0; d < job->depth; d++, weights += columns->count) {
    vector w[BREADTH];
    UNROLLED for (int v = 0; v < breadth; v++) w[v] = LOAD(weights + v * LANES);
    UNROLLED for (int i = 0; i < count; i++) {
      const float *x = windows[i].x + job->offsets[d];
      UNROLLED for (int k = 0; k < PLACES; k++) {
        const vector element = BROADCAST(x[k / 2 * job->down + k % 2 * job->right]);
        UNROLLED for (int v = 0; v < breadth; v++)
          sums[i][k][v] = FMA(element, w[v], sums[i][k][v]);
      }
    }
  }
  const int32_t below = (int32_t)job->p->out_width;
  UNROLLED for (int v = 0; v < breadth; v++) {
    const ptrdiff_t rest = columns->count - v * LANES;
    vector bias = ZERO;
    if (columns->bias)
      bias = rest < LANES ? MASKED_LOAD(columns->bias + v * LANES, MASK(rest))
                          : LOAD(columns->bias + v * LANES);
    UNROLLED for (int i = 0; i < count; i++) {
      vector largest, place;
      UNROLLED for (int k = 0; k < PLACES; k++) {
        const vector sum = columns->bias ? ADD(sums[i][k][v], bias) : sums[i][k][v];
        const vector here = (vector)BROADCAST_INTEGER(windows[i].place + k / 2 * below + k % 2);
        if (k == 0) {
          largest = sum;
          place = here;
          continue;
        }
        const comparison wins = EXCEEDS(sum, largest);
        largest = CHOOSE(wins, sum, largest);
        place = CHOOSE(wins, here, place);
      }
      const ptrdiff_t to = (first + i) * job->p->out_channels + v * LANES;
      if (rest < LANES) {
        MASKED_STORE(columns->y + to, MASK(rest), largest);
        MASKED_STORE((float *)(columns->places + to), MASK(rest), place);
      } else {
        STORE(columns->y + to, largest);
        STORE((float *)(columns->places + to), place);
      }
    }
  }
}

#define TILE(count, breadth) \
  case 4 * (count) + (breadth): \
    return SET(compute_fixed_tile)(count, breadth, job, columns, windows, first);

TARGET static void SET(compute_tile)(
    const struct job *job, const struct columns *columns, const struct window *windows,
    ptrdiff_t first, ptrdiff_t count) {
  switch (4 * count + (columns->count + LANES - 1) / LANES) {
    TILE(1, 1) TILE(1, 2)
#if BREADTH > 2
    TILE(1, 3)
#endif
#if WINDOWS > 1
    TILE(2, 1) TILE(2, 2) TILE(3, 1) TILE(3, 2)
#endif
  }
}

#undef TILE
#undef WINDOWS
#undef BREADTH
#include "simd/undefine.h"
