/* One kernel row of a depthwise convolution, for a few neighbouring pixels of one channel whose input row is contiguous. */
#ifndef NN_DEPTHWISE_H
#define NN_DEPTHWISE_H

#include "dsp.h"
#include "linkage.h"

#if NN_HAS_DSP
/* sum + x.low * weight.low */
NN_INLINE int32_t NN_smlabb(uint32_t x, uint32_t weight, int32_t sum)
{
    int32_t result;
    __asm__("smlabb %0, %1, %2, %3" : "=r"(result) : "r"(x), "r"(weight), "r"(sum));
    return result;
}

/* sum + x.high * weight.low */
NN_INLINE int32_t NN_smlatb(uint32_t x, uint32_t weight, int32_t sum)
{
    int32_t result;
    __asm__("smlatb %0, %1, %2, %3" : "=r"(result) : "r"(x), "r"(weight), "r"(sum));
    return result;
}

/* x[i] and x[i + 2]. Every word starts at an even index, so neighbouring pixels share it. */
NN_INLINE uint32_t NN_depthwise_pair(const int8_t *x, int32_t i)
{
    return (i & 1) != 0 ? NN_sxtb16_odd(NN_load_word(x + i - 1)) : NN_sxtb16(NN_load_word(x + i));
}

/* sum + x[i] * weight.low, taken from a pair that starts lower: its word is loaded already. */
NN_INLINE int32_t NN_depthwise_single(const int8_t *x, int32_t i, uint32_t weight, int32_t sum)
{
    return i < 2 ? NN_smlabb(NN_depthwise_pair(x, i), weight, sum) : NN_smlatb(NN_depthwise_pair(x, i - 2), weight, sum);
}

NN_INLINE int32_t NN_depthwise_row(int32_t sum, const int8_t *x, int32_t first, const int8_t *w, int32_t taps)
{
    int32_t t = 0;
    for (; t + 3 < taps; t += 4) {
        const uint32_t weights = NN_load_word(w + t);
        sum = NN_smlad(NN_depthwise_pair(x, first + t), NN_sxtb16(weights), sum);
        sum = NN_smlad(NN_depthwise_pair(x, first + t + 1), NN_sxtb16_odd(weights), sum);
    }
    if (taps - t == 3) {
        const uint32_t weights = NN_load_word(w + t);
        sum = NN_smlad(NN_depthwise_pair(x, first + t), NN_sxtb16(weights), sum);
        return NN_depthwise_single(x, first + t + 1, NN_sxtb16_odd(weights), sum);
    }
    for (; t < taps; t++)
        sum = NN_depthwise_single(x, first + t, (uint32_t)w[t], sum);
    return sum;
}
#endif

/* sums[p] += x[p * stride + t] * w[t] over the taps t, for 1 to 6 pixels p; up to three bytes behind the last are read. */
NN_INLINE void NN_depthwise_taps(int32_t *sums, const int8_t *x, const int8_t *w, int32_t pixels, int32_t stride, int32_t taps)
{
#define NN_EACH_PIXEL(body) body(0) body(1) body(2) body(3) body(4) body(5)
#if NN_HAS_DSP
#define NN_ROW_OF(p) \
    if (p < pixels) \
        sums[p] = NN_depthwise_row(sums[p], x, p * stride, w, taps);
    NN_EACH_PIXEL(NN_ROW_OF)
#undef NN_ROW_OF
#else
#define NN_TAP_OF(p) \
    if (p < pixels) \
        sums[p] += x[p * stride] * weight;
    for (; taps > 0; taps--, x++) {
        const int32_t weight = *w++;
        NN_EACH_PIXEL(NN_TAP_OF)
    }
#undef NN_TAP_OF
#endif
#undef NN_EACH_PIXEL
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
