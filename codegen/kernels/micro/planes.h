/* Input rows as planes: from channels-last rows to one contiguous row per channel, with cells behind it for the padding. */
#ifndef NN_PLANES_H
#define NN_PLANES_H

#include "dsp.h"
#include "linkage.h"

/* to[c * pitch + i] = before <= i < before + width ? from[(i - before) * channels + c] : zero_point, for i < pitch and the first
 * count channels */
NN_SHARED void NN_planes(int8_t *to, const int8_t *from, int32_t count, int32_t channels, int32_t before, int32_t width, int32_t pitch,
                         int32_t zero_point)
{
    NN_ROLLED for (; count > 0; count--) {
        const int8_t *cell = from++;
        int32_t i = 0;
        NN_ROLLED for (; i < before; i++)
            *to++ = (int8_t)zero_point;
        NN_ROLLED for (; i < before + width; i++, cell += channels)
            *to++ = *cell;
        NN_ROLLED for (; i < pitch; i++)
            *to++ = (int8_t)zero_point;
    }
}

/* Cells of padding. */
NN_SHARED void NN_fill_cells(int8_t *to, int32_t zero_point, int32_t cells)
{
    int32_t i = 0;
#if NN_HAS_DSP
    const uint32_t word = (uint32_t)(zero_point & 0xFF) * UINT32_C(0x01010101);
    NN_ROLLED for (; i + 4 <= cells; i += 4)
        NN_store_word(to + i, word);
#endif
    NN_ROLLED for (; i < cells; i++)
        to[i] = (int8_t)zero_point;
}

/* Cells of a few planes, kept for the next output row. */
NN_SHARED void NN_copy_cells(int8_t *to, const int8_t *from, int32_t cells)
{
    NN_ROLLED for (; cells > 0; cells--)
        *to++ = *from++;
}

/* The same for whole, aligned words. */
NN_SHARED void NN_copy_words(int8_t *to, const int8_t *from, int32_t cells)
{
    NN_ROLLED for (; cells >= 16; cells -= 16, to += 16, from += 16)
        __builtin_memcpy(__builtin_assume_aligned(to, 4), __builtin_assume_aligned(from, 4), 16);
    NN_ROLLED for (; cells > 0; cells -= 4, to += 4, from += 4)
        __builtin_memcpy(__builtin_assume_aligned(to, 4), __builtin_assume_aligned(from, 4), 4);
}

#endif
