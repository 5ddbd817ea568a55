// Float32 products of few columns: those of a network of a few nodes, which fill no register of a tile.
// Extents are constants, so that the compiler makes vectors of neighbouring rows, or keeps all sums in
// registers. AVX2 alone: with AVX-512 compilers scatter what they should shuffle.

#define NARROW_TARGET __attribute__((target("arch=x86-64-v3")))
enum { NARROWEST = 4 };

// Many rows of k <= 4 elements each.
static int is_slim(const struct nd_product *p) {
  return p->k <= NARROWEST && p->n <= NARROWEST && p->a_column == 1 && p->a_row == p->k
         && p->c_row == p->n;
}

// Few elements, of any number of products each.
static int is_tiny(const struct nd_product *p) { return p->m <= NARROWEST && p->n <= NARROWEST; }

NARROW_TARGET ND_INLINE void slim_rows(const struct nd_product *p, const int k, const int n) {
  float b[NARROWEST * NARROWEST], bias[NARROWEST];
  for (int j = 0; j < n; j++) {
    bias[j] = p->bias ? p->bias[j] : 0;
    for (int i = 0; i < k; i++) b[i * n + j] = p->b[i * p->b_row + j * p->b_column];
  }
  const float *restrict a = p->a;
  float *restrict c = p->c;
  const int adds = p->bias != 0;
  for (ptrdiff_t r = 0; r < p->m; r++)
    UNROLLED for (int j = 0; j < n; j++) {
      float sum = 0;
      UNROLLED for (int i = 0; i < k; i++) sum = __builtin_fmaf(a[r * k + i], b[i * n + j], sum);
      c[r * n + j] = adds ? sum + bias[j] : sum;
    }
}

NARROW_TARGET ND_INLINE void tiny_chains(const struct nd_product *p, const int m, const int n) {
  float sums[NARROWEST * NARROWEST] = {0};
  const float *a = p->a, *b = p->b;
  for (ptrdiff_t i = 0; i < p->k; i++, a += p->a_column, b += p->b_row)
    UNROLLED for (int r = 0; r < m; r++)
      UNROLLED for (int j = 0; j < n; j++)
        sums[r * n + j] = __builtin_fmaf(a[r * p->a_row], b[j * p->b_column], sums[r * n + j]);
  for (int r = 0; r < m; r++)
    for (int j = 0; j < n; j++)
      p->c[r * p->c_row + j] = p->bias ? sums[r * n + j] + p->bias[j] : sums[r * n + j];
}

#define CASE(body, x, y) \
  case 8 * x + y: return body(p, x, y);
#define CASES(body)                                                           \
  CASE(body, 1, 1) CASE(body, 1, 2) CASE(body, 1, 3) CASE(body, 1, 4)         \
  CASE(body, 2, 1) CASE(body, 2, 2) CASE(body, 2, 3) CASE(body, 2, 4)         \
  CASE(body, 3, 1) CASE(body, 3, 2) CASE(body, 3, 3) CASE(body, 3, 4)         \
  CASE(body, 4, 1) CASE(body, 4, 2) CASE(body, 4, 3) CASE(body, 4, 4)

NARROW_TARGET static void multiply_slim(const struct nd_product *p) {
  switch (8 * p->k + p->n) { CASES(slim_rows) }
}

NARROW_TARGET static void multiply_tiny(const struct nd_product *p) {
  switch (8 * p->m + p->n) { CASES(tiny_chains) }
}
#undef CASE
#undef CASES
