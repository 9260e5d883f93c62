/* Finished outputs of one, two or four patches (gather.h) and an even number of output channels: dot products, requantisation and
 * storing, with the short form of requantisation and no clamp but to int8.
 *
 * y           first channel of the first pixel; pixels are `stride` bytes apart
 * patch       `depth` cells of each pixel, a multiple of four
 * weights     pair after pair of channels, as dot.h reads them
 * parameters  per channel bias, multiplier and shift - 1
 * channels    how many channels, even
 * zero        twice the output's zero point, plus one
 */
#ifndef NN_BLOCK_H
#define NN_BLOCK_H

#include <stdint.h>

#include "assembly.h"
#include "dsp.h"
#include "requantize.h"

#define NN_BLOCK_ARGUMENTS                                                                                                       \
    NN_UNNAMED int8_t *y, NN_UNNAMED const int16_t *patch, NN_UNNAMED const int8_t *weights, NN_UNNAMED const int32_t *parameters, \
        NN_UNNAMED int32_t depth, NN_UNNAMED int32_t channels, NN_UNNAMED int32_t stride, NN_UNNAMED int32_t zero

#if NN_HAS_DSP

/* A compiler that allocates the registers of these loops spills, and around assembly it saves what the loop over channels needs. So
 * the blocks are functions of their own, entirely in assembly.
 *
 * r0 runs through the weights, r1 through the patch, sums lie from r2 on, pixel by pixel. On the stack, from sp on: y, patch, bytes of
 * the loop to jump over, parameters; and above the saved registers the arguments: end of the patch (it arrives as depth), end of the
 * parameters (channels), stride, zero. */
#define NN_Y "[sp]"
#define NN_PATCH "[sp, #4]"
#define NN_SKIP "[sp, #8]"
#define NN_PARAMETERS "[sp, #12]"
#define NN_PATCH_END "[sp, #52]"
#define NN_PARAMETERS_END "[sp, #56]"
#define NN_STRIDE "[sp, #60]"
#define NN_ZERO "[sp, #64]"

/* Four cells of a pixel fill 8 bytes. */
#define NN_BLOCK_BEGIN(pixels, group_bytes)                                                                                      \
    "push {r0-r11, lr}\n\t"                                                                                                     \
    "ldr r4, " NN_PATCH_END "\n\t"                                                                                              \
    "ldr r5, " NN_PARAMETERS_END "\n\t"                                                                                         \
    "mov r6, #(2 * " #pixels ")\n\t"                                                                                            \
    "mla r6, r4, r6, r1\n\t"                                                                                                    \
    "str r6, " NN_PATCH_END "\n\t"                                                                                              \
    "add r5, r5, r5, lsl #1\n\t"                                                                                                \
    "add r5, r3, r5, lsl #2\n\t"                                                                                                \
    "str r5, " NN_PARAMETERS_END "\n\t"                                                                                         \
    "rsb r4, r4, #0\n\t"                                                                                                        \
    "and r4, r4, #(4 * " NN_UNROLLED " - 4)\n\t"                                                                                \
    "mov r5, #(" #group_bytes " / 4)\n\t"                                                                                       \
    "mul r4, r4, r5\n\t"                                                                                                        \
    "str r4, " NN_SKIP "\n\t"                                                                                                   \
    "mov r0, r2\n"                                                                                                              \
    "1:\n\t"                                                                                                                    \
    "ldr r10, " NN_PARAMETERS "\n\t"                                                                                            \
    "ldr r1, " NN_PATCH "\n\t"                                                                                                  \
    "ldr r12, " NN_SKIP "\n\t"                                                                                                  \
    "ldr r2, [r10]\n\t"                                                                                                         \
    "ldr r3, [r10, #12]\n\t"

#define NN_BLOCK_LOOP(groups)                                                                                                    \
    "add pc, r12\n\t"                                                                                                           \
    "nop\n"                                                                                                                     \
    "2:\n\t" groups "ldr r12, " NN_PATCH_END "\n\t"                                                                             \
    "cmp r1, r12\n\t"                                                                                                           \
    "bne.w 2b\n\t"

/* The parameters of the even or odd channel of a pair: r10 is the zero point ahead of the shift, r11 the multiplier, r12 the shift less
 * one. */
#define NN_CHANNEL(multiplier, shift)                                                                                            \
    "ldr r10, " NN_ZERO "\n\t"                                                                                                  \
    "ldr r11, [r1, #" #multiplier "]\n\t"                                                                                       \
    "ldr r12, [r1, #" #shift "]\n\t"                                                                                            \
    "lsl r10, r10, r12\n\t"

/* NN_requantize_bounded, with the sign taken from the sum: where the two differ the scaled value is 0, and the result the same. */
#define NN_RESULT(s)                                                                                                             \
    "add lr, r10, " #s ", asr #31\n\t"                                                                                          \
    "add " #s ", " #s "\n\t"                                                                                                    \
    "smmlar " #s ", " #s ", r11, lr\n\t"                                                                                        \
    "asr " #s ", " #s ", r12\n\t"                                                                                               \
    "ssat " #s ", #8, " #s ", asr #1\n\t"

#define NN_BLOCK_RESULTS(even, odd, stores)                                                                                      \
    "ldr r1, " NN_PARAMETERS "\n\t" NN_CHANNEL(4, 8) even NN_CHANNEL(16, 20) odd "ldr r10, " NN_Y "\n\t"                         \
    "ldr r12, " NN_STRIDE "\n\t"                                                                                                \
    "ldr lr, " NN_PARAMETERS_END "\n\t"                                                                                         \
    "add r1, #24\n\t"                                                                                                           \
    "str r1, " NN_PARAMETERS "\n\t"                                                                                             \
    "add r11, r10, #2\n\t"                                                                                                      \
    "str r11, " NN_Y "\n\t" stores "cmp r1, lr\n\t"                                                                             \
    "bne.w 1b\n\t"                                                                                                              \
    "add sp, #16\n\t"                                                                                                           \
    "pop {r4-r11, pc}"

/* Two cells of four pixels. */
#define NN_STEP_4                                                                                                                \
    "ldr.w r10, [r0], #4\n\t"                                                                                                   \
    "ldr.w r12, [r1, #8]\n\t"                                                                                                   \
    "ldr.w lr, [r1, #12]\n\t"                                                                                                   \
    "sxtb16 r11, r10\n\t"                                                                                                       \
    "sxtb16 r10, r10, ror #8\n\t"                                                                                               \
    "smlad r6, r11, r12, r6\n\t"                                                                                                \
    "smlad r7, r10, r12, r7\n\t"                                                                                                \
    "smlad r8, r11, lr, r8\n\t"                                                                                                 \
    "smlad r9, r10, lr, r9\n\t"                                                                                                 \
    "ldr.w r12, [r1, #4]\n\t"                                                                                                   \
    "ldr.w lr, [r1], #16\n\t"                                                                                                   \
    "smlad r4, r11, r12, r4\n\t"                                                                                                \
    "smlad r5, r10, r12, r5\n\t"                                                                                                \
    "smlad r2, r11, lr, r2\n\t"                                                                                                 \
    "smlad r3, r10, lr, r3\n\t"

NN_ASSEMBLY void NN_block_4(NN_BLOCK_ARGUMENTS)
{
    __asm__ volatile(NN_BLOCK_BEGIN(4, 120)
        "mov r4, r2\n\t"
        "mov r5, r3\n\t"
        "mov r6, r2\n\t"
        "mov r7, r3\n\t"
        "mov r8, r2\n\t"
        "mov r9, r3\n\t"
        NN_BLOCK_LOOP(NN_UNROLL(NN_STEP_4 NN_STEP_4))
        NN_BLOCK_RESULTS(NN_RESULT(r2) NN_RESULT(r4) NN_RESULT(r6) NN_RESULT(r8),
                         NN_RESULT(r3) NN_RESULT(r5) NN_RESULT(r7) NN_RESULT(r9),
            "strb r2, [r10]\n\t"
            "strb r3, [r10, #1]\n\t"
            "add r11, r10, r12\n\t"
            "add r2, r10, r12, lsl #1\n\t"
            "strb r4, [r11]\n\t"
            "strb r5, [r11, #1]\n\t"
            "add r11, r2, r12\n\t"
            "strb r6, [r2]\n\t"
            "strb r7, [r2, #1]\n\t"
            "strb r8, [r11]\n\t"
            "strb r9, [r11, #1]\n\t"));
}

/* Four cells of two pixels. */
#define NN_GROUP_2                                                                                                               \
    "ldr.w r10, [r0], #4\n\t"                                                                                                   \
    "ldr.w r11, [r0], #4\n\t"                                                                                                   \
    "ldr.w r6, [r1, #4]\n\t"                                                                                                    \
    "ldr.w r7, [r1, #8]\n\t"                                                                                                    \
    "ldr.w r8, [r1, #12]\n\t"                                                                                                   \
    "ldr.w lr, [r1], #16\n\t"                                                                                                   \
    "sxtb16 r12, r10\n\t"                                                                                                       \
    "sxtb16 r10, r10, ror #8\n\t"                                                                                               \
    "smlad r2, r12, lr, r2\n\t"                                                                                                 \
    "smlad r3, r10, lr, r3\n\t"                                                                                                 \
    "smlad r4, r12, r6, r4\n\t"                                                                                                 \
    "smlad r5, r10, r6, r5\n\t"                                                                                                 \
    "sxtb16 r12, r11\n\t"                                                                                                       \
    "sxtb16 r11, r11, ror #8\n\t"                                                                                               \
    "smlad r2, r12, r7, r2\n\t"                                                                                                 \
    "smlad r3, r11, r7, r3\n\t"                                                                                                 \
    "smlad r4, r12, r8, r4\n\t"                                                                                                 \
    "smlad r5, r11, r8, r5\n\t"

NN_ASSEMBLY void NN_block_2(NN_BLOCK_ARGUMENTS)
{
    __asm__ volatile(NN_BLOCK_BEGIN(2, 72)
        "mov r4, r2\n\t"
        "mov r5, r3\n\t"
        NN_BLOCK_LOOP(NN_UNROLL(NN_GROUP_2))
        NN_BLOCK_RESULTS(NN_RESULT(r2) NN_RESULT(r4), NN_RESULT(r3) NN_RESULT(r5),
            "strb r2, [r10]\n\t"
            "add r12, r10\n\t"
            "strb r3, [r10, #1]\n\t"
            "strb r4, [r12]\n\t"
            "strb r5, [r12, #1]\n\t"));
}

/* Four cells of one pixel. */
#define NN_GROUP_1                                                                                                               \
    "ldr.w r10, [r0], #4\n\t"                                                                                                   \
    "ldr.w r11, [r0], #4\n\t"                                                                                                   \
    "ldr.w r7, [r1, #4]\n\t"                                                                                                    \
    "ldr.w r6, [r1], #8\n\t"                                                                                                    \
    "sxtb16 r12, r10\n\t"                                                                                                       \
    "sxtb16 r10, r10, ror #8\n\t"                                                                                               \
    "smlad r2, r12, r6, r2\n\t"                                                                                                 \
    "smlad r3, r10, r6, r3\n\t"                                                                                                 \
    "sxtb16 r12, r11\n\t"                                                                                                       \
    "sxtb16 r11, r11, ror #8\n\t"                                                                                               \
    "smlad r2, r12, r7, r2\n\t"                                                                                                 \
    "smlad r3, r11, r7, r3\n\t"

NN_ASSEMBLY void NN_block_1(NN_BLOCK_ARGUMENTS)
{
    __asm__ volatile(NN_BLOCK_BEGIN(1, 48)
        NN_BLOCK_LOOP(NN_UNROLL(NN_GROUP_1))
        NN_BLOCK_RESULTS(NN_RESULT(r2), NN_RESULT(r3),
            "strb r2, [r10]\n\t"
            "strb r3, [r10, #1]\n\t"));
}

#else

NN_SHARED void NN_block(NN_BLOCK_ARGUMENTS, int32_t pixels)
{
    for (; channels > 0; channels -= 2) {
        for (int32_t i = 0; i < pixels; ++i) {
            int32_t even = parameters[0], odd = parameters[3];
            for (int32_t k = 0; k < depth; k += 2) {
                const int16_t *const cells = patch + k * pixels + 2 * i;
                even += cells[0] * weights[2 * k] + cells[1] * weights[2 * k + 2];
                odd += cells[0] * weights[2 * k + 1] + cells[1] * weights[2 * k + 3];
            }
            y[i * stride] = NN_requantize_bounded(even, parameters[1], parameters[2] + 1, zero >> 1, -128, 127);
            y[i * stride + 1] = NN_requantize_bounded(odd, parameters[4], parameters[5] + 1, zero >> 1, -128, 127);
        }
        y += 2;
        weights += 2 * depth;
        parameters += 6;
    }
}

NN_INLINE void NN_block_4(NN_BLOCK_ARGUMENTS)
{
    NN_block(y, patch, weights, parameters, depth, channels, stride, zero, 4);
}

NN_INLINE void NN_block_2(NN_BLOCK_ARGUMENTS)
{
    NN_block(y, patch, weights, parameters, depth, channels, stride, zero, 2);
}

NN_INLINE void NN_block_1(NN_BLOCK_ARGUMENTS)
{
    NN_block(y, patch, weights, parameters, depth, channels, stride, zero, 1);
}

#endif

#endif
