#pragma once
#include <stddef.h>
#include <stdint.h>

/// Row r of `dst` becomes row rows[r] of `src` as float32: x / 255 where `unit` is not 0, else x.
/// - dst: [rowCount, rowLength]; must not overlap `src`.
/// - rows: [rowCount]; not checked against the length of `src`.
/// The same bits on every instruction set: IEEE division is correctly rounded.
void nd_gather_u8(
    float *dst, const uint8_t *src, const int32_t *rows, ptrdiff_t rowCount, ptrdiff_t rowLength,
    int unit);
