/* The greater or lesser of one to four elements of two operands. */
#ifndef NN_EXTREMUM_H
#define NN_EXTREMUM_H

#include "elementwise.h"

NN_INLINE void NN_maximum(int8_t *y, const int8_t *first, int32_t first_step, const int8_t *second, int32_t second_step,
                          int32_t count)
{
#if NN_HAS_DSP
    if (count == 4) {
        NN_store_word(y, NN_greater_bytes(NN_load_elements(first, first_step), NN_load_elements(second, second_step)));
        return;
    }
#endif
    NN_REPEATED for (int32_t i = 0; i < count; i++) {
        const int8_t a = first[i * first_step], b = second[i * second_step];
        y[i] = a > b ? a : b;
    }
}

NN_INLINE void NN_minimum(int8_t *y, const int8_t *first, int32_t first_step, const int8_t *second, int32_t second_step,
                          int32_t count)
{
#if NN_HAS_DSP
    if (count == 4) {
        NN_store_word(y, NN_lesser_bytes(NN_load_elements(first, first_step), NN_load_elements(second, second_step)));
        return;
    }
#endif
    NN_REPEATED for (int32_t i = 0; i < count; i++) {
        const int8_t a = first[i * first_step], b = second[i * second_step];
        y[i] = a < b ? a : b;
    }
}

#endif
