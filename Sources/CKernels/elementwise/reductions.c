#include "ckernels.h"
#include "simd/clones.h"
#include "simd/lanes.h"
#include <string.h>

// The sums stay in registers. Each column is one chain of additions.
#define COLUMNS(width)                                                                            \
  for (; columns - c >= width; c += width) {                                                      \
    float own[width] = {0};                                                                       \
    for (ptrdiff_t r = 0; r < rows; r++)                                                          \
      for (int i = 0; i < width; i++) own[i] += x[r * columns + c + i];                           \
    memcpy(sums + c, own, sizeof own);                                                            \
  }

ND_KERNEL void nd_column_sums(
    float *restrict sums, const float *restrict x, ptrdiff_t rows, ptrdiff_t columns) {
  ptrdiff_t c = 0;
  COLUMNS(64)
  COLUMNS(16)
  COLUMNS(8)
  COLUMNS(4)
  COLUMNS(3)
  COLUMNS(2)
  COLUMNS(1)
}

ND_KERNEL void nd_column_sums_in_double(
    float *restrict sums, const float *restrict x, ptrdiff_t rows, ptrdiff_t columns) {
  enum { BLOCK = 16 };
  ptrdiff_t c = 0;
  for (; c + BLOCK <= columns; c += BLOCK) {
    double block[BLOCK] = {0};
    for (ptrdiff_t r = 0; r < rows; r++)
      for (int l = 0; l < BLOCK; l++) block[l] += x[r * columns + c + l];
    for (int l = 0; l < BLOCK; l++) sums[c + l] = (float)block[l];
  }
  for (; c < columns; c++) {
    double sum = 0;
    for (ptrdiff_t r = 0; r < rows; r++) sum += x[r * columns + c];
    sums[c] = (float)sum;
  }
}

ND_KERNEL double nd_sum(const float *x, ptrdiff_t n) {
  double lanes[SUM_LANES] = {0};
  add_to_lanes(lanes, x, n);
  return sum_of_lanes(lanes);
}

ND_KERNEL double nd_sum_of_squares(const float *x, ptrdiff_t n) {
  double lanes[SUM_LANES] = {0};
  ptrdiff_t i = 0;
  for (; i + SUM_LANES <= n; i += SUM_LANES)
    for (int l = 0; l < SUM_LANES; l++) lanes[l] += (double)x[i + l] * x[i + l];
  for (int l = 0; i < n; i++, l++) lanes[l] += (double)x[i] * x[i];
  return sum_of_lanes(lanes);
}

ND_KERNEL int nd_all_finite(const float *x, ptrdiff_t n) {
  // The exponent of infinities and NaNs is all ones: adding 1 to it carries into the sign bit.
  // There is no branch and no comparison, so that only memory limits the speed.
  uint32_t carries = 0;
  for (ptrdiff_t i = 0; i < n; i++) {
    uint32_t bits;
    memcpy(&bits, &x[i], sizeof bits);
    carries |= (bits & 0x7fffffffu) + 0x00800000u;
  }
  return !(carries >> 31);
}

ND_INLINE uint64_t mixed(uint64_t h, uint64_t word) {
  h ^= word;
  h = (h << 29 | h >> 35) * 0x9e3779b97f4a7c15u;  // an odd factor makes the step invertible
  return h ^ h >> 32;  // spreads changes of high bits, which another change could else cancel
}

enum { HASH_BLOCK = sizeof((nd_hash_state){0}.rest) };

// Adds whole blocks to the hash. 4 chains hide the latency of the multiplication.
static void hash_blocks(uint64_t *chains, const unsigned char *p, ptrdiff_t n) {
  uint64_t h[4];
  memcpy(h, chains, sizeof h);
  for (ptrdiff_t i = 0; i < n; i += HASH_BLOCK)
    for (int l = 0; l < 4; l++) {
      uint64_t word;
      memcpy(&word, p + i + 8 * l, 8);
      h[l] = mixed(h[l], word);
    }
  memcpy(chains, h, sizeof h);
}

void nd_hash_begin(nd_hash_state *state) {
  *state = (nd_hash_state){.chains = {1, 2, 3, 4}};
}

void nd_hash_update(nd_hash_state *state, const void *bytes, ptrdiff_t n) {
  const unsigned char *p = bytes;
  ptrdiff_t held = (ptrdiff_t)(state->count % HASH_BLOCK);
  state->count += (uint64_t)n;
  if (held > 0) {
    ptrdiff_t taken = n < HASH_BLOCK - held ? n : HASH_BLOCK - held;
    memcpy(state->rest + held, p, (size_t)taken);
    if (held + taken < HASH_BLOCK) return;
    hash_blocks(state->chains, state->rest, HASH_BLOCK);
    p += taken;
    n -= taken;
  }
  ptrdiff_t whole = n / HASH_BLOCK * HASH_BLOCK;
  hash_blocks(state->chains, p, whole);
  if (n > whole) memcpy(state->rest, p + whole, (size_t)(n - whole));
}

uint64_t nd_hash_end(const nd_hash_state *state) {
  uint64_t h[4];
  memcpy(h, state->chains, sizeof h);
  ptrdiff_t held = (ptrdiff_t)(state->count % HASH_BLOCK);
  for (ptrdiff_t i = 0; i < held; i += 8) {
    uint64_t word = 0;
    memcpy(&word, state->rest + i, held - i < 8 ? (size_t)(held - i) : 8);
    h[0] = mixed(h[0], word);
  }
  return mixed(mixed(mixed(mixed(state->count, h[0]), h[1]), h[2]), h[3]);
}

uint64_t nd_hash(const void *bytes, ptrdiff_t n) {
  nd_hash_state state;
  nd_hash_begin(&state);
  nd_hash_update(&state, bytes, n);
  return nd_hash_end(&state);
}
