/* Dot products of one to four patches (gather.h) with the weights of one or two output channels, added to sums[pixel][channel].
 *
 * Weights of two channels: per pair of cells (ka, kb) in the patch's order the four bytes c0 ka, c1 ka, c0 kb, c1 kb. Weights of one
 * channel: in the order of the cells. `depth` cells, a multiple of four. Sums wrap in no case that the packed constants allow. Where
 * there is a DSP extension block.h takes most of this work. */
#ifndef NN_DOT_H
#define NN_DOT_H

#include <stdint.h>

#include "dsp.h"
#include "linkage.h"

#if NN_HAS_DSP

NN_INLINE void NN_dot_pixels(int32_t *sums, const int16_t *patch, const int8_t *weights, int32_t depth, int32_t pixels, int32_t channels)
{
    NN_REPEATED for (; depth > 0; depth -= 4) {
        const uint32_t first = NN_load_word(weights);
        if (channels == 2) {
            const uint32_t second = NN_load_word(weights + 4);
            NN_STRAIGHT for (int32_t i = 0; i < pixels; ++i) {
                const uint32_t near = NN_load_word(patch + 2 * i);
                const uint32_t far = NN_load_word(patch + 2 * (pixels + i));
                sums[2 * i] = NN_smlad(NN_sxtb16(first), near, sums[2 * i]);
                sums[2 * i + 1] = NN_smlad(NN_sxtb16_odd(first), near, sums[2 * i + 1]);
                sums[2 * i] = NN_smlad(NN_sxtb16(second), far, sums[2 * i]);
                sums[2 * i + 1] = NN_smlad(NN_sxtb16_odd(second), far, sums[2 * i + 1]);
            }
        } else {
            NN_STRAIGHT for (int32_t i = 0; i < pixels; ++i) {
                sums[i] = NN_smlad(NN_sxtb16(first), NN_load_word(patch + 2 * i), sums[i]);
                sums[i] = NN_smlad(NN_sxtb16_odd(first), NN_load_word(patch + 2 * (pixels + i)), sums[i]);
            }
        }
        weights += 4 * channels;
        patch += 4 * pixels;
    }
}

#else

#define NN_PAIR(number, cell)                               \
    do {                                                    \
        const int32_t value = (cell);                       \
        s[2 * i] += value * weights[2 * (number)];          \
        s[2 * i + 1] += value * weights[2 * (number) + 1];  \
        NN_IN_ORDER(s[2 * i], s[2 * i + 1]);                \
    } while (0)

NN_INLINE void NN_dot_pixels(int32_t *sums, const int16_t *patch, const int8_t *weights, int32_t depth, int32_t pixels, int32_t channels)
{
    int32_t s[6];
    NN_STRAIGHT for (int32_t i = 0; i < pixels * channels; ++i) {
        s[i] = sums[i];
    }
    NN_REPEATED for (; depth > 0; depth -= 4) {
        NN_STRAIGHT for (int32_t i = 0; i < pixels; ++i) {
            const int16_t *const near = patch + 2 * i;
            const int16_t *const far = near + 2 * pixels;
            if (channels == 2) {
                NN_PAIR(0, near[0]);
                NN_PAIR(1, near[1]);
                NN_PAIR(2, far[0]);
                NN_PAIR(3, far[1]);
            } else {
                s[i] += near[0] * weights[0];
                s[i] += far[0] * weights[1];
                s[i] += near[1] * weights[2];
                s[i] += far[1] * weights[3];
            }
        }
        weights += 4 * channels;
        patch += 4 * pixels;
    }
    NN_STRAIGHT for (int32_t i = 0; i < pixels * channels; ++i) {
        sums[i] = s[i];
    }
}

#endif

NN_SHARED void NN_dot_3x2(int32_t *sums, const int16_t *patch, const int8_t *weights, int32_t depth)
{
    NN_dot_pixels(sums, patch, weights, depth, 3, 2);
}

NN_SHARED void NN_dot_2x2(int32_t *sums, const int16_t *patch, const int8_t *weights, int32_t depth)
{
    NN_dot_pixels(sums, patch, weights, depth, 2, 2);
}

NN_SHARED void NN_dot_1x2(int32_t *sums, const int16_t *patch, const int8_t *weights, int32_t depth)
{
    NN_dot_pixels(sums, patch, weights, depth, 1, 2);
}

NN_SHARED void NN_dot_4x1(int32_t *sums, const int16_t *patch, const int8_t *weights, int32_t depth)
{
    NN_dot_pixels(sums, patch, weights, depth, 4, 1);
}

NN_SHARED void NN_dot_3x1(int32_t *sums, const int16_t *patch, const int8_t *weights, int32_t depth)
{
    NN_dot_pixels(sums, patch, weights, depth, 3, 1);
}

NN_SHARED void NN_dot_2x1(int32_t *sums, const int16_t *patch, const int8_t *weights, int32_t depth)
{
    NN_dot_pixels(sums, patch, weights, depth, 2, 1);
}

NN_SHARED void NN_dot_1x1(int32_t *sums, const int16_t *patch, const int8_t *weights, int32_t depth)
{
    NN_dot_pixels(sums, patch, weights, depth, 1, 1);
}

#endif
