/* The clamp range of an activation function where it is less than the range of int8. */
#ifndef NN_CLAMP_H
#define NN_CLAMP_H

#include <stdint.h>

#include "linkage.h"
#include "requantize.h"

/* Outputs of a block, `channels` of each pixel, limited to low..high; pixels are `stride` bytes apart. */
NN_SHARED void NN_clamp_block(int8_t *y, int32_t pixels, int32_t channels, int32_t stride, int32_t low, int32_t high)
{
    for (; pixels > 0; --pixels) {
        for (int32_t c = 0; c < channels; ++c) {
            y[c] = (int8_t)NN_clamp(y[c], low, high);
        }
        y += stride;
    }
}

#endif
