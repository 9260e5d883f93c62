/* Gathering: the input cells under one output pixel as 32-bit numbers, in their order. Cells outside the input become the zero
 * point, whose share the bias takes off. */
#ifndef NN_SWAR_PATCH_H
#define NN_SWAR_PATCH_H

#include <stdint.h>

#include "dsp.h"
#include "linkage.h"

/* A run of cells inside the input. */
NN_SHARED void NN_widen(int32_t *patch, const int8_t *x, int32_t cells)
{
#if NN_FEW_REGISTERS
    /* Half the instructions where words may be loaded, which is always so where the channels are a multiple of four. */
    if (((uintptr_t)x & 3U) == 0 && cells >= 4) {
        const int8_t *const end = x + (cells & ~3);
        __asm__ volatile(".syntax unified\n\t"
                         "1:\n\t"
                         "ldmia %[x]!, {r6}\n\t"
                         "sxtb r3, r6\n\t"
                         "sxth r4, r6\n\t"
                         "asrs r4, r4, #8\n\t"
                         "asrs r6, r6, #16\n\t"
                         "sxtb r5, r6\n\t"
                         "asrs r6, r6, #8\n\t"
                         "stmia %[to]!, {r3, r4, r5, r6}\n\t"
                         "cmp %[x], %[end]\n\t"
                         "bne 1b\n\t"
                         : [x] "+l"(x), [to] "+l"(patch)
                         : [end] "l"(end)
                         : "r3", "r4", "r5", "r6", "cc", "memory");
        cells &= 3;
    }
#endif
    NN_ROLLED for (; cells >= 4; cells -= 4) {
        patch[0] = x[0];
        patch[1] = x[1];
        patch[2] = x[2];
        patch[3] = x[3];
        patch += 4;
        x += 4;
    }
    NN_ROLLED for (; cells > 0; --cells) {
        *patch++ = *x++;
    }
}

/* A run of cells outside it. */
NN_SHARED void NN_widen_zero_point(int32_t *patch, int32_t cells, int32_t zero_point)
{
    NN_ROLLED for (; cells > 0; --cells) {
        *patch++ = zero_point;
    }
}

/* A run that the border cuts: cells outside the input, inside, and outside again. */
NN_SHARED void NN_widen_clipped(int32_t *patch, const int8_t *x, int32_t before, int32_t inside, int32_t after, int32_t zero_point)
{
    NN_widen_zero_point(patch, before, zero_point);
    patch += before;
    NN_widen(patch, x, inside);
    patch += inside;
    NN_widen_zero_point(patch, after, zero_point);
}

#endif
