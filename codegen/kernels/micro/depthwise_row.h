/* One output row of a few channels of a 3x3 depthwise convolution whose cells and weights are paired (pairs.h): sums, requantisation
 * and storing, with the short form of requantisation and no clamp but to int8.
 *
 * y           first output; pixels are `step` bytes apart, channels lie side by side
 * planes      rows[r] cells from here the window's row r begins, for the first channel; channels are `pitch` cells apart
 * weights     12 bytes a channel
 * parameters  per channel bias, multiplier and shift - 1
 * width       output pixels
 * zero        twice the output's zero point, plus one
 *
 * Pixels are computed in tiles, and what the row has not is not stored: with stride 2 up to four bytes behind the last plane are read.
 * A narrow row has 3 to 6 pixels, and planes of 8 cells. */
#ifndef NN_DEPTHWISE_ROW_H
#define NN_DEPTHWISE_ROW_H

#include <stdint.h>

#include "assembly.h"
#include "dsp.h"
#include "pairs.h"
#include "requantize.h"

#define NN_3X3_ARGUMENTS                                                                                                         \
    NN_UNNAMED int8_t *y, NN_UNNAMED const int8_t *planes, NN_UNNAMED const int32_t *rows, NN_UNNAMED const int8_t *weights,     \
        NN_UNNAMED const int32_t *parameters, NN_UNNAMED int32_t channels, NN_UNNAMED int32_t step, NN_UNNAMED int32_t pitch,    \
        NN_UNNAMED int32_t width, NN_UNNAMED int32_t zero

#if NN_HAS_DSP

/* A compiler spills half of what these loops need, so they are assembly.
 *
 * r0 output, r1 to r3 the rows under the window, sums from r4 on, lr weights. On the stack, from sp on: the channel's first output and
 * first plane, rows, tiles left, bias, multiplier, zero point ahead of the shift, shift less one, pixels behind the tiles of
 * four (-1: the last tile has three); above the saved registers the arguments from parameters on, tiles in place of the width. */
#define NN_3X3_BEGIN                                                                                                             \
    "push {r4-r11, lr}\n\t"                                                                                                      \
    "sub sp, #36\n\t"                                                                                                            \
    "str r2, [sp, #8]\n\t"                                                                                                       \
    "mov lr, r3\n\t"                                                                                                             \
    "ldr r4, [sp, #88]\n\t"                                                                                                      \
    "add r5, r4, #1\n\t"                                                                                                         \
    "lsr r5, r5, #2\n\t"                                                                                                         \
    "sub r4, r4, r5, lsl #2\n\t"                                                                                                 \
    "str r4, [sp, #32]\n\t"                                                                                                      \
    "str r5, [sp, #88]\n"                                                                                                        \
    "1:\n\t"                                                                                                                     \
    "strd r0, r1, [sp]\n\t"                                                                                                      \
    "ldr r8, [sp, #72]\n\t"                                                                                                      \
    "ldr r11, [sp, #8]\n\t"                                                                                                      \
    "ldr r9, [sp, #92]\n\t"                                                                                                      \
    "mov r7, r1\n\t"                                                                                                             \
    "ldm r8!, {r5, r6, r10}\n\t"                                                                                                 \
    "ldm r11, {r1, r2, r3}\n\t"                                                                                                  \
    "str r8, [sp, #72]\n\t"                                                                                                      \
    "lsl r9, r9, r10\n\t"                                                                                                        \
    "add r11, sp, #16\n\t"                                                                                                       \
    "stm r11, {r5, r6, r9, r10}\n\t"                                                                                             \
    "ldr r12, [sp, #88]\n\t"                                                                                                     \
    "add r1, r7\n\t"                                                                                                             \
    "add r2, r7\n\t"                                                                                                             \
    "add r3, r7\n\t"                                                                                                             \
    "cmp r12, #0\n\t"                                                                                                            \
    "beq.w 5f\n"

/* What requantisation needs, in registers of ascending numbers: multiplier, zero point ahead of the shift, shift less one; and step. */
#define NN_3X3_PARAMETERS(multiplier, zero, shift, step)                                                                         \
    "add " #shift ", sp, #20\n\t"                                                                                                \
    "ldm " #shift ", {" #multiplier ", " #zero ", " #shift "}\n\t"                                                               \
    "ldr " #step ", [sp, #80]\n\t"

/* NN_requantize_bounded, as in block.h, and on to the next pixel. */
#define NN_3X3_RESULT(s, multiplier, zero, shift, step, free)                                                                    \
    "add " #free ", " #zero ", " #s ", asr #31\n\t"                                                                              \
    "add " #s ", " #s "\n\t"                                                                                                     \
    "smmlar " #s ", " #s ", " #multiplier ", " #free "\n\t"                                                                      \
    "asr " #s ", " #s ", " #shift "\n\t"                                                                                         \
    "ssat " #s ", #8, " #s ", asr #1\n\t"                                                                                        \
    "strb " #s ", [r0]\n\t"                                                                                                      \
    "add r0, " #step "\n\t"
#define NN_3X3_STORE(s) NN_3X3_RESULT(s, r8, r9, r10, r11, r12)

/* A row: four pixels at a time, the last time three of them where no more are left, then one or two. */
#define NN_3X3_ROW(four, two)                                                                                                    \
    NN_3X3_BEGIN "2:\n\t"                                                                                                        \
    "str r12, [sp, #12]\n\t"                                                                                                     \
    "ldr r7, [sp, #16]\n\t" four NN_3X3_PARAMETERS(r8, r9, r10, r11) NN_3X3_STORE(r4) NN_3X3_STORE(r5) NN_3X3_STORE(r6)          \
    "ldr r4, [sp, #12]\n\t"                                                                                                      \
    "subs r4, #1\n\t"                                                                                                            \
    "beq 4f\n\t" NN_3X3_STORE(r7)                                                                                                \
    "mov r12, r4\n\t"                                                                                                            \
    "b.w 2b\n"                                                                                                                   \
    "4:\n\t"                                                                                                                     \
    "ldr r4, [sp, #32]\n\t"                                                                                                      \
    "cmp r4, #0\n\t"                                                                                                             \
    "blt.w 3f\n\t" NN_3X3_STORE(r7)                                                                                              \
    "5:\n\t"                                                                                                                     \
    "ldr r12, [sp, #32]\n\t"                                                                                                     \
    "cmp r12, #0\n\t"                                                                                                            \
    "beq.w 3f\n\t"                                                                                                               \
    "ldr r5, [sp, #16]\n\t" two NN_3X3_PARAMETERS(r8, r9, r10, r11) NN_3X3_STORE(r4)                                             \
    "ldr r4, [sp, #32]\n\t"                                                                                                      \
    "cmp r4, #1\n\t"                                                                                                             \
    "beq.w 3f\n\t" NN_3X3_STORE(r5)                                                                                              \
    "3:\n\t"                                                                                                                     \
    "ldr r12, [sp, #76]\n\t"                                                                                                     \
    "ldr r2, [sp, #84]\n\t"                                                                                                      \
    "ldr r0, [sp]\n\t"                                                                                                           \
    "ldr r1, [sp, #4]\n\t"                                                                                                       \
    "add lr, #12\n\t"                                                                                                            \
    "subs r12, #1\n\t"                                                                                                           \
    "add r0, #1\n\t"                                                                                                             \
    "add r1, r2\n\t"                                                                                                             \
    "str r12, [sp, #76]\n\t"                                                                                                     \
    "bne.w 1b\n\t"                                                                                                               \
    "add sp, #36\n\t"                                                                                                            \
    "pop {r4-r11, pc}"

/* One row under the windows of four pixels, s0 to s3 are what sums are added to: r8 and r9 are cells, r10 weights. */
#define NN_3X3_FOUR_STRIDE_1(row, weight, s0, s1, s2, s3)                                                                        \
    "ldr r8, [" #row "], #4\n\t"                                                                                                 \
    "ldr r9, [" #row "]\n\t"                                                                                                     \
    "ldr r10, [lr, #" #weight "]\n\t"                                                                                            \
    "sxtb16 r11, r8\n\t"                                                                                                         \
    "sxtb16 r12, r10\n\t"                                                                                                        \
    "sxtb16 r8, r8, ror #8\n\t"                                                                                                  \
    "sxtb16 r10, r10, ror #8\n\t"                                                                                                \
    "sxtb16 r9, r9\n\t"                                                                                                          \
    "smlad r4, r11, r12, " #s0 "\n\t"                                                                                            \
    "smlatb r5, r11, r12, " #s1 "\n\t"                                                                                           \
    "smlad r6, r8, r12, " #s2 "\n\t"                                                                                             \
    "smlatb r7, r8, r12, " #s3 "\n\t"                                                                                            \
    "smlabb r4, r8, r10, r4\n\t"                                                                                                 \
    "smladx r5, r8, r10, r5\n\t"                                                                                                 \
    "smlabb r6, r9, r10, r6\n\t"                                                                                                 \
    "smladx r7, r9, r10, r7\n\t"

/* And of two. */
#define NN_3X3_TWO_STRIDE_1(row, weight, s0, s1)                                                                                 \
    "ldr r8, [" #row "]\n\t"                                                                                                     \
    "ldr r10, [lr, #" #weight "]\n\t"                                                                                            \
    "sxtb16 r11, r8\n\t"                                                                                                         \
    "sxtb16 r12, r10\n\t"                                                                                                        \
    "sxtb16 r8, r8, ror #8\n\t"                                                                                                  \
    "sxtb16 r10, r10, ror #8\n\t"                                                                                                \
    "smlad r4, r11, r12, " #s0 "\n\t"                                                                                            \
    "smlatb r5, r11, r12, " #s1 "\n\t"                                                                                           \
    "smlabb r4, r8, r10, r4\n\t"                                                                                                 \
    "smladx r5, r8, r10, r5\n\t"

#define NN_3X3_FOUR_STRIDE_2(row, weight, s0, s1, s2, s3)                                                                        \
    "ldr r8, [" #row "], #8\n\t"                                                                                                 \
    "ldr r9, [" #row ", #-4]\n\t"                                                                                                \
    "ldr r10, [lr, #" #weight "]\n\t"                                                                                            \
    "sxtb16 r11, r8\n\t"                                                                                                         \
    "sxtb16 r12, r10\n\t"                                                                                                        \
    "sxtb16 r8, r8, ror #8\n\t"                                                                                                  \
    "sxtb16 r10, r10, ror #8\n\t"                                                                                                \
    "smlad r4, r11, r12, " #s0 "\n\t"                                                                                            \
    "smlad r5, r8, r12, " #s1 "\n\t"                                                                                             \
    "smlabb r4, r8, r10, r4\n\t"                                                                                                 \
    "sxtb16 r11, r9\n\t"                                                                                                         \
    "ldrsb r8, [" #row "]\n\t"                                                                                                   \
    "sxtb16 r9, r9, ror #8\n\t"                                                                                                  \
    "smlad r6, r11, r12, " #s2 "\n\t"                                                                                            \
    "smlad r7, r9, r12, " #s3 "\n\t"                                                                                             \
    "smlabb r5, r11, r10, r5\n\t"                                                                                                \
    "smlabb r6, r9, r10, r6\n\t"                                                                                                 \
    "smlabb r7, r8, r10, r7\n\t"

#define NN_3X3_TWO_STRIDE_2(row, weight, s0, s1)                                                                                 \
    "ldr r8, [" #row "]\n\t"                                                                                                     \
    "ldrsb r9, [" #row ", #4]\n\t"                                                                                               \
    "ldr r10, [lr, #" #weight "]\n\t"                                                                                            \
    "sxtb16 r11, r8\n\t"                                                                                                         \
    "sxtb16 r12, r10\n\t"                                                                                                        \
    "sxtb16 r8, r8, ror #8\n\t"                                                                                                  \
    "sxtb16 r10, r10, ror #8\n\t"                                                                                                \
    "smlad r4, r11, r12, " #s0 "\n\t"                                                                                            \
    "smlad r5, r8, r12, " #s1 "\n\t"                                                                                             \
    "smlabb r4, r8, r10, r4\n\t"                                                                                                 \
    "smlabb r5, r9, r10, r5\n\t"

/* The sums of the first row begin with the bias, which the last of them holds. */
#define NN_3X3_FOUR(step) step(r1, 0, r7, r7, r7, r7) step(r2, 4, r4, r5, r6, r7) step(r3, 8, r4, r5, r6, r7)
#define NN_3X3_TWO(step) step(r1, 0, r5, r5) step(r2, 4, r4, r5) step(r3, 8, r4, r5)

NN_ASSEMBLY void NN_depthwise_3x3_s1(NN_3X3_ARGUMENTS)
{
    __asm__ volatile(NN_3X3_ROW(NN_3X3_FOUR(NN_3X3_FOUR_STRIDE_1), NN_3X3_TWO(NN_3X3_TWO_STRIDE_1)));
}

NN_ASSEMBLY void NN_depthwise_3x3_s2(NN_3X3_ARGUMENTS)
{
    __asm__ volatile(NN_3X3_ROW(NN_3X3_FOUR(NN_3X3_FOUR_STRIDE_2), NN_3X3_TWO(NN_3X3_TWO_STRIDE_2)));
}

/* Narrow rows: planes of eight cells, so that the pointers to the rows run on to the next channel's by themselves. On the stack, from
 * sp on: the channel's first output, and r1 and lr while they serve requantisation. */
#define NN_NARROW_ROW(row, s0, s1, s2, s3, s4)                                                                                   \
    "ldr r10, [" #row "], #4\n\t"                                                                                                \
    "ldr r12, [lr], #4\n\t"                                                                                                      \
    "sxtb16 r11, r10\n\t"                                                                                                        \
    "sxtb16 r0, r12\n\t"                                                                                                         \
    "sxtb16 r10, r10, ror #8\n\t"                                                                                                \
    "sxtb16 r12, r12, ror #8\n\t"                                                                                                \
    "smlad r4, r11, r0, " #s0 "\n\t"                                                                                             \
    "smlatb r5, r11, r0, " #s1 "\n\t"                                                                                            \
    "smlad r6, r10, r0, " #s2 "\n\t"                                                                                             \
    "smlatb r7, r10, r0, " #s3 "\n\t"                                                                                            \
    "smlabb r4, r10, r12, r4\n\t"                                                                                                \
    "smladx r5, r10, r12, r5\n\t"                                                                                                \
    "ldr r10, [" #row "], #4\n\t"                                                                                                \
    "sxtb16 r11, r10\n\t"                                                                                                        \
    "sxtb16 r10, r10, ror #8\n\t"                                                                                                \
    "smlad r8, r11, r0, " #s4 "\n\t"                                                                                             \
    "smlatb r9, r11, r0, r9\n\t"                                                                                                 \
    "smlabb r6, r11, r12, r6\n\t"                                                                                                \
    "smladx r7, r11, r12, r7\n\t"                                                                                                \
    "smlabb r8, r10, r12, r8\n\t"                                                                                                \
    "smladx r9, r10, r12, r9\n\t"
#define NN_NARROW_STORE(s) NN_3X3_RESULT(s, r10, r11, r12, r1, lr)

NN_ASSEMBLY void NN_depthwise_3x3_s1_narrow(NN_3X3_ARGUMENTS)
{
    __asm__ volatile("push {r4-r11, lr}\n\t"
                     "sub sp, #16\n\t"
                     "mov lr, r3\n\t"
                     "mov r12, r2\n\t"
                     "mov r4, r1\n\t"
                     "ldm r12, {r1, r2, r3}\n\t"
                     "add r1, r4\n\t"
                     "add r2, r4\n\t"
                     "add r3, r4\n"
                     "1:\n\t"
                     "ldr r12, [sp, #52]\n\t"
                     "str r0, [sp]\n\t"
                     "ldr r9, [r12], #12\n\t"
                     "str r12, [sp, #52]\n\t"
                     NN_NARROW_ROW(r1, r9, r9, r9, r9, r9) NN_NARROW_ROW(r2, r4, r5, r6, r7, r8) NN_NARROW_ROW(r3, r4, r5, r6, r7, r8)
                     "strd r1, lr, [sp, #8]\n\t"
                     "ldr r12, [sp, #52]\n\t"
                     "ldr r11, [sp, #72]\n\t"
                     "ldr r1, [sp, #60]\n\t"
                     "ldr r0, [sp]\n\t"
                     "ldrd r10, r12, [r12, #-8]\n\t"
                     "lsl r11, r11, r12\n\t"
                     NN_NARROW_STORE(r4) NN_NARROW_STORE(r5) NN_NARROW_STORE(r6)
                     "ldr r4, [sp, #68]\n\t"
                     "cmp r4, #4\n\t"
                     "blt 2f\n\t"
                     NN_NARROW_STORE(r7)
                     "cmp r4, #5\n\t"
                     "blt 2f\n\t"
                     NN_NARROW_STORE(r8)
                     "cmp r4, #6\n\t"
                     "blt 2f\n\t"
                     NN_NARROW_STORE(r9)
                     "2:\n\t"
                     "ldr r0, [sp]\n\t"
                     "ldr r4, [sp, #56]\n\t"
                     "ldrd r1, lr, [sp, #8]\n\t"
                     "add r0, #1\n\t"
                     "subs r4, #1\n\t"
                     "str r4, [sp, #56]\n\t"
                     "bne.w 1b\n\t"
                     "add sp, #16\n\t"
                     "pop {r4-r11, pc}");
}

#else

NN_INLINE void NN_depthwise_3x3(int8_t *y, const int8_t *planes, const int32_t *rows, const int8_t *weights, const int32_t *parameters,
                                int32_t channels, int32_t step, int32_t pitch, int32_t width, int32_t zero, int32_t stride)
{
    for (int32_t c = 0; c < channels; c++, planes += pitch, weights += 12, parameters += 3)
        for (int32_t p = 0; p < width; p++) {
            int32_t sum = parameters[0];
            for (int32_t r = 0; r < 3; r++)
                NN_paired_taps(&sum, planes + rows[r] + p * stride, weights + 4 * r, 1, stride, 3);
            y[p * step + c] = NN_requantize_bounded(sum, parameters[1], parameters[2] + 1, (zero - 1) / 2, -128, 127);
        }
}

NN_SHARED void NN_depthwise_3x3_s1(NN_3X3_ARGUMENTS)
{
    NN_depthwise_3x3(y, planes, rows, weights, parameters, channels, step, pitch, width, zero, 1);
}

NN_SHARED void NN_depthwise_3x3_s2(NN_3X3_ARGUMENTS)
{
    NN_depthwise_3x3(y, planes, rows, weights, parameters, channels, step, pitch, width, zero, 2);
}

NN_SHARED void NN_depthwise_3x3_s1_narrow(NN_3X3_ARGUMENTS)
{
    NN_depthwise_3x3(y, planes, rows, weights, parameters, channels, step, pitch, width, zero, 1);
}

#endif

#endif
