#include "convolution/pooled_convolution.h"

// The gradients. Of the convolution's output's gradient at most one element of four is not 0, and those alone are gone through: an
// entry is such an element, with the input's patch under it.
//
// A patch of images with the channels innermost is kernel_height rows of kernel_width * in_channels
// neighbours; weights are turned to lie so, too. Either gradient is then the same loop: rows in
// registers, to which each entry adds its dy times the rows of a patch (to dweight) or of a channel's
// weight (to dx).

enum {
  // Floats of images that are near while each channel's entries pass: half a first-level cache. And so
  // many entries a channel should have by then that to load and store its sums does not count.
  NEAR = 6 << 10, FEW = 32
};

// What is added to rows: `factor` times the rows that begin at `offset`.
struct entry { int32_t offset; float factor; };

typedef void adder(
    struct rows sums, const float *source, ptrdiff_t source_stride, ptrdiff_t height, ptrdiff_t length,
    const struct entry *entries, ptrdiff_t count);

static void add_products_plainly(
    struct rows sums, const float *source, ptrdiff_t source_stride, ptrdiff_t height, ptrdiff_t length,
    const struct entry *entries, ptrdiff_t count) {
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

static adder *adder_of(enum nd_instruction_set set) {
  switch (set) {
  case nd_avx512:
  case nd_avx512_bf16: return add_products_avx512;
  case nd_avx2: return add_products_avx2;
  case nd_none: return add_products_plainly;
  }
}

#else
static adder *adder_of(enum nd_instruction_set set) { return add_products_plainly; }
#endif

static ptrdiff_t weight_count(const struct nd_pooled_convolution *p) {
  return p->out_channels * patch_count(p);
}

// Images whose entries are sorted by channel at a time.
static ptrdiff_t block_of_images(const struct nd_pooled_convolution *p) {
  const ptrdiff_t near = NEAR / padded_image(p), windows = p->rows * p->columns;
  const ptrdiff_t enough = (FEW + windows - 1) / windows;
  const ptrdiff_t block = near > enough ? near : enough;
  return MINIMUM(block, p->images);
}

// Of a channel: odd, as the channels' lists grow at the same time and are not to share a cache's set.
static ptrdiff_t list_length(const struct nd_pooled_convolution *p, ptrdiff_t block) {
  return (block * p->rows * p->columns) | 1;
}

// In floats.
static ptrdiff_t entry_count(ptrdiff_t entries) {
  return entries * (ptrdiff_t)(sizeof(struct entry) / sizeof(float));
}

ptrdiff_t nd_pooled_convolution_backward_scratch_count(const struct nd_pooled_convolution *p) {
  const ptrdiff_t block = block_of_images(p), image = is_padded(p) ? padded_image(p) : 0;
  return weight_count(p) + block * image
         + entry_count(p->out_channels * (list_length(p, block) + PLACES + 1));
}

// Between [channels][taps], as weights lie, and [taps][channels], of each output channel.
static void turn_weights(
    float *to, const float *from, const struct nd_pooled_convolution *p, ptrdiff_t rows) {
  const ptrdiff_t count = patch_count(p);
  if (rows == 1 || rows == count) {
    memcpy(to, from, (size_t)weight_count(p) * sizeof *to);
    return;
  }
  for (ptrdiff_t o = 0; o < p->out_channels; o++)
    nd_transpose(to + o * count, from + o * count, rows, count / rows);
}

// Which of the four it is, of `distance` from the first as forward counts.
ND_INLINE ptrdiff_t number_of(ptrdiff_t distance, ptrdiff_t out_width) {
  return distance < out_width ? distance : distance - out_width + 2;
}

#if defined(__x86_64__)
// dweight of images with one channel by 3 x 3: the 4 x 4 pixels under a window are a register, of which
// each of 16 output channels, a lane each, takes those its place needs. Returns the number of entries.
TARGET_AVX512 static ptrdiff_t add_single_channel(
    const struct nd_pooled_convolution *p, float *sums, const float *images, const float *dy,
    const int32_t *places, ptrdiff_t count) {
  enum { TAPS = 9, SPAN = 4, GROUP = 16 };
  const ptrdiff_t row = padded_row(p), image = padded_image(p), channels = p->out_channels;
  const __m512i width = _mm512_set1_epi32((int)p->out_width);
  const __m512i skipped = _mm512_set1_epi32((int)p->out_width - SPAN);
  ptrdiff_t entries = 0;
  for (ptrdiff_t o = 0; o < channels; o += GROUP) {
    const ptrdiff_t taken = MINIMUM(channels - o, GROUP);
    const __mmask16 lanes = (__mmask16)((1u << taken) - 1);
    const __m512i turn = _mm512_mullo_epi32(
        _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15),
        _mm512_set1_epi32(TAPS));
    float *const to = sums + o * TAPS;
    __m512 sum[TAPS];
    UNROLLED for (int t = 0; t < TAPS; t++)
      sum[t] = _mm512_mask_i32gather_ps(_mm512_setzero_ps(), lanes, turn, to + t, sizeof *to);
    for (ptrdiff_t n = 0; n < count; n++)
      for (ptrdiff_t r = 0; r < p->rows; r++)
        for (ptrdiff_t c = 0; c < p->columns; c++) {
          const ptrdiff_t from = ((n * p->rows + r) * p->columns + c) * channels + o;
          const __m512 flow = _mm512_maskz_loadu_ps(lanes, dy + from);
          const __mmask16 some = _mm512_cmp_ps_mask(flow, _mm512_setzero_ps(), _CMP_NEQ_UQ);
          entries += __builtin_popcount(some);
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
            const __m512i at = _mm512_add_epi32(first, _mm512_set1_epi32(t / 3 * SPAN + t % 3));
            sum[t] =
                _mm512_mask3_fmadd_ps(flow, _mm512_permutexvar_ps(at, pixels), sum[t], some);
          }
        }
    UNROLLED for (int t = 0; t < TAPS; t++)
      _mm512_mask_i32scatter_ps(to + t, lanes, turn, sum[t], sizeof *to);
  }
  return entries;
}

static int takes_single_channel(const struct nd_pooled_convolution *p, enum nd_instruction_set set) {
  return set >= nd_avx512 && p->in_channels == 1 && p->kernel_height == 3 && p->kernel_width == 3
         && p->stride_height == 1 && p->stride_width == 1;
}
#else
static int takes_single_channel(const struct nd_pooled_convolution *p, enum nd_instruction_set set) {
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
  adder *const add_products = adder_of(set);
  const ptrdiff_t windows = p->rows * p->columns, channels = p->out_channels;
  const ptrdiff_t row = padded_row(p), image = padded_image(p);
  const ptrdiff_t length = p->kernel_width * p->in_channels, patch = p->kernel_height * length;
  const ptrdiff_t block = block_of_images(p), list = list_length(p, block);
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
          const float flow = dy[from + o];
          const ptrdiff_t k = number_of(places[from + o] - first, p->out_width);
          // Written in any case, or there were a branch.
          lists[o * list + counts[o]] =
              (struct entry){(int32_t)(n * image + patches.offsets[k]), flow};
          counts[o] += flow != 0;
        }
      }
    for (ptrdiff_t o = 0; o < channels; o++) {
      const struct rows to = {sums + o * patch, length};
      add_products(to, images, row, p->kernel_height, length, lists + o * list, counts[o]);
      entries += counts[o];
    }
  }
  turn_weights(dw, sums, p, p->kernel_height * p->kernel_width);
  return entries;
}

ptrdiff_t nd_pooled_convolution_input_gradient(
    const struct nd_pooled_convolution *p, float *dx, const float *weight, const float *dy,
    const int32_t *places, enum nd_instruction_set set) {
  adder *const add_products = adder_of(set);
  const ptrdiff_t windows = p->rows * p->columns, channels = p->out_channels;
  const ptrdiff_t row = padded_row(p), image = padded_image(p);
  const ptrdiff_t plain_row = p->width * p->in_channels, plain_image = p->height * plain_row;
  const ptrdiff_t length = p->kernel_width * p->in_channels, patch = p->kernel_height * length;
  float *const turned = p->scratch, *const padded = turned + channels * patch;
  struct entry *const lists = (struct entry *)(padded + (is_padded(p) ? image : 0));
  ptrdiff_t entries = 0;
  turn_weights(turned, weight, p, p->in_channels);
  for (ptrdiff_t n = 0; n < p->images; n++) {
    float *const plain = dx + n * plain_image, *const to = is_padded(p) ? padded : plain;
    memset(to, 0, (size_t)image * sizeof *to);
    for (ptrdiff_t w = 0; w < windows; w++) {
      const ptrdiff_t r = w / p->columns, c = w % p->columns;
      const struct patches patches = patches_of(p, r, c);
      const ptrdiff_t from = (n * windows + w) * channels;
      const ptrdiff_t first = 2 * r * p->out_width + 2 * c;
      ptrdiff_t counts[PLACES] = {0};
      for (ptrdiff_t o = 0; o < channels; o++) {
        const float flow = dy[from + o];
        const ptrdiff_t k = number_of(places[from + o] - first, p->out_width);
        lists[k * channels + counts[k]] = (struct entry){(int32_t)(o * patch), flow};
        counts[k] += flow != 0;
      }
      for (ptrdiff_t k = 0; k < PLACES; k++) {
        if (counts[k] == 0) continue;
        const struct rows sums = {to + patches.offsets[k], row};
        add_products(
            sums, turned, length, p->kernel_height, length, lists + k * channels, counts[k]);
        entries += counts[k];
      }
    }
    if (is_padded(p))
      copy_rows((struct rows){plain, plain_row}, inside(p, to), p->height, plain_row);
  }
  return entries;
}
