#include "ckernels.h"
#include "simd/clones.h"
#include "simd/lanes.h"

// x is [outer, channels, inner], contiguous.

ND_KERNEL void nd_channel_moments(
    double *restrict means, double *restrict variances, const float *restrict x, ptrdiff_t outer,
    ptrdiff_t channels, ptrdiff_t inner) {
  const double n = (double)(outer * inner);
  for (ptrdiff_t c = 0; c < channels; c++) {
    double lanes[SUM_LANES] = {0};
    for (ptrdiff_t o = 0; o < outer; o++) {
      const float *run = x + (o * channels + c) * inner;
      ptrdiff_t i = 0;
      for (; i + SUM_LANES <= inner; i += SUM_LANES)
        for (int l = 0; l < SUM_LANES; l++) lanes[l] += run[i + l];
      for (int l = 0; i < inner; i++, l++) lanes[l] += run[i];
    }
    const double mean = sum_of_lanes(lanes) / n;
    double squares[SUM_LANES] = {0};
    for (ptrdiff_t o = 0; o < outer; o++) {
      const float *run = x + (o * channels + c) * inner;
      ptrdiff_t i = 0;
      for (; i + SUM_LANES <= inner; i += SUM_LANES)
        for (int l = 0; l < SUM_LANES; l++) {
          const double distance = run[i + l] - mean;
          squares[l] += distance * distance;
        }
      for (int l = 0; i < inner; i++, l++) {
        const double distance = run[i] - mean;
        squares[l] += distance * distance;
      }
    }
    means[c] = mean;
    variances[c] = sum_of_lanes(squares) / n;
  }
}

ND_KERNEL void nd_channel_deviations(
    double *restrict sums, double *restrict squares, const float *restrict x,
    const double *restrict means, ptrdiff_t outer, ptrdiff_t channels, ptrdiff_t inner) {
  for (ptrdiff_t c = 0; c < channels; c++) {
    const double mean = means[c];
    double sum[SUM_LANES] = {0}, square[SUM_LANES] = {0};
    for (ptrdiff_t o = 0; o < outer; o++) {
      const float *run = x + (o * channels + c) * inner;
      ptrdiff_t i = 0;
      for (; i + SUM_LANES <= inner; i += SUM_LANES)
        for (int l = 0; l < SUM_LANES; l++) {
          const double distance = run[i + l] - mean;
          sum[l] += distance;
          square[l] += distance * distance;
        }
      for (int l = 0; i < inner; i++, l++) {
        const double distance = run[i] - mean;
        sum[l] += distance;
        square[l] += distance * distance;
      }
    }
    sums[c] = sum_of_lanes(sum);
    squares[c] = sum_of_lanes(square);
  }
}

ND_KERNEL void nd_channel_affine(
    float *restrict y, const float *restrict x, const float *restrict means,
    const float *restrict scales, const float *restrict shifts, ptrdiff_t outer,
    ptrdiff_t channels, ptrdiff_t inner) {
  for (ptrdiff_t o = 0; o < outer; o++)
    for (ptrdiff_t c = 0; c < channels; c++) {
      const ptrdiff_t first = (o * channels + c) * inner;
      const float mean = means[c], scale = scales[c], shift = shifts[c];
      for (ptrdiff_t i = first; i < first + inner; i++) y[i] = (x[i] - mean) * scale + shift;
    }
}

ND_KERNEL void nd_channel_gradient_sums(
    double *restrict sums, double *restrict products, const float *restrict dy,
    const float *restrict x, const float *restrict means, const float *restrict scales,
    ptrdiff_t outer, ptrdiff_t channels, ptrdiff_t inner) {
  for (ptrdiff_t c = 0; c < channels; c++) {
    const float mean = means[c], scale = scales[c];
    double sum[SUM_LANES] = {0}, product[SUM_LANES] = {0};
    for (ptrdiff_t o = 0; o < outer; o++) {
      const ptrdiff_t first = (o * channels + c) * inner;
      const float *g = dy + first, *run = x + first;
      ptrdiff_t i = 0;
      for (; i + SUM_LANES <= inner; i += SUM_LANES)
        for (int l = 0; l < SUM_LANES; l++) {
          sum[l] += g[i + l];
          product[l] += (double)g[i + l] * ((run[i + l] - mean) * scale);
        }
      for (int l = 0; i < inner; i++, l++) {
        sum[l] += g[i];
        product[l] += (double)g[i] * ((run[i] - mean) * scale);
      }
    }
    sums[c] = sum_of_lanes(sum);
    products[c] = sum_of_lanes(product);
  }
}

ND_KERNEL void nd_channel_gradient(
    float *restrict dx, const float *restrict dy, const float *restrict x,
    const float *restrict means, const float *restrict scales, const float *restrict weights,
    const float *restrict offsets, const float *restrict slopes, ptrdiff_t outer,
    ptrdiff_t channels, ptrdiff_t inner) {
  for (ptrdiff_t o = 0; o < outer; o++)
    for (ptrdiff_t c = 0; c < channels; c++) {
      const ptrdiff_t first = (o * channels + c) * inner;
      const float mean = means[c], scale = scales[c], factor = scales[c] * weights[c];
      const float offset = offsets[c], slope = slopes[c];
      for (ptrdiff_t i = first; i < first + inner; i++)
        dx[i] = (dy[i] - offset - (x[i] - mean) * scale * slope) * factor;
    }
}
