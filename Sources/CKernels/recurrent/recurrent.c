#include "ckernels.h"
#include "simd/clones.h"
#include "simd/exponential.h"

// The steps of a recurrence are too small to call a kernel for each: here one function loops over
// all steps. Rows are padded with zeros to whole registers. Products are chains of fused
// multiply-adds in the order of the inner index, as in nd_matmul.

enum { WIDTH = 16, PAIR = 2 };
typedef float lanes __attribute__((vector_size(4 * WIDTH), aligned(4), may_alias));

static ptrdiff_t padded(ptrdiff_t count) { return (count + WIDTH - 1) / WIDTH * WIDTH; }

// The lanes of the smallest register that holds a state, or 0 if no register does.
static ptrdiff_t narrow_lanes(ptrdiff_t hidden) {
  return hidden <= 4 ? 4 : hidden <= 8 ? 8 : hidden <= WIDTH ? WIDTH : 0;
}

// Holds the matrix, two sets of rows and the bias; only the matrix where the state is narrow.
ptrdiff_t nd_recurrence_scratch_count(const struct nd_recurrence *r) {
  return padded(r->hidden) * (r->hidden + 2 * r->samples + 1);
}

// out[i][j] = sum over k of in[i][k] matrix[k][j] for `rows` rows and `width` registers of j.
ND_INLINE void block(
    const int rows, const int width, float *restrict out, const float *restrict in,
    const float *restrict matrix, ptrdiff_t depth, ptrdiff_t stride) {
  lanes sums[PAIR][PAIR] = {{{0}}};
  for (ptrdiff_t k = 0; k < depth; k++) {
    const lanes *row = (const lanes *)(matrix + k * stride);
    for (int i = 0; i < rows; i++) {
      const lanes element = in[i * stride + k] - (lanes){0};
      for (int j = 0; j < width; j++)
        sums[i][j] = __builtin_elementwise_fma(element, row[j], sums[i][j]);
    }
  }
  for (int i = 0; i < rows; i++)
    for (int j = 0; j < width; j++) ((lanes *)(out + i * stride))[j] = sums[i][j];
}

ND_INLINE void product(
    float *restrict out, const float *restrict in, const float *restrict matrix, ptrdiff_t rows,
    ptrdiff_t depth, ptrdiff_t stride) {
  for (ptrdiff_t i = 0; i < rows; i += PAIR, in += PAIR * stride, out += PAIR * stride)
    for (ptrdiff_t j = 0; j < stride; j += PAIR * WIDTH) {
      if (rows - i >= PAIR) {
        if (stride - j > WIDTH) block(2, 2, out + j, in, matrix + j, depth, stride);
        else block(2, 1, out + j, in, matrix + j, depth, stride);
      } else {
        if (stride - j > WIDTH) block(1, 2, out + j, in, matrix + j, depth, stride);
        else block(1, 1, out + j, in, matrix + j, depth, stride);
      }
    }
}

// The index of the state after step t, of T + 1. The state before the first step is at the
// end where time begins.
ND_INLINE ptrdiff_t state_index(const struct nd_recurrence *r, ptrdiff_t t) {
  return r->is_backward ? t : t + 1;
}

// Samples with a narrow state that are computed at the same time.
enum { SAMPLES_AT_ONCE = 4 };

// All functions are inlined, so the calling convention for vectors does not matter.
#pragma clang diagnostic ignored "-Wpsabi"

#define SET(name) name##_4
#define LANES 4
#include "recurrent/recurrent_narrow.h"
#define SET(name) name##_8
#define LANES 8
#include "recurrent/recurrent_narrow.h"
#define SET(name) name##_16
#define LANES 16
#include "recurrent/recurrent_narrow.h"

ND_KERNEL void nd_recurrence_forward(
    const struct nd_recurrence *r, float *restrict states, const float *restrict x,
    const float *restrict weight, const float *restrict bias, float *restrict scratch) {
  const ptrdiff_t hidden = r->hidden, stride = padded(hidden), row = r->samples * hidden;
  float *matrix = scratch, *offsets = matrix + hidden * stride;
  float *h = offsets + stride, *sums = h + r->samples * stride;
  memset(scratch, 0, (size_t)nd_recurrence_scratch_count(r) * sizeof *scratch);
  const ptrdiff_t lanes = narrow_lanes(hidden), column = lanes ? lanes : stride;
  for (ptrdiff_t j = 0; j < hidden; j++) {
    for (ptrdiff_t k = 0; k < hidden; k++) matrix[k * column + j] = weight[j * hidden + k];
    if (bias) offsets[j] = bias[j];
  }
  switch (lanes) {
  case 4: return forward_4(r, states, x, matrix, bias);
  case 8: return forward_8(r, states, x, matrix, bias);
  case 16: return forward_16(r, states, x, matrix, bias);
  }
  const float *start = states + (r->is_backward ? r->steps : 0) * row;
  for (ptrdiff_t i = 0; i < r->samples; i++)
    memcpy(h + i * stride, start + i * hidden, (size_t)hidden * sizeof *h);
  for (ptrdiff_t step = 0; step < r->steps; step++) {
    const ptrdiff_t t = r->is_backward ? r->steps - 1 - step : step;
    product(sums, h, matrix, r->samples, hidden, stride);
    for (ptrdiff_t i = 0; i < r->samples; i++) {
      const float *from = x + t * row + i * hidden;
      float *to = states + state_index(r, t) * row + i * hidden;
      for (ptrdiff_t j = 0; j < hidden; j += WIDTH) {
        float *sum = sums + i * stride + j, *state = h + i * stride + j;
        const ptrdiff_t count = hidden - j < WIDTH ? hidden - j : WIDTH;
        float input[WIDTH] = {0};
        for (ptrdiff_t l = 0; l < count; l++) input[l] = from[j + l];
        if (bias)
          for (int l = 0; l < WIDTH; l++) sum[l] += offsets[j + l];
        if (r->is_relu) {
          for (int l = 0; l < WIDTH; l++) {
            const float z = input[l] + sum[l];
            state[l] = z <= 0 ? 0 : z;
          }
        } else {
          for (int l = 0; l < WIDTH; l++) state[l] = tanh_of(input[l] + sum[l]);
        }
        for (ptrdiff_t l = 0; l < count; l++) to[j + l] = state[l];
      }
    }
  }
}

ND_KERNEL void nd_recurrence_backward(
    const struct nd_recurrence *r, float *restrict dx, float *restrict dstart,
    const float *restrict dy, const float *restrict states, const float *restrict weight,
    float *restrict scratch) {
  const ptrdiff_t hidden = r->hidden, stride = padded(hidden), row = r->samples * hidden;
  float *matrix = scratch, *dz_rows = matrix + (hidden + 1) * stride;
  float *dh = dz_rows + r->samples * stride;
  memset(scratch, 0, (size_t)nd_recurrence_scratch_count(r) * sizeof *scratch);
  const ptrdiff_t lanes = narrow_lanes(hidden), column = lanes ? lanes : stride;
  for (ptrdiff_t j = 0; j < hidden; j++)
    memcpy(matrix + j * column, weight + j * hidden, (size_t)hidden * sizeof *matrix);
  switch (lanes) {
  case 4: return backward_4(r, dx, dstart, dy, states, matrix);
  case 8: return backward_8(r, dx, dstart, dy, states, matrix);
  case 16: return backward_16(r, dx, dstart, dy, states, matrix);
  }
  for (ptrdiff_t step = 0; step < r->steps; step++) {
    const ptrdiff_t t = r->is_backward ? step : r->steps - 1 - step;
    for (ptrdiff_t i = 0; i < r->samples; i++) {
      const ptrdiff_t place = t * row + i * hidden;
      const float *y = states + state_index(r, t) * row + i * hidden;
      for (ptrdiff_t j = 0; j < hidden; j += WIDTH) {
        float *dz = dz_rows + i * stride + j;
        const float *dh_row = dh + i * stride + j;
        const ptrdiff_t count = hidden - j < WIDTH ? hidden - j : WIDTH;
        float d[WIDTH] = {0}, h[WIDTH] = {0};
        for (ptrdiff_t l = 0; l < count; l++) {
          d[l] = dy[place + j + l];
          h[l] = y[j + l];
        }
        if (step > 0)
          for (int l = 0; l < WIDTH; l++) d[l] += dh_row[l];
        if (r->is_relu) {
          for (int l = 0; l < WIDTH; l++) dz[l] = h[l] <= 0 ? 0 : d[l];
        } else {
          for (int l = 0; l < WIDTH; l++) dz[l] = d[l] * (1 - h[l] * h[l]);
        }
        for (ptrdiff_t l = 0; l < count; l++) dx[place + j + l] = dz[l];
      }
    }
    product(dh, dz_rows, matrix, r->samples, hidden, stride);
  }
  for (ptrdiff_t i = 0; i < r->samples; i++)
    memcpy(dstart + i * hidden, dh + i * stride, (size_t)hidden * sizeof *dstart);
}
