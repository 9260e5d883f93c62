/* Depthwise convolution with two taps in one multiplication, for a few neighbouring pixels of one channel.
 *
 * Four weights, and with DSP instructions four cells of a plane, lie in a word in the order 0, 2, 1, 3: then one SXTB16 gives
 * neighbours 0 and 1 as halfwords and another one 2 and 3, and whatever the stride, a window begins with such a pair of cells or
 * in the middle of one. The byte beside the last of an odd number of weights is the weight before it. */
#ifndef NN_PAIRS_H
#define NN_PAIRS_H

#include "dsp.h"
#include "linkage.h"

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

/* sums[p] += x[p * stride + t] * w[t] over the taps t, for 1 to 6 pixels p; x is the first cell of a word. */
NN_INLINE void NN_paired_taps(int32_t *sums, const int8_t *x, const int8_t *w, int32_t pixels, int32_t stride, int32_t taps)
{
#if NN_HAS_DSP
#define NN_MOST_TAPS 16
    uint32_t weights[NN_MOST_TAPS / 2];
    NN_STRAIGHT for (int32_t t = 0; t < taps; t += 2)
        weights[t / 2] = NN_pair(w, t);
    NN_STRAIGHT for (int32_t i = 0; i < (pixels - 1) * stride + taps; i += 2) {
        const uint32_t pair = NN_pair(x, i);
#define NN_PIXEL(p) \
    if (p < pixels) \
        sums[p] = NN_paired_product(sums[p], pair, i - p * stride, weights, taps);
        NN_PIXEL(0) NN_PIXEL(1) NN_PIXEL(2) NN_PIXEL(3) NN_PIXEL(4) NN_PIXEL(5)
#undef NN_PIXEL
    }
#else
    for (int32_t p = 0; p < pixels; p++)
        for (int32_t t = 0; t < taps; t++)
            sums[p] += x[p * stride + t] * w[NN_paired(t)];
#endif
}

#endif
