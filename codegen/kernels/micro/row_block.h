/* Finished outputs of one input row, as it lies in memory, for a multiple of four output channels: dot products, requantisation and
 * storing, with the short form of requantisation and no clamp but to int8.
 *
 * y           first channel
 * x           `depth` cells, at least four
 * weights     four channels after another, as row_dot.h reads them
 * parameters  per channel bias, multiplier and shift - 1; the input's zero point is part of the bias
 * channels    how many channels, a multiple of four
 * zero        twice the output's zero point, plus one
 */
#ifndef NN_ROW_BLOCK_H
#define NN_ROW_BLOCK_H

#include <stdint.h>

#include "assembly.h"
#include "dsp.h"
#include "requantize.h"

#define NN_ROW_BLOCK_ARGUMENTS                                                                                                  \
    NN_UNNAMED int8_t *y, NN_UNNAMED const int8_t *x, NN_UNNAMED const int8_t *weights, NN_UNNAMED const int32_t *parameters,   \
        NN_UNNAMED int32_t depth, NN_UNNAMED int32_t channels, NN_UNNAMED int32_t zero

#if NN_HAS_DSP

/* Written like block.h: r0 runs through the weights, r1 through x, r2 to r5 are sums. */
#define NN_ROW_Y "[sp]"
#define NN_ROW_X "[sp, #4]"
#define NN_ROW_SKIP "[sp, #8]"
#define NN_ROW_REST_CELLS "[sp, #10]"
#define NN_ROW_PARAMETERS "[sp, #12]"
#define NN_ROW_REST "[sp, #48]"
#define NN_ROW_X_END "[sp, #56]"
#define NN_ROW_PARAMETERS_END "[sp, #60]"
#define NN_ROW_ZERO "[sp, #64]"

/* Four cells of four channels, 92 bytes. */
#define NN_ROW_GROUP(x)                 \
    "ldr.w r6, " x "\n\t"               \
    "ldr.w r8, [r0, #4]\n\t"            \
    "ldr.w r9, [r0, #8]\n\t"            \
    "ldr.w r10, [r0, #12]\n\t"          \
    "ldr.w r11, [r0], #16\n\t"          \
    "sxtb16 r7, r6, ror #8\n\t"         \
    "sxtb16 r6, r6\n\t"                 \
    "sxtb16 r12, r11\n\t"               \
    "sxtb16 r11, r11, ror #8\n\t"       \
    "smlad r2, r12, r6, r2\n\t"         \
    "smlad r2, r11, r7, r2\n\t"         \
    "sxtb16 r12, r8\n\t"                \
    "sxtb16 r8, r8, ror #8\n\t"         \
    "smlad r3, r12, r6, r3\n\t"         \
    "smlad r3, r8, r7, r3\n\t"          \
    "sxtb16 r12, r9\n\t"                \
    "sxtb16 r9, r9, ror #8\n\t"         \
    "smlad r4, r12, r6, r4\n\t"         \
    "smlad r4, r9, r7, r4\n\t"          \
    "sxtb16 r12, r10\n\t"               \
    "sxtb16 r10, r10, ror #8\n\t"       \
    "smlad r5, r12, r6, r5\n\t"         \
    "smlad r5, r10, r7, r5\n\t"

/* NN_requantize_bounded as in block.h; the register of the shift takes the result. */
#define NN_ROW_RESULT(s, multiplier, shift)                 \
    "lsl lr, r6, " shift "\n\t"                             \
    "add lr, lr, " s ", asr #31\n\t"                        \
    "add " s ", " s "\n\t"                                  \
    "smmlar " s ", " s ", " multiplier ", lr\n\t"           \
    "asr " s ", " s ", " shift "\n\t"                       \
    "ssat " s ", #8, " s ", asr #1\n\t"

NN_ASSEMBLY void NN_row_block(NN_ROW_BLOCK_ARGUMENTS)
{
    __asm__ volatile(
        "push {r0-r12, lr}\n\t"
        "ldr r4, " NN_ROW_X_END "\n\t"
        "ldr r5, " NN_ROW_PARAMETERS_END "\n\t"
        "mov r0, r2\n\t"
        "add r5, r5, r5, lsl #1\n\t"
        "add r5, r3, r5, lsl #2\n\t"
        "str r5, " NN_ROW_PARAMETERS_END "\n\t"
        /* The cells behind the last whole group as a word. */
        "ands r7, r4, #3\n\t"
        "strh r7, " NN_ROW_REST_CELLS "\n\t"
        "add r6, r1, r4\n\t"
        "sub r4, r4, r7\n\t"
        "mov r5, #0\n\t"
        "b 2f\n"
        "1:\n\t"
        "ldrb r8, [r6, #-1]!\n\t"
        "orr r5, r8, r5, lsl #8\n\t"
        "subs r7, #1\n"
        "2:\n\t"
        "bne 1b\n\t"
        "str r5, " NN_ROW_REST "\n\t"
        "str r6, " NN_ROW_X_END "\n\t"
        "rsb r4, r4, #0\n\t"
        "and r4, r4, #(4 * " NN_UNROLLED " - 4)\n\t"
        "mov r5, #(92 / 4)\n\t"
        "mul r4, r4, r5\n\t"
        "strh r4, " NN_ROW_SKIP "\n"
        "3:\n\t"
        "ldr r6, " NN_ROW_PARAMETERS "\n\t"
        "ldr r1, " NN_ROW_X "\n\t"
        "ldr lr, " NN_ROW_X_END "\n\t"
        "ldrh r12, " NN_ROW_SKIP "\n\t"
        "ldr r2, [r6]\n\t"
        "ldr r3, [r6, #12]\n\t"
        "ldr r4, [r6, #24]\n\t"
        "ldr r5, [r6, #36]\n\t"
        "add pc, r12\n\t"
        "nop\n"
        "4:\n\t" NN_UNROLL(NN_ROW_GROUP("[r1], #4"))
        "cmp r1, lr\n\t"
        "bne.w 4b\n\t"
        "ldrh r6, " NN_ROW_REST_CELLS "\n\t"
        "ldr r1, " NN_ROW_PARAMETERS "\n\t"
        "cbz r6, 5f\n\t" NN_ROW_GROUP(NN_ROW_REST)
        "5:\n\t"
        "ldr r6, " NN_ROW_ZERO "\n\t"
        "ldr r7, [r1, #4]\n\t"
        "ldr r8, [r1, #8]\n\t"
        "ldr r9, [r1, #16]\n\t"
        "ldr r10, [r1, #20]\n\t"
        "ldr r11, [r1, #28]\n\t"
        "ldr r12, [r1, #32]\n\t" NN_ROW_RESULT("r2", "r7", "r8") NN_ROW_RESULT("r3", "r9", "r10") NN_ROW_RESULT("r4", "r11", "r12")
        "ldr r7, [r1, #40]\n\t"
        "ldr r8, [r1, #44]\n\t"
        "ldr r9, " NN_ROW_Y "\n\t"
        "ldr r10, " NN_ROW_PARAMETERS_END "\n\t" NN_ROW_RESULT("r5", "r7", "r8")
        "add r1, #48\n\t"
        "str r1, " NN_ROW_PARAMETERS "\n\t"
        "strb r3, [r9, #1]\n\t"
        "strb r4, [r9, #2]\n\t"
        "strb r5, [r9, #3]\n\t"
        "strb r2, [r9], #4\n\t"
        "str r9, " NN_ROW_Y "\n\t"
        "cmp r1, r10\n\t"
        "bne.w 3b\n\t"
        "add sp, #16\n\t"
        "pop {r4-r12, pc}");
}

#else

NN_SHARED void NN_row_block(NN_ROW_BLOCK_ARGUMENTS)
{
    for (; channels > 0; channels -= 4) {
        int32_t sums[4]; /* all four, before the first output may overwrite x */
        NN_STRAIGHT for (int32_t c = 0; c < 4; ++c) {
            sums[c] = parameters[3 * c];
            for (int32_t k = 0; k < depth; ++k) {
                sums[c] += x[k] * weights[4 * (k & ~3) + 4 * c + (k & 3)];
            }
        }
        NN_STRAIGHT for (int32_t c = 0; c < 4; ++c) {
            *y++ = NN_requantize_bounded(sums[c], parameters[1], parameters[2] + 1, zero >> 1, -128, 127);
            parameters += 3;
        }
        weights += 4 * ((depth + 3) & ~3);
    }
}

#endif

#endif
