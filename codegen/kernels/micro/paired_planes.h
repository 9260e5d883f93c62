/* Input rows as planes (planes.h) whose cells are paired (pairs.h): four channels at a time, each word of four cells in one step. */
#ifndef NN_PAIRED_PLANES_H
#define NN_PAIRED_PLANES_H

#include "assembly.h"
#include "dsp.h"
#include "linkage.h"
#include "pairs.h"
#include "planes.h"

/* Whether a row of that width has cell i. */
NN_INLINE int NN_inside(int32_t i, int32_t width)
{
    return (uint32_t)i < (uint32_t)width;
}

#if NN_HAS_DSP
/* Two cells of four channels in each of a and b: the words of two channels, for cells in the order 0, 2, 1, 3. */
#define NN_TWO_CHANNELS(a, b, even, odd)                                                                                         \
    "uxtb16 " #even ", " #a "\n\t"                                                                                              \
    "uxtb16 r12, " #b "\n\t"                                                                                                    \
    "uxtb16 " #odd ", " #a ", ror #8\n\t"                                                                                       \
    "orr " #even ", " #even ", r12, lsl #8\n\t"                                                                                 \
    "uxtb16 r12, " #b ", ror #8\n\t"                                                                                            \
    "orr " #odd ", " #odd ", r12, lsl #8\n\t"

/* Cell n of a block of four, where the row has it. */
#define NN_CELL_INSIDE(n, cell, address)                                                                                         \
    "add r10, r3, #" #n "\n\t"                                                                                                  \
    "cmp r10, r9\n\t"                                                                                                           \
    "it lo\n\t"                                                                                                                 \
    "ldrlo " #cell ", [r1" address "]\n\t"

/* Four cells of four channels: from one word per cell to one per channel. */
NN_INLINE void NN_paired_block(int8_t *to, int32_t pitch, uint32_t w0, uint32_t w1, uint32_t w2, uint32_t w3)
{
    const uint32_t even = 0x00FF00FFU;
    /* Two cells side by side: channels 0, 1 first, then channels 2, 3. */
    uint32_t a = (w0 & 0xFFFFU) | w1 << 16, b = (w2 & 0xFFFFU) | w3 << 16;
    NN_store_word(to, (a & even) | (b & even) << 8);
    NN_store_word(to + pitch, (a >> 8 & even) | (b & ~even));
    a = w0 >> 16 | (w1 & 0xFFFF0000U);
    b = w2 >> 16 | (w3 & 0xFFFF0000U);
    NN_store_word(to + 2 * pitch, (a & even) | (b & even) << 8);
    NN_store_word(to + 3 * pitch, (a >> 8 & even) | (b & ~even));
}

/* NN_paired_planes for four channels; none is the zero point in each byte of a word.
 *
 * r0 runs through the first plane, r1 through the cells, r2 is channels, r3 the number of the cell, r4 three times channels. On the
 * stack: up to which cell a block of four is whole, and the end of the plane; above the saved registers width, pitch and none. */
NN_ASSEMBLY void NN_paired_four_planes(NN_UNNAMED int8_t *to, NN_UNNAMED const int8_t *from, NN_UNNAMED int32_t channels,
                                       NN_UNNAMED int32_t before, NN_UNNAMED int32_t width, NN_UNNAMED int32_t pitch,
                                       NN_UNNAMED uint32_t none)
{
    __asm__ volatile("push {r4-r11, lr}\n\t"
                     "sub sp, #8\n\t"
                     "ldr r5, [sp, #44]\n\t"
                     "ldr lr, [sp, #48]\n\t"
                     "mls r1, r3, r2, r1\n\t"
                     "sub r6, lr, r3\n\t"
                     "subs r5, #3\n\t"
                     "it lt\n\t"
                     "movlt r5, #0\n\t"
                     "strd r5, r6, [sp]\n\t"
                     "rsb r3, r3, #0\n\t"
                     "add r4, r2, r2, lsl #1\n\t"
                     "b 3f\n"
                     "1:\n\t"
                     "ldr r5, [r1]\n\t"
                     "ldr r6, [r1, r2]\n\t"
                     "ldr r7, [r1, r2, lsl #1]\n\t"
                     "ldr r8, [r1, r4]\n"
                     "2:\n\t"
                     "add r1, r1, r2, lsl #2\n\t"
                     "add r3, #4\n\t"
                     "pkhbt r9, r5, r6, lsl #16\n\t"
                     "pkhbt r10, r7, r8, lsl #16\n\t"
                     "pkhtb r6, r6, r5, asr #16\n\t"
                     "pkhtb r8, r8, r7, asr #16\n\t"
                     NN_TWO_CHANNELS(r9, r10, r5, r7) NN_TWO_CHANNELS(r6, r8, r9, r11)
                     "add r10, r0, lr\n\t"
                     "str r5, [r0], #4\n\t"
                     "str r7, [r10]\n\t"
                     "str r9, [r10, lr]\n\t"
                     "str r11, [r10, lr, lsl #1]\n"
                     "3:\n\t"
                     "ldr r9, [sp]\n\t"
                     "cmp r3, r9\n\t"
                     "blo 1b\n\t"
                     "ldr r9, [sp, #4]\n\t"
                     "cmp r3, r9\n\t"
                     "bge 4f\n\t"
                     "ldr r9, [sp, #44]\n\t"
                     "ldr r5, [sp, #52]\n\t"
                     "mov r6, r5\n\t"
                     "mov r7, r5\n\t"
                     "mov r8, r5\n\t"
                     NN_CELL_INSIDE(0, r5, "") NN_CELL_INSIDE(1, r6, ", r2") NN_CELL_INSIDE(2, r7, ", r2, lsl #1")
                     NN_CELL_INSIDE(3, r8, ", r4")
                     "b 2b\n"
                     "4:\n\t"
                     "add sp, #8\n\t"
                     "pop {r4-r11, pc}");
}
#endif

/* NN_planes for a pitch of whole words. */
NN_SHARED void NN_paired_planes(int8_t *to, const int8_t *from, int32_t count, int32_t channels, int32_t before, int32_t width,
                                int32_t pitch, int32_t zero_point)
{
#if NN_HAS_DSP
    const uint32_t none = (uint32_t)(zero_point & 0xFF) * UINT32_C(0x01010101);
    NN_ROLLED for (; count >= 4; count -= 4, from += 4, to += 4 * pitch)
        NN_paired_four_planes(to, from, channels, before, width, pitch, none);
    NN_ROLLED for (; count > 0; count--, from++, to += pitch) {
        const int8_t *cell = from - before * channels;
        NN_ROLLED for (int32_t i = 0; i < pitch; i++, cell += channels)
            to[NN_paired(i)] = (int8_t)(NN_inside(i - before, width) ? *cell : zero_point);
    }
#else
    NN_planes(to, from, count, channels, before, width, pitch, zero_point);
#endif
}

/* NN_paired_planes for a pitch of 8; before and width are constants where this is expanded. */
NN_INLINE void NN_paired_eight(int8_t *to, const int8_t *from, int32_t count, int32_t channels, int32_t before, int32_t width,
                               int32_t zero_point)
{
#if NN_HAS_DSP
    const uint32_t none = (uint32_t)(zero_point & 0xFF) * UINT32_C(0x01010101);
    NN_ROLLED for (; count >= 4; count -= 4, from += 4, to += 32) {
        const int8_t *cell = from;
        uint32_t words[8];
        NN_STRAIGHT for (int32_t i = 0; i < 8; i++) {
            words[i] = none;
            if (NN_inside(i - before, width)) {
                words[i] = NN_load_word(cell);
                cell += channels;
            }
        }
        NN_paired_block(to, 8, words[0], words[1], words[2], words[3]);
        NN_paired_block(to + 4, 8, words[4], words[5], words[6], words[7]);
    }
#endif
    if (count > 0)
        NN_paired_planes(to, from, count, channels, before, width, 8, zero_point);
}

#endif
