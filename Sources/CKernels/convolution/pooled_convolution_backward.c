#include "convolution/pooled_convolution.h"

// The gradients. At most one element in four of the gradient of the convolution's output is not 0,
// and only those elements are visited. An entry is such an element together with the input patch
// under it.
//
// A patch of images with the channels innermost is kernel_height rows of kernel_width * in_channels
// consecutive floats. The weights are transposed to the same layout. Both gradients are then the
// same loop. It holds rows in registers and adds to them, for each entry, dy times the rows of a
// patch (for dweight) or of a channel's weight (for dx).

enum {
  // Floats of a block of images that stay in the cache while the entries of each channel are
  // visited: half a first-level cache.
  CACHED_FLOATS = 6 << 10,
  // Entries that a channel should have in a block, so that loading and storing its sums takes
  // little of the time.
  MIN_ENTRIES = 32
};

// A term that is added to rows: `factor` times the rows that begin at `offset`.
struct entry { int32_t offset; float factor; };

typedef void add_function(
    struct rows sums, const float *source, ptrdiff_t source_stride, ptrdiff_t height,
    ptrdiff_t length, const struct entry *entries, ptrdiff_t count);

static void add_products_scalar(
    struct rows sums, const float *source, ptrdiff_t source_stride, ptrdiff_t height,
    ptrdiff_t length, const struct entry *entries, ptrdiff_t count) {
  for (ptrdiff_t e = 0; e < count; e++)
    for (ptrdiff_t r = 0; r < height; r++)
      for (ptrdiff_t i = 0; i < length; i++) {
        float *sum = sums.first + r * sums.stride + i;
        const float x = source[entries[e].offset + r * source_stride + i];
        *sum = __builtin_fmaf(entries[e].factor, x, *sum);
      }
}

#if defined(__x86_64__)
#include "simd/avx512.h"
#include "convolution/pooled_convolution_rows.h"

#include "simd/avx2.h"
#include "convolution/pooled_convolution_rows.h"

static add_function *add_function_for(enum nd_instruction_set set) {
  switch (set) {
  case nd_avx512:
  case nd_avx512_bf16: return add_products_avx512;
  case nd_avx2: return add_products_avx2;
  case nd_none: return add_products_scalar;
  }
}

#else
static add_function *add_function_for(enum nd_instruction_set set) { return add_products_scalar; }
#endif

static ptrdiff_t weight_count(const struct nd_pooled_convolution *p) {
  return p->out_channels * patch_count(p);
}

// The images of a block, whose entries are sorted by channel together.
static ptrdiff_t images_per_block(const struct nd_pooled_convolution *p) {
  const ptrdiff_t cached = CACHED_FLOATS / padded_image(p), windows = p->rows * p->columns;
  const ptrdiff_t minimum = (MIN_ENTRIES + windows - 1) / windows;
  const ptrdiff_t block = cached > minimum ? cached : minimum;
  return MINIMUM(block, p->images);
}

// The capacity of a channel's list of entries. It is odd: the lists grow at the same time, and
// should not compete for the same set of the cache.
static ptrdiff_t list_length(const struct nd_pooled_convolution *p, ptrdiff_t block) {
  return (block * p->rows * p->columns) | 1;
}

// The floats that `entries` entries take.
static ptrdiff_t entry_floats(ptrdiff_t entries) {
  return entries * (ptrdiff_t)(sizeof(struct entry) / sizeof(float));
}

ptrdiff_t nd_pooled_convolution_backward_scratch_count(const struct nd_pooled_convolution *p) {
  const ptrdiff_t block = images_per_block(p), image = is_padded(p) ? padded_image(p) : 0;
  return weight_count(p) + block * image
         + entry_floats(p->out_channels * (list_length(p, block) + PLACES + 1));
}

// Transposes the weights of each output channel from [channels][taps], the layout of `weight`, to
// [taps][channels] (rows = channels), or back (rows = taps).
static void transpose_weights(
    float *to, const float *from, const struct nd_pooled_convolution *p, ptrdiff_t rows) {
  const ptrdiff_t count = patch_count(p);
  if (rows == 1 || rows == count) {
    memcpy(to, from, (size_t)weight_count(p) * sizeof *to);
    return;
  }
  for (ptrdiff_t o = 0; o < p->out_channels; o++)
    nd_transpose(to + o * count, from + o * count, rows, count / rows);
}

// The number, 0 ... 3, of a window's place that is `distance` elements after its first place in the
// convolution's plane.
ND_INLINE ptrdiff_t place_number(ptrdiff_t distance, ptrdiff_t out_width) {
  return distance < out_width ? distance : distance - out_width + 2;
}

#if defined(__x86_64__)
// Adds dweight for images of one channel and a 3 x 3 kernel. One register holds the 4 x 4 pixels
// under a window. Each of 16 output channels has one lane, and permutes the pixels that its place
// needs into it. Returns the number of entries.
TARGET_AVX512 static ptrdiff_t add_single_channel(
    const struct nd_pooled_convolution *p, float *sums, const float *images, const float *dy,
    const int32_t *places, ptrdiff_t count) {
  enum { TAPS = 9, SIDE = 4, GROUP = 16 };
  const ptrdiff_t row = padded_row(p), image = padded_image(p), channels = p->out_channels;
  const __m512i width = _mm512_set1_epi32((int)p->out_width);
  const __m512i skipped = _mm512_set1_epi32((int)p->out_width - SIDE);
  ptrdiff_t entries = 0;
  for (ptrdiff_t o = 0; o < channels; o += GROUP) {
    const ptrdiff_t taken = MINIMUM(channels - o, GROUP);
    const __mmask16 lanes = (__mmask16)((1u << taken) - 1);
    const __m512i indices = _mm512_mullo_epi32(
        _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15),
        _mm512_set1_epi32(TAPS));
    float *const to = sums + o * TAPS;
    __m512 sum[TAPS];
    UNROLLED for (int t = 0; t < TAPS; t++)
      sum[t] = _mm512_mask_i32gather_ps(_mm512_setzero_ps(), lanes, indices, to + t, sizeof *to);
    for (ptrdiff_t n = 0; n < count; n++)
      for (ptrdiff_t r = 0; r < p->rows; r++)
        for (ptrdiff_t c = 0; c < p->columns; c++) {
          const ptrdiff_t from = ((n * p->rows + r) * p->columns + c) * channels + o;
          const __m512 gradient = _mm512_maskz_loadu_ps(lanes, dy + from);
          const __mmask16 nonzero = _mm512_cmp_ps_mask(gradient, _mm512_setzero_ps(), _CMP_NEQ_UQ);
          entries += __builtin_popcount(nonzero);
          const float *corner = images + n * image + 2 * r * row + 2 * c;
          const __m256 upper = _mm256_set_m128(_mm_loadu_ps(corner + row), _mm_loadu_ps(corner));
          const __m256 lower =
              _mm256_set_m128(_mm_loadu_ps(corner + 3 * row), _mm_loadu_ps(corner + 2 * row));
          const __m512 pixels = _mm512_insertf32x8(_mm512_castps256_ps512(upper), lower, 1);
          const __m512i place = _mm512_sub_epi32(
              _mm512_maskz_loadu_epi32(lanes, places + from),
              _mm512_set1_epi32((int)(2 * r * p->out_width + 2 * c)));
          const __m512i first = _mm512_mask_sub_epi32(
              place, _mm512_cmpge_epi32_mask(place, width), place, skipped);
          UNROLLED for (int t = 0; t < TAPS; t++) {
            const __m512i at = _mm512_add_epi32(first, _mm512_set1_epi32(t / 3 * SIDE + t % 3));
            sum[t] =
                _mm512_mask3_fmadd_ps(gradient, _mm512_permutexvar_ps(at, pixels), sum[t], nonzero);
          }
        }
    UNROLLED for (int t = 0; t < TAPS; t++)
      _mm512_mask_i32scatter_ps(to + t, lanes, indices, sum[t], sizeof *to);
  }
  return entries;
}

static int takes_single_channel(
    const struct nd_pooled_convolution *p, enum nd_instruction_set set) {
  return set >= nd_avx512 && p->in_channels == 1 && p->kernel_height == 3 && p->kernel_width == 3
         && p->stride_height == 1 && p->stride_width == 1;
}
#else
static int takes_single_channel(
    const struct nd_pooled_convolution *p, enum nd_instruction_set set) {
  return 0;
}
static ptrdiff_t add_single_channel(
    const struct nd_pooled_convolution *p, float *sums, const float *images, const float *dy,
    const int32_t *places, ptrdiff_t count) {
  return 0;
}
#endif

ptrdiff_t nd_pooled_convolution_weight_gradient(
    const struct nd_pooled_convolution *p, float *dw, const float *x, const float *dy,
    const int32_t *places, enum nd_instruction_set set) {
  add_function *const add_products = add_function_for(set);
  const ptrdiff_t windows = p->rows * p->columns, channels = p->out_channels;
  const ptrdiff_t row = padded_row(p), image = padded_image(p);
  const ptrdiff_t length = p->kernel_width * p->in_channels, patch = p->kernel_height * length;
  const ptrdiff_t block = images_per_block(p), list = list_length(p, block);
  float *const sums = p->scratch, *const padded = sums + channels * patch;
  struct entry *const lists =
      (struct entry *)(padded + (is_padded(p) ? block * image : 0));
  int64_t *const counts = (int64_t *)(lists + channels * list);
  ptrdiff_t entries = 0;
  memset(sums, 0, (size_t)(channels * patch) * sizeof *sums);
  if (is_padded(p)) memset(padded, 0, (size_t)(block * image) * sizeof *padded);
  for (ptrdiff_t start = 0; start < p->images; start += block) {
    const ptrdiff_t count = MINIMUM(block, p->images - start);
    const float *images = with_padding(p, x, start, count, padded);
    if (takes_single_channel(p, set)) {
      const ptrdiff_t from = start * windows * channels;
      entries += add_single_channel(p, sums, images, dy + from, places + from, count);
      continue;
    }
    memset(counts, 0, (size_t)channels * sizeof *counts);
    for (ptrdiff_t n = 0; n < count; n++)
      for (ptrdiff_t w = 0; w < windows; w++) {
        const ptrdiff_t r = w / p->columns, c = w % p->columns;
        const struct patches patches = patches_of(p, r, c);
        const ptrdiff_t from = ((start + n) * windows + w) * channels;
        const ptrdiff_t first = 2 * r * p->out_width + 2 * c;
        for (ptrdiff_t o = 0; o < channels; o++) {
          const float gradient = dy[from + o];
          const ptrdiff_t k = place_number(places[from + o] - first, p->out_width);
          // Always written, and kept only if not 0: this avoids a branch.
          lists[o * list + counts[o]] =
              (struct entry){(int32_t)(n * image + patches.offsets[k]), gradient};
          counts[o] += gradient != 0;
        }
      }
    for (ptrdiff_t o = 0; o < channels; o++) {
      const struct rows to = {sums + o * patch, length};
      add_products(to, images, row, p->kernel_height, length, lists + o * list, counts[o]);
      entries += counts[o];
    }
  }
  transpose_weights(dw, sums, p, p->kernel_height * p->kernel_width);
  return entries;
}

ptrdiff_t nd_pooled_convolution_input_gradient(
    const struct nd_pooled_convolution *p, float *dx, const float *weight, const float *dy,
    const int32_t *places, enum nd_instruction_set set) {
  add_function *const add_products = add_function_for(set);
  const ptrdiff_t windows = p->rows * p->columns, channels = p->out_channels;
  const ptrdiff_t row = padded_row(p), image = padded_image(p);
  const ptrdiff_t unpadded_row = p->width * p->in_channels;
  const ptrdiff_t unpadded_image = p->height * unpadded_row;
  const ptrdiff_t length = p->kernel_width * p->in_channels, patch = p->kernel_height * length;
  float *const transposed = p->scratch, *const padded = transposed + channels * patch;
  struct entry *const lists = (struct entry *)(padded + (is_padded(p) ? image : 0));
  ptrdiff_t entries = 0;
  transpose_weights(transposed, weight, p, p->in_channels);
  for (ptrdiff_t n = 0; n < p->images; n++) {
    float *const unpadded = dx + n * unpadded_image, *const to = is_padded(p) ? padded : unpadded;
    memset(to, 0, (size_t)image * sizeof *to);
    for (ptrdiff_t w = 0; w < windows; w++) {
      const ptrdiff_t r = w / p->columns, c = w % p->columns;
      const struct patches patches = patches_of(p, r, c);
      const ptrdiff_t from = (n * windows + w) * channels;
      const ptrdiff_t first = 2 * r * p->out_width + 2 * c;
      ptrdiff_t counts[PLACES] = {0};
      for (ptrdiff_t o = 0; o < channels; o++) {
        const float gradient = dy[from + o];
        const ptrdiff_t k = place_number(places[from + o] - first, p->out_width);
        lists[k * channels + counts[k]] = (struct entry){(int32_t)(o * patch), gradient};
        counts[k] += gradient != 0;
      }
      for (ptrdiff_t k = 0; k < PLACES; k++) {
        if (counts[k] == 0) continue;
        const struct rows sums = {to + patches.offsets[k], row};
        add_products(
            sums, transposed, length, p->kernel_height, length, lists + k * channels, counts[k]);
        entries += counts[k];
      }
    }
    if (is_padded(p))
      copy_rows((struct rows){unpadded, unpadded_row}, interior(p, to), p->height, unpadded_row);
  }
  return entries;
}
