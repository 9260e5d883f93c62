/* One kernel row of a depthwise convolution, for a few neighbouring pixels of one channel whose input row is contiguous. */
#ifndef NN_DEPTHWISE_H
#define NN_DEPTHWISE_H

#include "lanes.h"

#if defined(NN_DSP)
/* x[i] and x[i + 2]. Every word starts at an even index, so neighbouring pixels share it. */
NN_INLINE uint32_t NN_depthwise_pair(const int8_t *x, int32_t i)
{
    return i & 1 ? NN_odd_lanes(NN_load_lanes(x + i - 1)) : NN_even_lanes(NN_load_lanes(x + i));
}

/* sum + x[i] * weight.low, out of a word that a pair below i has loaded already. */
NN_INLINE int32_t NN_depthwise_single(int32_t sum, const int8_t *x, int32_t i, uint32_t weight)
{
    return i < 2 ? NN_add_low_low(sum, NN_depthwise_pair(x, i), weight) : NN_add_high_low(sum, NN_depthwise_pair(x, i - 2), weight);
}

NN_INLINE int32_t NN_depthwise_row(int32_t sum, const int8_t *x, int32_t first, const int8_t *w, int32_t taps)
{
    int32_t t = 0;
    for (; t + 3 < taps; t += 4) {
        const uint32_t weights = NN_load_lanes(w + t);
        sum = NN_add_both(sum, NN_depthwise_pair(x, first + t), NN_even_lanes(weights));
        sum = NN_add_both(sum, NN_depthwise_pair(x, first + t + 1), NN_odd_lanes(weights));
    }
    if (taps - t == 3) {
        const uint32_t weights = NN_load_lanes(w + t);
        sum = NN_add_both(sum, NN_depthwise_pair(x, first + t), NN_even_lanes(weights));
        sum = NN_depthwise_single(sum, x, first + t + 1, NN_odd_lanes(weights));
    } else {
        for (; t < taps; t++)
            sum = NN_depthwise_single(sum, x, first + t, (uint32_t)w[t]);
    }
    return sum;
}
#else
NN_INLINE int32_t NN_depthwise_row(int32_t sum, const int8_t *x, int32_t first, const int8_t *w, int32_t taps)
{
    for (int32_t t = 0; t < taps; t++)
        sum += x[first + t] * w[t];
    return sum;
}
#endif

/* sums[p] += x[p * stride + t] * w[t] over the taps t, for 1 to 6 pixels p; up to three bytes behind the last are read. */
NN_INLINE void NN_depthwise_taps(int32_t *sums, const int8_t *x, const int8_t *w, int32_t pixels, int32_t stride, int32_t taps)
{
#define NN_PIXEL(p) \
    if (p < pixels) \
        sums[p] = NN_depthwise_row(sums[p], x, p * stride, w, taps)
    NN_PIXEL(0);
    NN_PIXEL(1);
    NN_PIXEL(2);
    NN_PIXEL(3);
    NN_PIXEL(4);
    NN_PIXEL(5);
#undef NN_PIXEL
}

/* The same with the taps a distance apart. */
NN_INLINE void NN_depthwise_dilated_taps(int32_t *sums, const int8_t *x, const int8_t *w, int32_t pixels, int32_t stride, int32_t taps,
                                         int32_t dilation)
{
    for (int32_t p = 0; p < pixels; p++)
        for (int32_t t = 0; t < taps; t++)
            sums[p] += x[p * stride + t * dilation] * w[t];
}

#endif
