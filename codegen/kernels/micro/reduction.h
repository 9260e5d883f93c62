/* Sums of a window's cells, requantised: one to four neighbouring channels. */
#ifndef NN_REDUCTION_H
#define NN_REDUCTION_H

#include "pool.h"

/* `start` is what the input's zero point takes from the sum of `most` cells. */
NN_INLINE void NN_reduce_sum(int8_t *y, const int8_t *x, int32_t channels, int32_t rows, int32_t columns, int32_t row_bytes,
                             int32_t cell_bytes, int32_t most, int32_t start, int32_t multiplier, int32_t exponent,
                             int32_t zero_point)
{
    int32_t sums[4] = {0, 0, 0, 0};
    NN_sum_window(sums, x, channels, rows, columns, row_bytes, cell_bytes, most);
    NN_REPEATED for (int32_t c = 0; c < channels; c++)
        y[c] = NN_requantize(sums[c] + start, multiplier, exponent, zero_point, -128, 127);
}

/* The same within the limits of NN_requantize_bounded. */
NN_INLINE void NN_reduce_sum_bounded(int8_t *y, const int8_t *x, int32_t channels, int32_t rows, int32_t columns,
                                     int32_t row_bytes, int32_t cell_bytes, int32_t most, int32_t start, int32_t multiplier,
                                     int32_t shift, int32_t zero_point)
{
    int32_t sums[4] = {0, 0, 0, 0};
    NN_sum_window(sums, x, channels, rows, columns, row_bytes, cell_bytes, most);
    NN_REPEATED for (int32_t c = 0; c < channels; c++)
        y[c] = NN_requantize_bounded(sums[c] + start, multiplier, shift, zero_point, -128, 127);
}

#endif
