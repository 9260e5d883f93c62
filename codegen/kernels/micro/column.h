/* Depthwise convolution by windows one column wide, four neighbouring channels of channels-last data at a time. */
#ifndef NN_COLUMN_H
#define NN_COLUMN_H

#include "dsp.h"
#include "linkage.h"

/* sums[c] += x[t * pitch + c] * w[4 * t + c] over the taps t, for four channels c. */
NN_MICRO void NN_depthwise_column(int32_t *sums, const int8_t *x, const int8_t *w, int32_t taps, int32_t pitch)
{
    int32_t s0 = sums[0], s1 = sums[1], s2 = sums[2], s3 = sums[3];
    NN_REPEATED for (; taps > 0; taps--, x += pitch, w += 4) {
#if NN_HAS_DSP
        const uint32_t cells = NN_load_word(x), weights = NN_load_word(w);
        const uint32_t even = NN_sxtb16(cells), odd = NN_sxtb16_odd(cells);
        const uint32_t even_weights = NN_sxtb16(weights), odd_weights = NN_sxtb16_odd(weights);
        NN_MULTIPLY_ADD("smlabb", even, even_weights, s0);
        NN_MULTIPLY_ADD("smlatt", even, even_weights, s2);
        NN_MULTIPLY_ADD("smlabb", odd, odd_weights, s1);
        NN_MULTIPLY_ADD("smlatt", odd, odd_weights, s3);
#else
        s0 += x[0] * w[0];
        s1 += x[1] * w[1];
        s2 += x[2] * w[2];
        s3 += x[3] * w[3];
#endif
    }
    sums[0] = s0;
    sums[1] = s1;
    sums[2] = s2;
    sums[3] = s3;
}

#endif
