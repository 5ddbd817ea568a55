#pragma once
#include <oneapi/dnnl/dnnl.h>

// Debian's oneDNN runs on libgomp, whose header Swift's clang does not have. The number of threads
// is a setting of the calling thread; nndist keeps it at 1, since oneDNN's bits depend on it.
extern void omp_set_num_threads(int);
static inline void conednn_use_one_thread(void) { omp_set_num_threads(1); }
