/* One kernel row of a depthwise convolution, for a few neighbouring pixels of one channel whose input row is contiguous. */
#ifndef NN_DEPTHWISE_H
#define NN_DEPTHWISE_H

#include <stdint.h>

#include "linkage.h"

/* sums[p] += x[p * stride + t] * w[t] over the taps t, for 1 to 6 pixels p. */
NN_INLINE void NN_depthwise_taps(int32_t *sums, const int8_t *x, const int8_t *w, int32_t pixels, int32_t stride, int32_t taps)
{
#define NN_EACH_PIXEL(body) body(0) body(1) body(2) body(3) body(4) body(5)
#define NN_TAP_OF(p) \
    if (p < pixels) \
        sums[p] += x[p * stride] * weight;
    NN_REPEATED for (; taps > 0; taps--, x++) {
        const int32_t weight = *w++;
        NN_EACH_PIXEL(NN_TAP_OF)
    }
#undef NN_TAP_OF
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
