/* Gathering: the input cells under one output pixel, as 16-bit numbers with the zero point taken off, into a patch.
 *
 * A patch holds `pixels` output pixels side by side. Of each group of four input cells k0..k3, a pixel has the pairs (k0, k2) and
 * (k1, k3): what sign extension of a word's bytes gives. The pairs of the pixels alternate: pair 0 of pixel 0, pair 0 of pixel 1,
 * ..., pair 1 of pixel 0, ... `patch` points to the first pair of the pixel in question. */
#ifndef NN_GATHER_H
#define NN_GATHER_H

#include <stdint.h>

#include "dsp.h"
#include "linkage.h"

/* The patch of `cells` cells at x. The last group is filled up with zeros. */
NN_MICRO void NN_expand(int16_t *patch, const int8_t *x, int32_t cells, int32_t pixels, int32_t zero_point)
{
#if NN_HAS_DSP
    const uint32_t offset = (uint32_t)(-zero_point & 0xFFFF) * UINT32_C(0x10001);
    for (; cells >= 16; cells -= 16) {
        uint32_t a, b, c, d;
        /* Loads next to each other take half the time; compilers part them. */
        __asm__("ldr %0, [%4]\n\tldr %1, [%4, #4]\n\tldr %2, [%4, #8]\n\tldr %3, [%4, #12]"
                : "=&r"(a), "=&r"(b), "=&r"(c), "=&r"(d)
                : "r"(x), "m"(*(const int8_t(*)[16])x));
        NN_store_word(patch, NN_sxtab16(offset, a));
        NN_store_word(patch + 2 * pixels, NN_sxtab16_odd(offset, a));
        NN_store_word(patch + 4 * pixels, NN_sxtab16(offset, b));
        NN_store_word(patch + 6 * pixels, NN_sxtab16_odd(offset, b));
        NN_store_word(patch + 8 * pixels, NN_sxtab16(offset, c));
        NN_store_word(patch + 10 * pixels, NN_sxtab16_odd(offset, c));
        NN_store_word(patch + 12 * pixels, NN_sxtab16(offset, d));
        NN_store_word(patch + 14 * pixels, NN_sxtab16_odd(offset, d));
        patch += 16 * pixels;
        x += 16;
    }
    NN_REPEATED for (; cells >= 4; cells -= 4) {
        const uint32_t word = NN_load_word(x);
        NN_store_word(patch, NN_sxtab16(offset, word));
        NN_store_word(patch + 2 * pixels, NN_sxtab16_odd(offset, word));
        patch += 4 * pixels;
        x += 4;
    }
#else
    NN_REPEATED for (; cells >= 4; cells -= 4) {
        patch[0] = (int16_t)(x[0] - zero_point);
        patch[1] = (int16_t)(x[2] - zero_point);
        patch[2 * pixels] = (int16_t)(x[1] - zero_point);
        patch[2 * pixels + 1] = (int16_t)(x[3] - zero_point);
        patch += 4 * pixels;
        x += 4;
    }
#endif
    if (cells > 0) {
        patch[0] = (int16_t)(x[0] - zero_point);
        patch[1] = (int16_t)(cells > 2 ? x[2] - zero_point : 0);
        patch[2 * pixels] = (int16_t)(cells > 1 ? x[1] - zero_point : 0);
        patch[2 * pixels + 1] = 0;
    }
}

/* The patch of `cells` cells outside the input; a multiple of four. */
NN_SHARED void NN_clear(int16_t *patch, int32_t cells, int32_t pixels)
{
    NN_REPEATED for (; cells > 0; cells -= 4) {
        patch[0] = 0;
        patch[1] = 0;
        patch[2 * pixels] = 0;
        patch[2 * pixels + 1] = 0;
        patch += 4 * pixels;
    }
}

/* The patch of a run that the border cuts: cells outside the input, inside, and outside again; all three multiples of four. */
NN_SHARED void NN_expand_clipped(int16_t *patch, const int8_t *x, int32_t before, int32_t inside, int32_t after, int32_t pixels, int32_t zero_point)
{
    NN_clear(patch, before, pixels);
    patch += before * pixels;
    NN_expand(patch, x, inside, pixels, zero_point);
    patch += inside * pixels;
    NN_clear(patch, after, pixels);
}

/* `cells` times the zero point. */
NN_SHARED void NN_fill(int8_t *cells_at, int32_t cells, int32_t zero_point)
{
    for (; cells > 0; --cells) {
        *cells_at++ = (int8_t)zero_point;
    }
}

/* A run of cells of any length, as bytes. Without unaligned words there is more to it than a call costs. */
#if NN_FEW_REGISTERS
NN_SHARED
#else
NN_MICRO
#endif
void NN_copy(int8_t *window, const int8_t *x, int32_t cells)
{
#if NN_HAS_DSP
    NN_REPEATED for (; cells >= 4; cells -= 4) {
        NN_store_word(window, NN_load_word(x));
        window += 4;
        x += 4;
    }
#elif NN_FEW_REGISTERS
    if ((((uintptr_t)x | (uintptr_t)window) & 3U) == 0 && cells >= 8) {
        const int8_t *const end = x + (cells & ~7);
        __asm__ volatile(".syntax unified\n\t"
                         "1:\n\t"
                         "ldmia %[x]!, {r4, r5}\n\t"
                         "stmia %[to]!, {r4, r5}\n\t"
                         "cmp %[x], %[end]\n\t"
                         "bne 1b\n\t"
                         : [x] "+l"(x), [to] "+l"(window)
                         : [end] "l"(end)
                         : "r4", "r5", "cc", "memory");
        cells &= 7;
    }
#endif
    for (; cells > 0; --cells) {
        *window++ = *x++;
    }
}

/* The same of a run that the border cuts: cells outside the input, which become the zero point, inside, and outside again. */
NN_SHARED void NN_copy_clipped(int8_t *window, const int8_t *x, int32_t before, int32_t inside, int32_t after, int32_t zero_point)
{
    /* Most such runs are a few cells: loops on the spot take less time than calls. */
    NN_ROLLED
    for (; before > 0; --before) {
        *window++ = (int8_t)zero_point;
    }
    NN_copy(window, x, inside);
    window += inside;
    NN_ROLLED
    for (; after > 0; --after) {
        *window++ = (int8_t)zero_point;
    }
}

#endif
