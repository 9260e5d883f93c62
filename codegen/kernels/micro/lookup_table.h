/* One to four bytes, each mapped on its own. */
#ifndef NN_LOOKUP_TABLE_H
#define NN_LOOKUP_TABLE_H

#include "dsp.h"
#include "linkage.h"
#include "requantize.h"

/* `table` has 256 entries, in the order of the bytes taken as unsigned. */
NN_INLINE void NN_look_up(int8_t *y, const int8_t *x, int32_t count, const int8_t *table)
{
#if NN_HAS_DSP
    if (count == 4) {
        const uint32_t word = NN_load_word(x);
        const int8_t a = table[word & 0xFF], b = table[word >> 8 & 0xFF], c = table[word >> 16 & 0xFF], d = table[word >> 24];
        y[0] = a;
        y[1] = b;
        y[2] = c;
        y[3] = d;
        return;
    }
#endif
    NN_REPEATED for (int32_t i = 0; i < count; i++)
        y[i] = table[(uint8_t)x[i]];
}

NN_INLINE void NN_clamp_bytes(int8_t *y, const int8_t *x, int32_t count, int32_t low, int32_t high)
{
#if NN_HAS_DSP
    if (count == 4) {
        uint32_t word = NN_load_word(x);
        if (low > -128)
            word = NN_greater_bytes(word, (uint32_t)(low & 0xFF) * UINT32_C(0x01010101));
        if (high < 127)
            word = NN_lesser_bytes(word, (uint32_t)(high & 0xFF) * UINT32_C(0x01010101));
        NN_store_word(y, word);
        return;
    }
#endif
    NN_REPEATED for (int32_t i = 0; i < count; i++)
        y[i] = (int8_t)NN_clamp(x[i], low, high);
}

#endif
