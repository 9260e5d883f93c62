/* Input rows as planes: from channels-last rows to one contiguous row per channel, with cells around it for the padding. */
#ifndef NN_PLANES_H
#define NN_PLANES_H

#include "dsp.h"
#include "linkage.h"

/* to[c * pitch + i] = from[i * channels + c] */
NN_SHARED void NN_planar_row(int8_t *to, const int8_t *from, int32_t width, int32_t channels, int32_t pitch)
{
    int32_t c = 0;
#if NN_HAS_DSP
    NN_ROLLED for (; c + 4 <= channels; c += 4) {
        int8_t *plane = to + c * pitch;
        const int8_t *cell = from + c;
        int32_t i = 0;
        NN_ROLLED for (; i + 4 <= width; i += 4) {
            const uint32_t w0 = NN_load_word(cell), w1 = NN_load_word(cell + channels);
            const uint32_t w2 = NN_load_word(cell + 2 * channels), w3 = NN_load_word(cell + 3 * channels);
            const uint32_t even = 0x00FF00FFU;
            /* Cells 0 and 2, 1 and 3 side by side: channels 0, 1 first, then channels 2, 3. */
            uint32_t a = (w0 & 0xFFFFU) | w2 << 16, b = (w1 & 0xFFFFU) | w3 << 16;
            NN_store_word(plane + i, (a & even) | (b & even) << 8);
            NN_store_word(plane + i + pitch, (a >> 8 & even) | (b & ~even));
            a = w0 >> 16 | (w2 & 0xFFFF0000U);
            b = w1 >> 16 | (w3 & 0xFFFF0000U);
            NN_store_word(plane + i + 2 * pitch, (a & even) | (b & even) << 8);
            NN_store_word(plane + i + 3 * pitch, (a >> 8 & even) | (b & ~even));
            cell += 4 * channels;
        }
        NN_ROLLED for (; i < width; i++) {
            for (int32_t k = 0; k < 4; k++)
                plane[k * pitch + i] = cell[k];
            cell += channels;
        }
    }
#endif
    to += c * pitch;
    NN_ROLLED for (; c < channels; c++, to += pitch) {
        const int8_t *cell = from + c;
        NN_ROLLED for (int32_t i = 0; i < width; i++, cell += channels)
            to[i] = *cell;
    }
}

/* The first cells of every row become value. */
NN_SHARED void NN_fill_cells(int8_t *to, int32_t value, int32_t cells, int32_t rows, int32_t pitch)
{
    int32_t i = 0;
#if NN_HAS_DSP
    const uint32_t word = (uint32_t)(value & 0xFF) * UINT32_C(0x01010101);
    NN_ROLLED for (; i + 4 <= cells; i += 4) {
        int8_t *row = to + i;
        NN_ROLLED for (int32_t r = 0; r < rows; r++, row += pitch)
            NN_store_word(row, word);
    }
#endif
    NN_ROLLED for (; i < cells; i++) {
        int8_t *row = to + i;
        int32_t r = rows;
        NN_ROLLED for (; r >= 4; r -= 4) {
            row[0] = (int8_t)value;
            row[pitch] = (int8_t)value;
            row += 2 * pitch;
            row[0] = (int8_t)value;
            row[pitch] = (int8_t)value;
            row += 2 * pitch;
        }
        NN_ROLLED for (; r > 0; r--, row += pitch)
            row[0] = (int8_t)value;
    }
}

#endif
