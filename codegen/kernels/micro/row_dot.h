/* Dot products of one input row, as it lies in memory, with the weights of four output channels or one, added to sums[channel].
 *
 * Weights: per group of four cells the four bytes of each channel in turn; the last group is filled up with zeros. The input's zero
 * point is part of the bias. Where there is a DSP extension row_block.h takes most of this work. */
#ifndef NN_ROW_DOT_H
#define NN_ROW_DOT_H

#include <stdint.h>

#include "dsp.h"
#include "linkage.h"

#if NN_HAS_DSP

/* One to three cells as a word. */
NN_INLINE uint32_t NN_load_part(const int8_t *x, int32_t cells)
{
    uint32_t word = (uint8_t)x[0];
    if (cells > 1) {
        word |= (uint32_t)(uint8_t)x[1] << 8;
    }
    if (cells > 2) {
        word |= (uint32_t)(uint8_t)x[2] << 16;
    }
    return word;
}

/* sum + four products of bytes. */
NN_INLINE int32_t NN_dot_word(uint32_t x, uint32_t weights, int32_t sum)
{
    return NN_smlad(NN_sxtb16_odd(x), NN_sxtb16_odd(weights), NN_smlad(NN_sxtb16(x), NN_sxtb16(weights), sum));
}

NN_SHARED void NN_row_dot_4(int32_t *sums, const int8_t *x, const int8_t *weights, int32_t depth)
{
    NN_REPEATED for (; depth > 0; depth -= 4) {
        const uint32_t cells = depth < 4 ? NN_load_part(x, depth) : NN_load_word(x);
        NN_STRAIGHT for (int32_t c = 0; c < 4; ++c) {
            sums[c] = NN_dot_word(cells, NN_load_word(weights + 4 * c), sums[c]);
        }
        x += 4;
        weights += 16;
    }
}

NN_SHARED void NN_row_dot_1(int32_t *sums, const int8_t *x, const int8_t *weights, int32_t depth)
{
    int32_t sum = sums[0];
    NN_REPEATED for (; depth >= 4; depth -= 4) {
        sum = NN_dot_word(NN_load_word(x), NN_load_word(weights), sum);
        x += 4;
        weights += 4;
    }
    if (depth != 0) {
        sum = NN_dot_word(NN_load_part(x, depth), NN_load_word(weights), sum);
    }
    sums[0] = sum;
}

#else

#if NN_FEW_REGISTERS
/* Two of the four channels. */
NN_SHARED void NN_row_dot_2_of_4(int32_t *sums, const int8_t *x, const int8_t *weights, int32_t depth)
{
    int32_t s0 = sums[0], s1 = sums[1];
    NN_REPEATED for (; depth > 0; depth -= 4) {
        const int32_t cells = depth < 4 ? depth : 4;
        for (int32_t k = 0; k < cells; ++k) {
            const int32_t cell = x[k];
            s0 += cell * weights[k];
            s1 += cell * weights[4 + k];
            NN_IN_ORDER(s0, s1);
        }
        x += 4;
        weights += 16;
    }
    sums[0] = s0;
    sums[1] = s1;
}

NN_MICRO void NN_row_dot_4(int32_t *sums, const int8_t *x, const int8_t *weights, int32_t depth)
{
    NN_row_dot_2_of_4(sums, x, weights, depth);
    NN_row_dot_2_of_4(sums + 2, x, weights + 8, depth);
}
#else
NN_MICRO void NN_row_dot_4(int32_t *sums, const int8_t *x, const int8_t *weights, int32_t depth)
{
    int32_t s0 = sums[0], s1 = sums[1], s2 = sums[2], s3 = sums[3];
    NN_REPEATED for (; depth > 0; depth -= 4) {
        const int32_t cells = depth < 4 ? depth : 4;
        for (int32_t k = 0; k < cells; ++k) {
            const int32_t cell = x[k];
            s0 += cell * weights[k];
            s1 += cell * weights[4 + k];
            s2 += cell * weights[8 + k];
            s3 += cell * weights[12 + k];
        }
        x += 4;
        weights += 16;
    }
    sums[0] = s0;
    sums[1] = s1;
    sums[2] = s2;
    sums[3] = s3;
}
#endif

NN_SHARED void NN_row_dot_1(int32_t *sums, const int8_t *x, const int8_t *weights, int32_t depth)
{
    int32_t sum = sums[0];
    NN_REPEATED for (; depth > 0; --depth) {
        sum += *x++ * *weights++;
    }
    sums[0] = sum;
}

#endif

#endif
