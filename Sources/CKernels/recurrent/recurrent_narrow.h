// A recurrence whose state fits into one register of LANES floats and stays there from step to
// step. Most of the time each operation waits for the one before it. recurrent.c includes this file
// once for each LANES. The arithmetic of an element is the same as in recurrent.c's loops for any
// width.

typedef float SET(lanes) __attribute__((vector_size(4 * LANES), aligned(4), may_alias));

// The first `count` elements of a row; the other lanes are 0.
ND_INLINE SET(lanes) SET(load)(const float *from, ptrdiff_t count) {
  if (count == LANES) return *(const SET(lanes) *)from;
  SET(lanes) x = {0};
  for (int l = 0; l < LANES - 1; l++)
    if (l < count) x[l] = from[l];
  return x;
}

ND_INLINE void SET(store)(float *to, SET(lanes) x, ptrdiff_t count) {
  if (count == LANES) {
    *(SET(lanes) *)to = x;
    return;
  }
  for (int l = 0; l < LANES - 1; l++)
    if (l < count) to[l] = x[l];
}

// x times the first `depth` rows of the matrix. The other lanes of x are not used: they
// are NaN where another lane is infinite, as the padding of the matrix is 0.
ND_INLINE SET(lanes) SET(product)(SET(lanes) x, const SET(lanes) *matrix, ptrdiff_t depth) {
  SET(lanes) sum = {0};
  UNROLLED for (int k = 0; k < LANES; k++) {
    if (k == depth) break;
    sum = __builtin_elementwise_fma(x[k] - (SET(lanes)){0}, matrix[k], sum);
  }
  return sum;
}

ND_INLINE SET(lanes) SET(activated)(SET(lanes) z, const int is_relu) {
  float y[LANES];
  memcpy(y, &z, sizeof y);
  for (int l = 0; l < LANES; l++) y[l] = is_relu ? (y[l] <= 0 ? 0 : y[l]) : tanh_of(y[l]);
  memcpy(&z, y, sizeof y);
  return z;
}

// Computes several samples at a time: while the chain of one waits, the others proceed.
ND_INLINE void SET(forward_samples)(
    const struct nd_recurrence *r, const int samples, const int is_relu, ptrdiff_t first,
    float *restrict states, const float *restrict x, const SET(lanes) *matrix, const float *bias) {
  const ptrdiff_t hidden = r->hidden, row = r->samples * hidden;
  const SET(lanes) offsets = bias ? SET(load)(bias, hidden) : (SET(lanes)){0};
  SET(lanes) h[SAMPLES_AT_ONCE];
  UNROLLED for (int i = 0; i < samples; i++)
    h[i] = SET(load)(states + (r->is_backward ? r->steps : 0) * row + (first + i) * hidden, hidden);
  for (ptrdiff_t step = 0; step < r->steps; step++) {
    const ptrdiff_t t = r->is_backward ? r->steps - 1 - step : step;
    const float *from = x + t * row + first * hidden;
    float *to = states + state_index(r, t) * row + first * hidden;
    UNROLLED for (int i = 0; i < samples; i++) {
      SET(lanes) sum = SET(product)(h[i], matrix, hidden);
      if (bias) sum += offsets;
      h[i] = SET(activated)(SET(load)(from + i * hidden, hidden) + sum, is_relu);
      SET(store)(to + i * hidden, h[i], hidden);
    }
  }
}

ND_INLINE void SET(backward_samples)(
    const struct nd_recurrence *r, const int samples, const int is_relu, ptrdiff_t first,
    float *restrict dx, float *restrict dstart, const float *restrict dy,
    const float *restrict states, const SET(lanes) *matrix) {
  const ptrdiff_t hidden = r->hidden, row = r->samples * hidden;
  SET(lanes) dh[SAMPLES_AT_ONCE];
  // Adding -0 changes no bit of any number.
  UNROLLED for (int i = 0; i < samples; i++) dh[i] = -(SET(lanes)){0};
  for (ptrdiff_t step = 0; step < r->steps; step++) {
    const ptrdiff_t t = r->is_backward ? step : r->steps - 1 - step;
    const ptrdiff_t place = t * row + first * hidden;
    const float *y = states + state_index(r, t) * row + first * hidden;
    UNROLLED for (int i = 0; i < samples; i++) {
      const SET(lanes) h = SET(load)(y + i * hidden, hidden);
      const SET(lanes) d = SET(load)(dy + place + i * hidden, hidden) + dh[i];
      SET(lanes) dz;
      if (is_relu)
        for (int l = 0; l < LANES; l++) dz[l] = h[l] <= 0 ? 0 : d[l];
      else
        dz = d * (1 - h * h);
      SET(store)(dx + place + i * hidden, dz, hidden);
      dh[i] = SET(product)(dz, matrix, hidden);
    }
  }
  UNROLLED for (int i = 0; i < samples; i++)
    SET(store)(dstart + (first + i) * hidden, dh[i], hidden);
}

// `matrix` has a row of LANES floats for each feature: its weights, then zeros.
ND_INLINE void SET(forward)(
    const struct nd_recurrence *r, float *restrict states, const float *restrict x,
    const float *matrix, const float *bias) {
  const SET(lanes) *rows = (const SET(lanes) *)matrix;
  ptrdiff_t i = 0;
  for (; i + SAMPLES_AT_ONCE <= r->samples; i += SAMPLES_AT_ONCE)
    r->is_relu ? SET(forward_samples)(r, SAMPLES_AT_ONCE, 1, i, states, x, rows, bias)
               : SET(forward_samples)(r, SAMPLES_AT_ONCE, 0, i, states, x, rows, bias);
  for (; i < r->samples; i++)
    r->is_relu ? SET(forward_samples)(r, 1, 1, i, states, x, rows, bias)
               : SET(forward_samples)(r, 1, 0, i, states, x, rows, bias);
}

ND_INLINE void SET(backward)(
    const struct nd_recurrence *r, float *restrict dx, float *restrict dstart,
    const float *restrict dy, const float *restrict states, const float *matrix) {
  const SET(lanes) *rows = (const SET(lanes) *)matrix;
  ptrdiff_t i = 0;
  for (; i + SAMPLES_AT_ONCE <= r->samples; i += SAMPLES_AT_ONCE)
    r->is_relu ? SET(backward_samples)(r, SAMPLES_AT_ONCE, 1, i, dx, dstart, dy, states, rows)
               : SET(backward_samples)(r, SAMPLES_AT_ONCE, 0, i, dx, dstart, dy, states, rows);
  for (; i < r->samples; i++)
    r->is_relu ? SET(backward_samples)(r, 1, 1, i, dx, dstart, dy, states, rows)
               : SET(backward_samples)(r, 1, 0, i, dx, dstart, dy, states, rows);
}

#undef SET
#undef LANES
