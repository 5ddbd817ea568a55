#pragma once
// Not in include/: how the kernels are built, not what they compute.
#if defined(__x86_64__)
#define ND_KERNEL __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define ND_KERNEL
#endif
#define ND_INLINE static inline __attribute__((always_inline))
#define UNROLLED _Pragma("clang loop unroll(full)")
#define MINIMUM(a, b) ((a) < (b) ? (a) : (b))
#define MAXIMUM(a, b) ((a) > (b) ? (a) : (b))
// Every operation rounds on its own, on every instruction set.
#pragma STDC FP_CONTRACT OFF
