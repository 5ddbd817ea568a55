#pragma once
// Not in include/: declarations that the kernels of pooled convolutions share.
#include "ckernels.h"
#include "simd/clones.h"
#include <string.h>

// The places of a 2 x 2 window.
enum { PLACES = 4 };

// Rows of floats, whose starts are `stride` floats apart.
struct rows { float *first; ptrdiff_t stride; };

// Floats of a row, and of an image, with the padding.
ND_INLINE ptrdiff_t padded_row(const struct nd_pooled_convolution *p) {
  return (p->width + 2 * p->padding_width) * p->in_channels;
}
ND_INLINE ptrdiff_t padded_image(const struct nd_pooled_convolution *p) {
  return (p->height + 2 * p->padding_height) * padded_row(p);
}
ND_INLINE int is_padded(const struct nd_pooled_convolution *p) {
  return p->padding_height > 0 || p->padding_width > 0;
}

// Weights of one output channel.
ND_INLINE ptrdiff_t patch_count(const struct nd_pooled_convolution *p) {
  return p->kernel_height * p->kernel_width * p->in_channels;
}

ND_INLINE void copy_rows(struct rows to, struct rows from, ptrdiff_t height, ptrdiff_t length) {
  for (ptrdiff_t r = 0; r < height; r++)
    memcpy(
        to.first + r * to.stride, from.first + r * from.stride,
        (size_t)length * sizeof *to.first);
}

// The rows of a padded image without its padding.
ND_INLINE struct rows interior(const struct nd_pooled_convolution *p, float *image) {
  const ptrdiff_t row = padded_row(p);
  return (struct rows){image + p->padding_height * row + p->padding_width * p->in_channels, row};
}

// `count` images from index `start`, with their padding. Copies them into `padded`, whose padding
// the caller has set to 0; returns them in place where there is no padding.
ND_INLINE const float *with_padding(
    const struct nd_pooled_convolution *p, const float *x, ptrdiff_t start, ptrdiff_t count,
    float *padded) {
  const ptrdiff_t row = p->width * p->in_channels, image = p->height * row;
  if (!is_padded(p)) return x + start * image;
  for (ptrdiff_t n = 0; n < count; n++)
    copy_rows(
        interior(p, padded + n * padded_image(p)),
        (struct rows){(float *)x + (start + n) * image, row}, p->height, row);
  return padded;
}

// The offsets, in a padded image, of the patches under the four places of a window.
struct patches { ptrdiff_t offsets[PLACES]; };

ND_INLINE struct patches patches_of(
    const struct nd_pooled_convolution *p, ptrdiff_t row, ptrdiff_t column) {
  const ptrdiff_t right = p->stride_width * p->in_channels, down = p->stride_height * padded_row(p);
  const ptrdiff_t first = 2 * row * down + 2 * column * right;
  return (struct patches){{first, first + right, first + down, first + down + right}};
}
