#pragma once
// The hot loops that oneDNN does not have. They are in C because C has target_clones: each loop is
// built for three instruction sets, and one is chosen at load time. Unless stated otherwise, every
// operation rounds on its own (no contraction to fused multiply-add), and sums are added in an
// order that does not depend on the vector width. So the bits are the same on every instruction
// set. No function allocates, prints or keeps state.
#include <stddef.h>
#include <stdint.h>

// dst[r][c] = src[rows[r]][c], divided by 255 (rounded correctly) if unit is not 0, for
// 0 <= r < rowCount and 0 <= c < rowLength. Every rows[r] must be a row of src.
void nd_gather_u8(
    float *dst, const uint8_t *src, const int32_t *rows, ptrdiff_t rowCount, ptrdiff_t rowLength,
    int unit);

// Prefetches those rows into the second-level cache.
void nd_prefetch_rows(
    const uint8_t *src, const int32_t *rows, ptrdiff_t rowCount, ptrdiff_t rowByteCount);

// Elementwise, on n elements. The result may be one of the operands, except where stated.
void nd_relu(float *y, const float *x, ptrdiff_t n);                              // max(x, 0)
void nd_relu_backward(float *dx, const float *dy, const float *y, ptrdiff_t n);  // dy where y > 0
void nd_add_into(float *restrict y, const float *restrict x, ptrdiff_t n);       // y += x, y not x
void nd_add(float *z, const float *x, const float *y, ptrdiff_t n);
// z[k][offset + i] = x[i] + y[i] for all `count` arrays z[k]. Returns 1 if every sum is finite,
// else 0. x and y may be parts of the arrays.
int nd_add_to_all(
    float *const *z, ptrdiff_t count, ptrdiff_t offset, const float *x, const float *y,
    ptrdiff_t n);
void nd_multiply(float *z, const float *x, const float *y, ptrdiff_t n);
void nd_sigmoid(float *y, const float *x, ptrdiff_t n);                          // 1 / (1 + e^-x)
void nd_sigmoid_backward(float *dx, const float *dy, const float *y, ptrdiff_t n);  // dy y (1 - y)
void nd_tanh(float *y, const float *x, ptrdiff_t n);
void nd_tanh_backward(float *dx, const float *dy, const float *y, ptrdiff_t n);  // dy (1 - y^2)
// The backward functions above for [rows][columns], and sums[c] = sum over r, in order, of
// dx[r][c]. Nothing may overlap.
void nd_relu_backward_and_sums(
    float *dx, float *sums, const float *dy, const float *y, ptrdiff_t rows, ptrdiff_t columns);
void nd_sigmoid_backward_and_sums(
    float *dx, float *sums, const float *dy, const float *y, ptrdiff_t rows, ptrdiff_t columns);
void nd_tanh_backward_and_sums(
    float *dx, float *sums, const float *dy, const float *y, ptrdiff_t rows, ptrdiff_t columns);

// bfloat16: the upper half of a float. r rounds to the nearest, ties to even; sums are floats.
void nd_round_bf16(float *y, const float *x, ptrdiff_t n);  // y = r(x); y may be x.
// Rounds as vcvtneps2bf16 does, which also rounds denormals to 0.
void nd_round_operand_bf16(float *restrict y, const float *restrict x, ptrdiff_t n);
// z = r(r(x) + r(y)); z may be x or y.
void nd_add_bf16(float *z, const float *x, const float *y, ptrdiff_t n);
void nd_pack_bf16(uint16_t *restrict packed, const float *restrict x, ptrdiff_t n);
void nd_unpack_bf16(float *restrict x, const uint16_t *restrict packed, ptrdiff_t n);

// sums[c] = sum over r, in order, of x[r][c].
void nd_column_sums(float *sums, const float *x, ptrdiff_t rows, ptrdiff_t columns);
// The same with sums in double.
void nd_column_sums_in_double(float *sums, const float *x, ptrdiff_t rows, ptrdiff_t columns);
// Sum of all elements, in double.
double nd_sum(const float *x, ptrdiff_t n);
// Sum of the squares of all elements, in double.
double nd_sum_of_squares(const float *x, ptrdiff_t n);
// 1 if no element is infinite or NaN, else 0.
int nd_all_finite(const float *x, ptrdiff_t n);

// Writes the softmax of every row to p, and returns the sum over rows of -log p[target]. Targets
// must be in 0 ..< classes.
double nd_softmax_cross_entropy(
    float *p, const float *logits, const int64_t *targets, ptrdiff_t rows, ptrdiff_t classes);
// dx = (p - onehot(target)) * scale; dx may be p.
void nd_softmax_cross_entropy_backward(
    float *dx, const float *p, const int64_t *targets, ptrdiff_t rows, ptrdiff_t classes,
    float scale);

// Losses of n elements x against y, summed in double: (x - y)^2, and -y ln x - (1 - y) ln(1 - x)
// with each logarithm at least -100, for x in 0 ... 1.
double nd_squared_error(const float *x, const float *y, ptrdiff_t n);
double nd_binary_cross_entropy(const float *x, const float *y, ptrdiff_t n);
// dx = 2 (x - y) * scale.
void nd_squared_error_backward(
    float *restrict dx, const float *restrict x, const float *restrict y, ptrdiff_t n, float scale);
// nd_squared_error_backward in one pass with nd_squared_error, which is the result.
double nd_squared_error_and_gradient(
    float *restrict dx, const float *restrict x, const float *restrict y, ptrdiff_t n, float scale);
// dx = (x - y) / max((1 - x) x, 1e-12) * scale.
void nd_binary_cross_entropy_backward(
    float *restrict dx, const float *restrict x, const float *restrict y, ptrdiff_t n, float scale);
// 1 if every element is in 0 ... 1, else 0. NaN is not.
int nd_all_probabilities(const float *x, ptrdiff_t n);

// Batch normalization of each channel of x [outer, channels, inner]. scale is 1 / standard
// deviation. The means and the variances (divided by n, not n - 1) of each channel.
void nd_channel_moments(
    double *means, double *variances, const float *x, ptrdiff_t outer, ptrdiff_t channels,
    ptrdiff_t inner);
// The sums over each channel of x - mean and of its square.
void nd_channel_deviations(
    double *sums, double *squares, const float *x, const double *means, ptrdiff_t outer,
    ptrdiff_t channels, ptrdiff_t inner);
// y = (x - mean) * scale + shift
void nd_channel_affine(
    float *y, const float *x, const float *means, const float *scales, const float *shifts,
    ptrdiff_t outer, ptrdiff_t channels, ptrdiff_t inner);
// The sums over each channel of dy, and of dy * (x - mean) * scale.
void nd_channel_gradient_sums(
    double *sums, double *products, const float *dy, const float *x, const float *means,
    const float *scales, ptrdiff_t outer, ptrdiff_t channels, ptrdiff_t inner);
// dx = (dy - offset - (x - mean) * scale * slope) * scale * weight
void nd_channel_gradient(
    float *dx, const float *dy, const float *x, const float *means, const float *scales,
    const float *weights, const float *offsets, const float *slopes, ptrdiff_t outer,
    ptrdiff_t channels, ptrdiff_t inner);
// The largest element of each 2 x 2 window of each plane [height, width], and its place: its index
// in the plane. An odd last row or column has no window.
void nd_max_pool_2x2(
    float *y, int32_t *places, const float *x, ptrdiff_t planes, ptrdiff_t height,
    ptrdiff_t width);
// The same for images [height, width, channels], and its gradient.
void nd_max_pool_2x2_channels_last(
    float *y, int32_t *places, const float *x, ptrdiff_t images, ptrdiff_t height, ptrdiff_t width,
    ptrdiff_t channels);
void nd_max_pool_2x2_channels_last_backward(
    float *dx, const float *dy, const int32_t *places, ptrdiff_t images, ptrdiff_t height,
    ptrdiff_t width, ptrdiff_t channels);

// The optimizers. decay is L2 weight decay. In the formulas of functions with decay, g stands for
// g + decay * p, except in nd_sgd_decay, where it is written out.
// p -= lr * g
void nd_sgd(float *p, const float *g, ptrdiff_t n, float lr);
// p -= lr * (g + decay * p)
void nd_sgd_decay(float *p, const float *g, ptrdiff_t n, float lr, float decay);
// m = momentum * m + blend * g; p -= lr * m, or lr * (g + ahead * m) where ahead is not 0
// (Nesterov).
void nd_sgd_momentum(
    float *p, float *m, const float *g, ptrdiff_t n, float lr, float momentum, float blend,
    float ahead, float decay);
// m += (g - m) * a; v = beta2 v + b g^2; p = keep * p - step * m / (sqrt(v) * rv + eps), where
// a = 1 - beta1, b = 1 - beta2 (rounded from double: 1 - 0.999f has an error of 1e-5),
// step = lr / (1 - beta1^t), rv = 1 / sqrt(1 - beta2^t), keep = 1 - lr * decay for AdamW, else 1.
void nd_adam(
    float *p, float *m, float *v, const float *g, ptrdiff_t n, float a, float beta2, float b,
    float step, float rv, float eps, float decay, float keep);
// v = alpha v + b g^2; s = g / (sqrt(v - c^2) + eps) with c += (g - c) * b, or c = 0 where c is
// null; m = momentum * m + s; p -= lr * m, or lr * s where m is null. b = 1 - alpha.
void nd_rmsprop(
    float *p, float *v, float *m, float *c, const float *g, ptrdiff_t n, float lr, float alpha,
    float b, float eps, float momentum, float decay);
// s += g^2; p -= lr * g / (sqrt(s) + eps)
void nd_adagrad(
    float *p, float *s, const float *g, ptrdiff_t n, float lr, float eps, float decay);
// y = x * factor, y may be x
void nd_scale(float *y, const float *x, ptrdiff_t n, float factor);
// Limits x to -limit ... limit; NaN stays NaN.
void nd_clip(float *x, ptrdiff_t n, float limit);
// y += (x - y) * part
void nd_move_towards(float *y, const float *x, ptrdiff_t n, float part);

// A 64-bit hash of n bytes: any change of one 8-byte word changes it.
uint64_t nd_hash(const void *bytes, ptrdiff_t n);
// The same hash of bytes that are given in pieces. It does not depend on the sizes of the pieces.
typedef struct {
  uint64_t chains[4];
  uint64_t count;
  unsigned char rest[32];  // the last bytes, less than a block
} nd_hash_state;
void nd_hash_begin(nd_hash_state *state);
void nd_hash_update(nd_hash_state *state, const void *bytes, ptrdiff_t n);
uint64_t nd_hash_end(const nd_hash_state *state);

// c[m][n] = a[m][k] b[k][n] (+ bias[n]), for m, n, k > 0. Strides are in elements. One of the two
// strides of each operand is 1; c has contiguous rows.
//
// Each element of c is one chain of fused multiply-adds in the order of k, and the bias is added
// last. The bits are the same on every instruction set that has the fused multiply-add. A sum that
// is 0 is always +0, so products of an element of a that is 0 change nothing, unless b has an
// element that is not finite. They are skipped where that is faster.
struct nd_product {
  ptrdiff_t m, n, k;
  const float *a;
  ptrdiff_t a_row, a_column;
  const float *b;
  ptrdiff_t b_row, b_column;
  const float *bias;  // or 0
  int rectifies;  // whether ReLU is applied to the result
  float *c;
  ptrdiff_t c_row;
  float *scratch;  // nd_matmul_scratch_count floats
};
enum nd_instruction_set { nd_none, nd_avx2, nd_avx512, nd_avx512_bf16 };
// The best set of this processor. nd_none: it has no fused multiply-add, and nd_matmul must not be
// called.
enum nd_instruction_set nd_matmul_best_set(void);
ptrdiff_t nd_matmul_scratch_count(const struct nd_product *p);
// Returns the number of multiply-adds computed.
ptrdiff_t nd_matmul(const struct nd_product *p, enum nd_instruction_set set);
// Computes the same product, and in the same pass sums[m], the sums of a's rows in the order of k,
// where each addition rounds. Returns 1. It does so only where c is tiny, as there most of the time
// is spent waiting for sums, and where the processor has the fused multiply-add. Else it returns 0
// and writes nothing.
int nd_matmul_and_row_sums(const struct nd_product *p, float *sums);
// y[c][r] = x[r][c], with the same bits. x is [rows][columns].
void nd_transpose(float *y, const float *x, ptrdiff_t rows, ptrdiff_t columns);

// An Elman recurrent layer over `steps` steps of `samples` samples with `hidden` features, forwards
// or backwards in time: h[t] = f(x[t] + (W h[t - 1] + b)), f = tanh or max(., 0). Products are
// computed as in nd_matmul. Processors without the fused multiply-add compute the same bits,
// slowly.
struct nd_recurrence {
  ptrdiff_t steps, samples, hidden;
  int is_backward, is_relu;
};
ptrdiff_t nd_recurrence_scratch_count(const struct nd_recurrence *r);
// states: [steps + 1][samples][hidden]. The caller sets the state before the first step: the first
// one, or the last one if is_backward. The others are written. x: [steps][samples][hidden]. weight:
// [hidden][hidden]. bias: [hidden], or 0.
void nd_recurrence_forward(
    const struct nd_recurrence *r, float *states, const float *x, const float *weight,
    const float *bias, float *scratch);
// Computes dx from dy, the gradient of the states that nd_recurrence_forward wrote; and dstart, the
// gradient of the state before the first step: [samples][hidden].
void nd_recurrence_backward(
    const struct nd_recurrence *r, float *dx, float *dstart, const float *dy, const float *states,
    const float *weight, float *scratch);

// nd_matmul with a and b rounded to bfloat16, as vdpbf16ps computes it (Intel 64 and IA-32
// Architectures Software Developer's Manual, volume 2). For each pair of k, the second product is
// added to the sum first and then the first one, each by one fused multiply-add in float32, in
// which denormals are 0. The bits are the same on every instruction set: nd_avx512_bf16 has the
// instruction, and nd_avx2 emulates it.
enum nd_instruction_set nd_matmul_bf16_best_set(void);
ptrdiff_t nd_matmul_bf16_scratch_count(const struct nd_product *p);
ptrdiff_t nd_matmul_bf16(const struct nd_product *p, enum nd_instruction_set set);
// As nd_matmul_and_row_sums. The sums are of a itself, not rounded. Where a sum could be denormal,
// it returns 0 and writes nothing.
int nd_matmul_bf16_and_row_sums(const struct nd_product *p, float *sums);

// A convolution followed by 2 x 2 max pooling, and its gradients. The images are [height, width,
// in_channels] with a padding of 0; the weight is [out_channels, in_channels, kernel_height,
// kernel_width]. Every sum is one chain of fused multiply-adds that starts at 0. The bits are the
// same on every instruction set, even on those without such an instruction. The order of a chain
// is:
// - forward: the order of the weight's elements; the bias is added last;
// - dweight: dy times an element of a padded image, in the order of images, then of windows;
// - dx: dy times an element of the weight, in the order of windows, then of the place in the
//   window, then of output channels. Elements of dy that are 0 are skipped in both gradients.
struct nd_pooled_convolution {
  ptrdiff_t images, height, width, in_channels, out_channels;
  ptrdiff_t rows, columns;  // the numbers of windows
  ptrdiff_t out_width;      // the convolution's columns; an odd last one has no window
  ptrdiff_t kernel_height, kernel_width, stride_height, stride_width, padding_height, padding_width;
  float *scratch;  // as many floats as the ..._scratch_count functions return, aligned to 8 bytes
};
ptrdiff_t nd_pooled_convolution_forward_scratch_count(const struct nd_pooled_convolution *p);
// y and places: [images, rows, columns, out_channels], as of nd_max_pool_2x2_channels_last. bias:
// [out_channels], or 0.
void nd_pooled_convolution_forward(
    const struct nd_pooled_convolution *p, float *y, int32_t *places, const float *x,
    const float *weight, const float *bias, enum nd_instruction_set set);
ptrdiff_t nd_pooled_convolution_backward_scratch_count(const struct nd_pooled_convolution *p);
// The gradients from dy, of y's shape, and the places that forward wrote. Both return the number of
// elements of dy that are not 0.
ptrdiff_t nd_pooled_convolution_weight_gradient(
    const struct nd_pooled_convolution *p, float *dw, const float *x, const float *dy,
    const int32_t *places, enum nd_instruction_set set);
ptrdiff_t nd_pooled_convolution_input_gradient(
    const struct nd_pooled_convolution *p, float *dx, const float *weight, const float *dy,
    const int32_t *places, enum nd_instruction_set set);
