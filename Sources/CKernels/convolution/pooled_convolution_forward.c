#include "convolution/pooled_convolution.h"

// The forward pass. It sums the four elements of each window in registers, for several windows and
// output channels at a time, and writes only the largest element.

enum {
  MAX_LANES = 16, MAX_WINDOWS = 3,
  // Floats of the padded images of a block: they stay in a second-level cache.
  BLOCK_FLOATS = 1 << 16
};

// The arguments that all tiles share.
struct job {
  const struct nd_pooled_convolution *p;
  // Offsets in the images to a window's second column and to its second row.
  ptrdiff_t right, down;
  // For each weight, the offset of its image element from the first element of a patch.
  const int32_t *offsets;
  ptrdiff_t depth;  // the number of offsets
};

// Consecutive output channels, at most as many as a tile takes.
struct columns {
  const float *weights;  // [depth][count]
  const float *bias;     // or 0
  ptrdiff_t count;
  float *y;  // of the first window
  int32_t *places;
};

// The address of a window in the images, and its first place in the convolution's plane.
struct window { const float *x; int32_t place; };

typedef void tile_function(
    const struct job *job, const struct columns *columns, const struct window *windows,
    ptrdiff_t first, ptrdiff_t count);

// Takes the larger of two elements, the first of equal ones. NaN is the largest and stays.
static void compute_tile_scalar(
    const struct job *job, const struct columns *columns, const struct window *windows,
    ptrdiff_t first, ptrdiff_t count) {
  const struct nd_pooled_convolution *p = job->p;
  for (ptrdiff_t i = 0; i < count; i++)
    for (ptrdiff_t o = 0; o < columns->count; o++) {
      float *y = columns->y + (first + i) * p->out_channels + o;
      int32_t *place = columns->places + (first + i) * p->out_channels + o;
      for (int k = 0; k < PLACES; k++) {
        const float *x = windows[i].x + k / 2 * job->down + k % 2 * job->right;
        float sum = 0;
        for (ptrdiff_t d = 0; d < job->depth; d++)
          sum = __builtin_fmaf(x[job->offsets[d]], columns->weights[d * columns->count + o], sum);
        if (columns->bias) sum += columns->bias[o];
        if (k > 0 && !(sum > *y || sum != sum)) continue;
        *y = sum;
        *place = windows[i].place + k / 2 * (int32_t)p->out_width + k % 2;
      }
    }
}

#if defined(__x86_64__)
#include "simd/avx512.h"
#define WINDOWS 3
#define BREADTH 2
#include "convolution/pooled_convolution_windows.h"

#include "simd/avx2.h"
#define WINDOWS 1
#define BREADTH 3
#include "convolution/pooled_convolution_windows.h"
#endif

// A function that computes a tile, with the most windows and output channels that it takes.
struct tile_kernel { tile_function *compute; ptrdiff_t windows, channels; };

static struct tile_kernel tile_kernel_for(enum nd_instruction_set set) {
#if defined(__x86_64__)
  if (set == nd_avx512 || set == nd_avx512_bf16)
    return (struct tile_kernel){compute_tile_avx512, 3, 32};
  if (set == nd_avx2) return (struct tile_kernel){compute_tile_avx2, 1, 24};
#endif
  return (struct tile_kernel){compute_tile_scalar, 1, 16};
}

static ptrdiff_t images_per_block(const struct nd_pooled_convolution *p) {
  if (!is_padded(p)) return p->images;
  const ptrdiff_t count = BLOCK_FLOATS / padded_image(p);
  return count < 1 ? 1 : MINIMUM(count, p->images);
}

ptrdiff_t nd_pooled_convolution_forward_scratch_count(const struct nd_pooled_convolution *p) {
  const ptrdiff_t padded = is_padded(p) ? images_per_block(p) * padded_image(p) : 0;
  // MAX_LANES floats after the last weights, so that a whole register may be loaded there.
  return (p->out_channels + 1) * patch_count(p) + MAX_LANES + padded;
}

void nd_pooled_convolution_forward(
    const struct nd_pooled_convolution *p, float *y, int32_t *places, const float *x,
    const float *weight, const float *bias, enum nd_instruction_set set) {
  const struct tile_kernel kernel = tile_kernel_for(set);
  const ptrdiff_t depth = patch_count(p), row = padded_row(p), image = padded_image(p);
  float *const weights = p->scratch;
  int32_t *const offsets = (int32_t *)(weights + p->out_channels * depth + MAX_LANES);
  float *const padded = (float *)(offsets + depth);
  const ptrdiff_t right = p->stride_width * p->in_channels, down = p->stride_height * row;
  const struct job job = {p, right, down, offsets, depth};

  int32_t *offset = offsets;
  for (ptrdiff_t i = 0; i < p->in_channels; i++)
    for (ptrdiff_t r = 0; r < p->kernel_height; r++)
      for (ptrdiff_t c = 0; c < p->kernel_width; c++)
        *offset++ = (int32_t)(r * row + c * p->in_channels + i);
  for (ptrdiff_t o = 0; o < p->out_channels; o += kernel.channels)
    nd_transpose(
        weights + o * depth, weight + o * depth, MINIMUM(kernel.channels, p->out_channels - o),
        depth);

  const ptrdiff_t block = images_per_block(p);
  if (is_padded(p)) memset(padded, 0, (size_t)(block * image) * sizeof *padded);
  for (ptrdiff_t start = 0; start < p->images; start += block) {
    const ptrdiff_t count = MINIMUM(block, p->images - start);
    const float *images = with_padding(p, x, start, count, padded);
    const ptrdiff_t all = count * p->rows * p->columns, before = start * p->rows * p->columns;
    for (ptrdiff_t o = 0; o < p->out_channels; o += kernel.channels) {
      const struct columns columns = {
          weights + o * depth, bias ? bias + o : 0, MINIMUM(kernel.channels, p->out_channels - o),
          y + before * p->out_channels + o, places + before * p->out_channels + o};
      ptrdiff_t n = 0, r = 0, c = 0;
      for (ptrdiff_t w = 0; w < all; w += kernel.windows) {
        struct window windows[MAX_WINDOWS];
        const ptrdiff_t taken = MINIMUM(kernel.windows, all - w);
        for (ptrdiff_t i = 0; i < taken; i++) {
          windows[i].x = images + n * image + 2 * r * down + 2 * c * right;
          windows[i].place = (int32_t)(2 * r * p->out_width + 2 * c);
          if (++c < p->columns) continue;
          c = 0;
          if (++r < p->rows) continue;
          r = 0;
          n++;
        }
        kernel.compute(&job, &columns, windows, w, taken);
      }
    }
  }
}
