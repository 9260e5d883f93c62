/* Pooling: one window of one to four neighbouring channels. The window is given as its cells inside the input: `rows` of `columns`
 * cells, `row_bytes` and `cell_bytes` apart. */
#ifndef NN_POOL_H
#define NN_POOL_H

#include "dsp.h"
#include "linkage.h"
#include "requantize.h"

#if NN_HAS_DSP
/* Sums of the bytes of a window's words. Two int16 sums share a register, which holds at least 255 cells. */
NN_INLINE void NN_sum_words(int32_t *sums, const int8_t *x, int32_t rows, int32_t columns, int32_t row_bytes, int32_t cell_bytes)
{
    uint32_t even = 0, odd = 0;
    for (; rows > 0; rows--, x += row_bytes) {
        const int8_t *cell = x;
        NN_REPEATED for (int32_t i = 0; i < columns; i++, cell += cell_bytes) {
            const uint32_t word = NN_load_word(cell);
            even = NN_sxtab16(even, word);
            odd = NN_sxtab16_odd(odd, word);
        }
    }
    sums[0] += (int16_t)even;
    sums[1] += (int16_t)odd;
    sums[2] += (int32_t)even >> 16;
    sums[3] += (int32_t)odd >> 16;
}
#endif

/* Sum of one channel's cells. */
NN_SHARED int32_t NN_sum_channel(const int8_t *x, int32_t rows, int32_t columns, int32_t row_bytes, int32_t cell_bytes)
{
    int32_t sum = 0;
    for (; rows > 0; rows--, x += row_bytes) {
        const int8_t *cell = x;
        NN_REPEATED for (int32_t i = columns; i > 0; i--, cell += cell_bytes)
            sum += *cell;
    }
    return sum;
}

/* Sums over the window, at most `most` cells. */
NN_INLINE void NN_sum_window(int32_t *sums, const int8_t *x, int32_t channels, int32_t rows, int32_t columns, int32_t row_bytes,
                             int32_t cell_bytes, int32_t most)
{
#if NN_HAS_DSP
    if (channels == 4) {
        if (most <= 255) {
            NN_sum_words(sums, x, rows, columns, row_bytes, cell_bytes);
            return;
        }
        for (; rows > 0; rows--, x += row_bytes) {
            int32_t i = 0;
            for (; columns - i > 255; i += 255)
                NN_sum_words(sums, x + i * cell_bytes, 1, 255, 0, cell_bytes);
            NN_sum_words(sums, x + i * cell_bytes, 1, columns - i, 0, cell_bytes);
        }
        return;
    }
#else
    (void)most;
#endif
    NN_REPEATED for (int32_t c = 0; c < channels; c++)
        sums[c] = NN_sum_channel(x + c, rows, columns, row_bytes, cell_bytes);
}

/* sum / count, ties away from zero. `reciprocal` is 2^24 / count rounded up, which gives the exact quotient up to 361 cells because
 * (128 * count + count / 2) * count < 2^24; 2^40 / count where `most` cells are more; or 0: divide. */
NN_INLINE int32_t NN_mean(int32_t sum, int32_t count, int32_t reciprocal, int32_t most)
{
    const uint32_t numerator = (uint32_t)(sum < 0 ? -sum : sum) + ((uint32_t)count >> 1);
    const uint32_t factor = (uint32_t)reciprocal;
    const uint32_t mean = reciprocal == 0 ? numerator / (uint32_t)count
                          : most <= 361  ? numerator * factor >> 24
                                         : (uint32_t)((uint64_t)numerator * factor >> 40);
    return sum < 0 ? -(int32_t)mean : (int32_t)mean;
}

NN_INLINE void NN_average_pool(int8_t *y, const int8_t *x, int32_t channels, int32_t rows, int32_t columns, int32_t row_bytes,
                               int32_t cell_bytes, int32_t most, int32_t reciprocal, int32_t low, int32_t high)
{
    int32_t sums[4] = {0, 0, 0, 0};
    NN_sum_window(sums, x, channels, rows, columns, row_bytes, cell_bytes, most);
    NN_REPEATED for (int32_t c = 0; c < channels; c++)
        y[c] = (int8_t)NN_clamp(NN_mean(sums[c], rows * columns, reciprocal, most), low, high);
}

NN_INLINE void NN_max_pool(int8_t *y, const int8_t *x, int32_t channels, int32_t rows, int32_t columns, int32_t row_bytes,
                           int32_t cell_bytes, int32_t low, int32_t high)
{
#if NN_HAS_DSP
    if (channels == 4) {
        uint32_t greatest = (uint32_t)(low & 0xFF) * UINT32_C(0x01010101);
        for (; rows > 0; rows--, x += row_bytes) {
            const int8_t *cell = x;
            NN_REPEATED for (int32_t i = 0; i < columns; i++, cell += cell_bytes)
                greatest = NN_greater_bytes(greatest, NN_load_word(cell));
        }
        if (high < 127)
            greatest = NN_lesser_bytes(greatest, (uint32_t)(high & 0xFF) * UINT32_C(0x01010101));
        NN_store_word(y, greatest);
        return;
    }
#endif
    for (int32_t c = 0; c < channels; c++) {
        int32_t greatest = low;
        const int8_t *row = x + c;
        for (int32_t r = 0; r < rows; r++, row += row_bytes) {
            const int8_t *cell = row;
            NN_REPEATED for (int32_t i = 0; i < columns; i++, cell += cell_bytes)
                greatest = *cell > greatest ? *cell : greatest;
        }
        y[c] = (int8_t)(greatest < high ? greatest : high);
    }
}

#endif
