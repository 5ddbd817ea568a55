// Products with few columns, as in a network of a few nodes: they do not fill one register of a
// tile. The extents are constants, so that the compiler vectorizes over neighbouring rows or keeps
// all sums in registers. AVX2 only: with AVX-512, compilers use scatters where shuffles are faster.
//
// In bfloat16 the operands are rounded first, and the products of a pair are added in vdpbf16ps's
// order: the second one first.

#define NARROW_TARGET __attribute__((target("arch=x86-64-v3")))

// Whether each register of c depends on no more elements of a than one register holds.
ND_INLINE int reads_one_register(const int k, const int n) {
  return n == 4 || (n > 1 && k <= 2) || k * n == 1;
}

// The index of the product that is number i in the chain of k products.
ND_INLINE int chain_order(const int i, const int k, const int pairs) {
  return pairs && (i ^ 1) < k ? i ^ 1 : i;
}

// Computes 8 rows at a time, as n registers of consecutive elements of c. Permutations bring the
// elements of a into place.
// b: [k][n], bias: [n]. Returns the number of rows computed. Loads nothing past the end of a.
NARROW_TARGET ND_INLINE ptrdiff_t permuted_rows(
    const struct nd_product *p, const int k, const int n, const int pairs, const float *b,
    const float *bias) {
  enum { WIDTH = 8 };
  float factors[MAX_NARROW][MAX_NARROW][WIDTH], added[MAX_NARROW][WIDTH];
  int places[MAX_NARROW][MAX_NARROW][WIDTH];
  UNROLLED for (int v = 0; v < n; v++)
    UNROLLED for (int l = 0; l < WIDTH; l++) {
      const int row = (WIDTH * v + l) / n, column = (WIDTH * v + l) % n;
      added[v][l] = bias[column];
      UNROLLED for (int i = 0; i < k; i++) {
        const int place = chain_order(i, k, pairs);
        factors[v][i][l] = b[place * n + column];
        places[v][i][l] = (row - WIDTH * v / n) * k + place;
      }
    }
  const int adds = p->bias != 0;
  ptrdiff_t r = 0;
  for (; r + 2 * WIDTH <= p->m; r += WIDTH)
    UNROLLED for (int v = 0; v < n; v++) {
      const __m256 near = _mm256_loadu_ps(p->a + (r + WIDTH * v / n) * k);
      __m256 sum = _mm256_setzero_ps();
      UNROLLED for (int i = 0; i < k; i++)
        sum = _mm256_fmadd_ps(
            _mm256_permutevar8x32_ps(near, _mm256_loadu_si256((const __m256i *)places[v][i])),
            _mm256_loadu_ps(factors[v][i]), sum);
      sum = _mm256_add_ps(sum, _mm256_setzero_ps());
      if (adds) sum = _mm256_add_ps(sum, _mm256_loadu_ps(added[v]));
      _mm256_storeu_ps(p->c + r * n + WIDTH * v, sum);
    }
  return r;
}

NARROW_TARGET ND_INLINE void slim_rows(
    const struct nd_product *p, const int k, const int n, const int pairs) {
  float b[MAX_NARROW * MAX_NARROW], bias[MAX_NARROW];
  for (int j = 0; j < n; j++) {
    bias[j] = p->bias ? p->bias[j] : 0;
    for (int i = 0; i < k; i++) b[i * n + j] = p->b[i * p->b_row + j * p->b_column];
  }
  const float *restrict a = p->a;
  float *restrict c = p->c;
  const int adds = p->bias != 0;
  for (ptrdiff_t r = reads_one_register(k, n) ? permuted_rows(p, k, n, pairs, b, bias) : 0;
       r < p->m; r++)
    UNROLLED for (int j = 0; j < n; j++) {
      float sum = 0;
      UNROLLED for (int i = 0; i < k; i++) {
        const int place = chain_order(i, k, pairs);
        sum = __builtin_fmaf(a[r * k + place], b[place * n + j], sum);
      }
      sum += 0;  // makes -0 into +0, as everywhere
      c[r * n + j] = adds ? sum + bias[j] : sum;
    }
}

// Adds the products of index i to all m x n chains.
NARROW_TARGET ND_INLINE void add_to_chains(
    const struct nd_product *p, const int m, const int n, ptrdiff_t i, float *sums) {
  const float *a = p->a + i * p->a_column, *b = p->b + i * p->b_row;
  UNROLLED for (int r = 0; r < m; r++)
    UNROLLED for (int j = 0; j < n; j++)
      sums[r * n + j] = __builtin_fmaf(a[r * p->a_row], b[j * p->b_column], sums[r * n + j]);
}

// row_sums: receives the sums of the rows of `summed`, which has the layout of a; or 0. Each
// product of a chain waits for the one before it; the row sums are computed meanwhile.
NARROW_TARGET ND_INLINE void tiny_chains(
    const struct nd_product *p, const int m, const int n, const int pairs, float *row_sums,
    const float *summed) {
  float sums[MAX_NARROW * MAX_NARROW] = {0}, own[MAX_NARROW] = {0};
  const ptrdiff_t step = pairs ? 2 : 1;
  for (ptrdiff_t i = 0; i < p->k; i += step) {
    if (pairs && i + 1 < p->k) add_to_chains(p, m, n, i + 1, sums);
    add_to_chains(p, m, n, i, sums);
    if (row_sums)
      for (ptrdiff_t s = i; s < MINIMUM(i + step, p->k); s++)
        UNROLLED for (int r = 0; r < m; r++) own[r] += summed[s * p->a_column + r * p->a_row];
  }
  for (int r = 0; r < m; r++) {
    if (row_sums) row_sums[r] = own[r];
    for (int j = 0; j < n; j++) {
      const float sum = sums[r * n + j] + 0;
      p->c[r * p->c_row + j] = p->bias ? sum + p->bias[j] : sum;
    }
  }
}

#define CASE(body, x, y, ...) \
  case 8 * x + y: return body(p, x, y __VA_OPT__(, ) __VA_ARGS__);
#define CASES(body, ...)                                                                    \
  CASE(body, 1, 1, __VA_ARGS__) CASE(body, 1, 2, __VA_ARGS__) CASE(body, 1, 3, __VA_ARGS__) \
  CASE(body, 1, 4, __VA_ARGS__) CASE(body, 2, 1, __VA_ARGS__) CASE(body, 2, 2, __VA_ARGS__) \
  CASE(body, 2, 3, __VA_ARGS__) CASE(body, 2, 4, __VA_ARGS__) CASE(body, 3, 1, __VA_ARGS__) \
  CASE(body, 3, 2, __VA_ARGS__) CASE(body, 3, 3, __VA_ARGS__) CASE(body, 3, 4, __VA_ARGS__) \
  CASE(body, 4, 1, __VA_ARGS__) CASE(body, 4, 2, __VA_ARGS__) CASE(body, 4, 3, __VA_ARGS__) \
  CASE(body, 4, 4, __VA_ARGS__)

NARROW_TARGET static void multiply_slim(const struct nd_product *p) {
  switch (8 * p->k + p->n) { CASES(slim_rows, 0) }
}

NARROW_TARGET static void multiply_slim_pairs(const struct nd_product *p) {
  switch (8 * p->k + p->n) { CASES(slim_rows, 1) }
}

NARROW_TARGET static void multiply_tiny(const struct nd_product *p) {
  switch (8 * p->m + p->n) { CASES(tiny_chains, 0, 0, 0) }
}

NARROW_TARGET static void multiply_tiny_pairs(const struct nd_product *p) {
  switch (8 * p->m + p->n) { CASES(tiny_chains, 1, 0, 0) }
}

NARROW_TARGET static void multiply_tiny_and_sum(const struct nd_product *p, float *row_sums) {
  switch (8 * p->m + p->n) { CASES(tiny_chains, 0, row_sums, p->a) }
}

NARROW_TARGET static void multiply_tiny_pairs_and_sum(
    const struct nd_product *p, float *row_sums, const float *summed) {
  switch (8 * p->m + p->n) { CASES(tiny_chains, 1, row_sums, summed) }
}
#undef CASE
#undef CASES

// The product of operands rounded to bfloat16, in the same layout, in the scratch memory.
static struct nd_product rounded(const struct nd_product *p) {
  struct nd_product other = *p;
  float *const a = p->scratch, *const b = a + p->m * p->k;
  nd_round_operand_bf16(a, p->a, p->m * p->k);
  nd_round_operand_bf16(b, p->b, p->k * p->n);
  other.a = a;
  other.b = b;
  return other;
}

static ptrdiff_t multiply_narrow_in_bf16(const struct nd_product *p) {
  const struct nd_product other = rounded(p);
  is_tiny(p) ? multiply_tiny_pairs(&other) : multiply_slim_pairs(&other);
  apply_relu_to_all(p);
  return p->m * p->n * p->k;
}

// Whether no sum of any of these n floats can be denormal. That is so if each is a multiple of
// 2^-126, the smallest normal number: a sum that is exact is then a multiple too, and a sum that is
// rounded is larger.
ND_KERNEL static int has_normal_sums(const float *x, ptrdiff_t n) {
  uint32_t minimum = UINT32_MAX;
  for (ptrdiff_t i = 0; i < n; i++) {
    uint32_t bits;
    memcpy(&bits, &x[i], sizeof bits);
    const uint32_t before = (bits & 0x7fffffffu) - 1;  // wraps around for 0, which then is largest
    minimum = MINIMUM(minimum, before);
  }
  const uint32_t exponent = 127 - 103;  // the last bit of 2^-103 is 2^-126
  return minimum >= (exponent << 23) - 1;
}
