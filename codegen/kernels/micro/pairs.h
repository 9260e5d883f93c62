/* Depthwise convolution with two taps in one multiplication, for a few neighbouring pixels of one channel.
 *
 * Four weights, and with DSP instructions four cells of a plane, lie in a word in the order 0, 2, 1, 3: then one SXTB16 gives
 * neighbours 0 and 1 as halfwords and another one 2 and 3, and whatever the stride, a window begins with such a pair of cells or
 * in the middle of one. The byte beside the last of an odd number of weights is the weight before it. */
#ifndef NN_PAIRS_H
#define NN_PAIRS_H

#include "dsp.h"
#include "linkage.h"
#include "planes.h"

/* Where a row of cells or weights in words holds its member i. */
NN_INLINE int32_t NN_paired(int32_t i)
{
    return (i & ~3) | (i & 1) << 1 | (i & 2) >> 1;
}

#if NN_HAS_DSP
/* Weights i and i + 1 of a row, i even; cells likewise. */
NN_INLINE uint32_t NN_pair(const int8_t *row, int32_t i)
{
    const uint32_t word = NN_load_word(row + (i & ~3));
    return (i & 2) != 0 ? NN_sxtb16_odd(word) : NN_sxtb16(word);
}

/* sum + what the pair of cells whose first lies under tap t (-1: the one before the first) gives. */
NN_INLINE int32_t NN_paired_product(int32_t sum, uint32_t cells, int32_t t, const uint32_t *w, int32_t taps)
{
    if (t < -1 || t >= taps)
        return sum;
    if (t == -1)
        NN_MULTIPLY_ADD("smlatb", cells, w[0], sum);
    else if (t + 1 == taps && (t & 1) == 0)
        NN_MULTIPLY_ADD("smlabb", cells, w[t / 2], sum);
    else if (t + 1 == taps)
        NN_MULTIPLY_ADD("smlabt", cells, w[t / 2], sum);
    else if ((t & 1) == 0)
        NN_MULTIPLY_ADD("smlad", cells, w[t / 2], sum);
    else if (t + 2 == taps)
        NN_MULTIPLY_ADD("smladx", cells, w[t / 2 + 1], sum);
    else
        NN_MULTIPLY_ADD("smladx", cells, (w[t / 2 + 1] & 0xFFFFU) | (w[t / 2] & 0xFFFF0000U), sum);
    return sum;
}
#endif

/* sums[p] += x[p * stride + t] * w[t] over the taps t, for 1 to 6 pixels p. The row of cells begins padding cells behind x; where
 * it has a number of cells, those around it are not in memory but count as zero_point. */
NN_INLINE void NN_paired_taps(int32_t *sums, const int8_t *x, const int8_t *w, int32_t pixels, int32_t stride, int32_t taps, int32_t padding,
                              int32_t cells, int32_t zero_point)
{
    x += padding;
#if NN_HAS_DSP
#define NN_MOST_TAPS 16
    uint32_t weights[NN_MOST_TAPS / 2];
    const int32_t first = -((padding + 1) & ~1), end = (pixels - 1) * stride + taps - padding;
    NN_STRAIGHT for (int32_t t = 0; t < taps; t += 2)
        weights[t / 2] = NN_pair(w, t);
    NN_STRAIGHT for (int32_t i = first; i < end; i += 2) {
        const int known = cells != 0 && (i < 0 || i >= cells);
        const uint32_t pair = known ? (uint32_t)(zero_point & 0xFFFF) * UINT32_C(0x10001) : NN_pair(x, i);
#define NN_PIXEL(p) \
    if (p < pixels) \
        sums[p] = NN_paired_product(sums[p], pair, i - (p * stride - padding), weights, taps);
        NN_PIXEL(0) NN_PIXEL(1) NN_PIXEL(2) NN_PIXEL(3) NN_PIXEL(4) NN_PIXEL(5)
#undef NN_PIXEL
    }
#else
    for (int32_t p = 0; p < pixels; p++)
        for (int32_t t = 0; t < taps; t++) {
            const int32_t i = p * stride + t - padding;
            const int32_t cell = cells != 0 && (i < 0 || i >= cells) ? zero_point : x[i];
            sums[p] += cell * w[NN_paired(t)];
        }
#endif
}

/* NN_planes for a pitch of whole words. */
NN_SHARED void NN_paired_planes(int8_t *to, const int8_t *from, int32_t width, int32_t count, int32_t channels, int32_t pitch,
                                int32_t zero_point)
{
#if NN_HAS_DSP
    NN_ROLLED for (; count > 0; count--, from++, to += pitch) {
        const int8_t *cell = from;
        NN_ROLLED for (int32_t i = 0; i < pitch; i++, cell += channels)
            to[NN_paired(i)] = (int8_t)(i < width ? *cell : zero_point);
    }
#else
    NN_planes(to, from, width, count, channels, pitch, zero_point);
#endif
}

#if NN_HAS_DSP
/* Four cells of four channels: from one word per cell to one per channel. */
NN_INLINE void NN_paired_block(int8_t *to, int32_t pitch, uint32_t w0, uint32_t w1, uint32_t w2, uint32_t w3)
{
    const uint32_t even = 0x00FF00FFU;
    /* Two cells side by side: channels 0, 1 first, then channels 2, 3. */
    uint32_t a = (w0 & 0xFFFFU) | w1 << 16, b = (w2 & 0xFFFFU) | w3 << 16;
    NN_store_word(to, (a & even) | (b & even) << 8);
    NN_store_word(to + pitch, (a >> 8 & even) | (b & ~even));
    a = w0 >> 16 | (w1 & 0xFFFF0000U);
    b = w2 >> 16 | (w3 & 0xFFFF0000U);
    NN_store_word(to + 2 * pitch, (a & even) | (b & even) << 8);
    NN_store_word(to + 3 * pitch, (a >> 8 & even) | (b & ~even));
}
#endif

/* NN_paired_planes for four channels. */
NN_MICRO void NN_paired_four_planes(int8_t *to, const int8_t *from, int32_t width, int32_t channels, int32_t pitch, int32_t zero_point)
{
#if NN_HAS_DSP
    const uint32_t none = (uint32_t)(zero_point & 0xFF) * UINT32_C(0x01010101);
    int32_t i = 0;
    for (; i + 4 <= width; i += 4, from += 4 * channels) {
        const uint32_t w0 = NN_load_word(from), w1 = NN_load_word(from + channels);
        const uint32_t w2 = NN_load_word(from + 2 * channels), w3 = NN_load_word(from + 3 * channels);
        NN_paired_block(to + i, pitch, w0, w1, w2, w3);
    }
    if (i < width) {
        const uint32_t w0 = NN_load_word(from), w1 = i + 1 < width ? NN_load_word(from + channels) : none;
        const uint32_t w2 = i + 2 < width ? NN_load_word(from + 2 * channels) : none;
        NN_paired_block(to + i, pitch, w0, w1, w2, none);
        i += 4;
    }
    for (; i < pitch; i += 4)
        NN_paired_block(to + i, pitch, none, none, none, none);
#else
    NN_planes(to, from, width, 4, channels, pitch, zero_point);
#endif
}

#endif
