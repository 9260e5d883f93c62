/* Dot products of one to three patches (gather.h) with the weights of one or two output channels, added to sums[pixel][channel].
 *
 * Weights of two channels: per pair of cells (ka, kb) in the patch's order the four bytes c0 ka, c1 ka, c0 kb, c1 kb. Weights of one
 * channel: in the order of the cells. `depth` cells, a multiple of four. Sums wrap in no case that the packed constants allow.
 * */
#ifndef NN_DOT_H
#define NN_DOT_H

#include <stdint.h>

#include "dsp.h"
#include "linkage.h"

#if NN_HAS_DSP

/* The loops below need 13 registers, and a compiler that keeps a frame pointer finds no more than 12. So the operands are pinned to
 * registers that none keeps for itself, r7 is saved and used beside them, and the end of the weights, which arrives in x, waits on the
 * stack. */

/* Two cells of three pixels and two channels: x and lr hold the weights, p, q and r7 the pixels. */
#define NN_STEP_3X2(w, a0, a1, a2)                                                                                              \
    "ldr %[x], [%[w], #" #w "]\n\t"                                                                                             \
    "ldr %[p], [%[a], #" #a0 "]\n\t"                                                                                            \
    "ldr %[q], [%[a], #" #a1 "]\n\t"                                                                                            \
    "ldr r7, [%[a], #" #a2 "]\n\t"                                                                                              \
    "sxtb16 lr, %[x]\n\t"                                                                                                       \
    "sxtb16 %[x], %[x], ror #8\n\t"                                                                                             \
    "smlad %[s0], lr, %[p], %[s0]\n\t"                                                                                          \
    "smlad %[s1], %[x], %[p], %[s1]\n\t"                                                                                        \
    "smlad %[s2], lr, %[q], %[s2]\n\t"                                                                                          \
    "smlad %[s3], %[x], %[q], %[s3]\n\t"                                                                                        \
    "smlad %[s4], lr, r7, %[s4]\n\t"                                                                                            \
    "smlad %[s5], %[x], r7, %[s5]\n\t"

#define NN_LOOP_3X2(steps, w_bytes, a_bytes)                                                                                    \
    __asm__ volatile("push {r6, r7}\n\t"                                                                                        \
                     "1:\n\t" steps "add %[w], #" #w_bytes "\n\t"                                                               \
                     "add %[a], #" #a_bytes "\n\t"                                                                              \
                     "ldr %[x], [sp]\n\t"                                                                                       \
                     "cmp %[w], %[x]\n\t"                                                                                       \
                     "bne 1b\n\t"                                                                                               \
                     "pop {r6, r7}\n\t"                                                                                         \
                     : [w] "+r"(w), [a] "+r"(a), [s0] "+r"(s0), [s1] "+r"(s1), [s2] "+r"(s2), [s3] "+r"(s3), [s4] "+r"(s4),     \
                       [s5] "+r"(s5), [x] "+r"(x), [p] "=&r"(p), [q] "=&r"(q)                                                   \
                     :                                                                                                          \
                     : "lr", "cc", "memory")

NN_MICRO void NN_dot_3x2(int32_t *sums, const int16_t *patch, const int8_t *weights, int32_t depth)
{
    register const int8_t *w __asm__("r0") = weights;
    register const int16_t *a __asm__("r1") = patch;
    register int32_t s0 __asm__("r2") = sums[0];
    register int32_t s1 __asm__("r3") = sums[1];
    register int32_t s2 __asm__("r4") = sums[2];
    register int32_t s3 __asm__("r5") = sums[3];
    register int32_t s4 __asm__("r8") = sums[4];
    register int32_t s5 __asm__("r9") = sums[5];
    register uint32_t x __asm__("r6");
    register uint32_t p __asm__("r10");
    register uint32_t q __asm__("r12");
#if !defined(__OPTIMIZE_SIZE__)
    if (depth >= 16) {
        x = (uint32_t)(uintptr_t)(weights + 2 * (depth & ~15));
        NN_LOOP_3X2(NN_STEP_3X2(0, 0, 4, 8) NN_STEP_3X2(4, 12, 16, 20) NN_STEP_3X2(8, 24, 28, 32) NN_STEP_3X2(12, 36, 40, 44)
                        NN_STEP_3X2(16, 48, 52, 56) NN_STEP_3X2(20, 60, 64, 68) NN_STEP_3X2(24, 72, 76, 80)
                            NN_STEP_3X2(28, 84, 88, 92),
                    32, 96);
    }
    if ((depth & 15) != 0)
#endif
    {
        x = (uint32_t)(uintptr_t)(weights + 2 * depth);
        NN_LOOP_3X2(NN_STEP_3X2(0, 0, 4, 8) NN_STEP_3X2(4, 12, 16, 20), 8, 24);
    }
    sums[0] = s0;
    sums[1] = s1;
    sums[2] = s2;
    sums[3] = s3;
    sums[4] = s4;
    sums[5] = s5;
}

/* Four cells of two pixels and two channels: x, y and lr hold weights, p, q, r and r7 the pixels. */
#define NN_STEP_2X2(w0, w1, a0, a1, a2, a3)                                                                                     \
    "ldr %[x], [%[w], #" #w0 "]\n\t"                                                                                            \
    "ldr %[y], [%[w], #" #w1 "]\n\t"                                                                                            \
    "ldr %[p], [%[a], #" #a0 "]\n\t"                                                                                            \
    "ldr %[q], [%[a], #" #a1 "]\n\t"                                                                                            \
    "ldr %[r], [%[a], #" #a2 "]\n\t"                                                                                            \
    "ldr r7, [%[a], #" #a3 "]\n\t"                                                                                              \
    "sxtb16 lr, %[x]\n\t"                                                                                                       \
    "sxtb16 %[x], %[x], ror #8\n\t"                                                                                             \
    "smlad %[s0], lr, %[p], %[s0]\n\t"                                                                                          \
    "smlad %[s1], %[x], %[p], %[s1]\n\t"                                                                                        \
    "smlad %[s2], lr, %[q], %[s2]\n\t"                                                                                          \
    "smlad %[s3], %[x], %[q], %[s3]\n\t"                                                                                        \
    "sxtb16 lr, %[y]\n\t"                                                                                                       \
    "sxtb16 %[y], %[y], ror #8\n\t"                                                                                             \
    "smlad %[s0], lr, %[r], %[s0]\n\t"                                                                                          \
    "smlad %[s1], %[y], %[r], %[s1]\n\t"                                                                                        \
    "smlad %[s2], lr, r7, %[s2]\n\t"                                                                                            \
    "smlad %[s3], %[y], r7, %[s3]\n\t"

#define NN_LOOP_2X2(steps, w_bytes, a_bytes)                                                                                    \
    __asm__ volatile("push {r6, r7}\n\t"                                                                                        \
                     "1:\n\t" steps "add %[w], #" #w_bytes "\n\t"                                                               \
                     "add %[a], #" #a_bytes "\n\t"                                                                              \
                     "ldr %[x], [sp]\n\t"                                                                                       \
                     "cmp %[w], %[x]\n\t"                                                                                       \
                     "bne 1b\n\t"                                                                                               \
                     "pop {r6, r7}\n\t"                                                                                         \
                     : [w] "+r"(w), [a] "+r"(a), [s0] "+r"(s0), [s1] "+r"(s1), [s2] "+r"(s2), [s3] "+r"(s3), [x] "+r"(x),       \
                       [y] "=&r"(y), [p] "=&r"(p), [q] "=&r"(q), [r] "=&r"(r)                                                   \
                     :                                                                                                          \
                     : "lr", "cc", "memory")

NN_SHARED void NN_dot_2x2(int32_t *sums, const int16_t *patch, const int8_t *weights, int32_t depth)
{
    register const int8_t *w __asm__("r0") = weights;
    register const int16_t *a __asm__("r1") = patch;
    register int32_t s0 __asm__("r2") = sums[0];
    register int32_t s1 __asm__("r3") = sums[1];
    register int32_t s2 __asm__("r4") = sums[2];
    register int32_t s3 __asm__("r5") = sums[3];
    register uint32_t x __asm__("r6");
    register uint32_t y __asm__("r8");
    register uint32_t p __asm__("r9");
    register uint32_t q __asm__("r10");
    register uint32_t r __asm__("r12");
#if !defined(__OPTIMIZE_SIZE__)
    if (depth >= 16) {
        x = (uint32_t)(uintptr_t)(weights + 2 * (depth & ~15));
        NN_LOOP_2X2(NN_STEP_2X2(0, 4, 0, 4, 8, 12) NN_STEP_2X2(8, 12, 16, 20, 24, 28) NN_STEP_2X2(16, 20, 32, 36, 40, 44)
                        NN_STEP_2X2(24, 28, 48, 52, 56, 60),
                    32, 64);
    }
    if ((depth & 15) != 0)
#endif
    {
        x = (uint32_t)(uintptr_t)(weights + 2 * depth);
        NN_LOOP_2X2(NN_STEP_2X2(0, 4, 0, 4, 8, 12), 8, 16);
    }
    sums[0] = s0;
    sums[1] = s1;
    sums[2] = s2;
    sums[3] = s3;
}

/* The other shapes: two cells, or four of one channel, at a time. They compute the last pixels and the last channel. */
NN_INLINE void NN_dot_pixels(int32_t *sums, const int16_t *patch, const int8_t *weights, int32_t depth, int32_t pixels, int32_t channels)
{
    for (; depth > 0; depth -= 4) {
        const uint32_t first = NN_load_word(weights);
        if (channels == 2) {
            const uint32_t second = NN_load_word(weights + 4);
            for (int32_t i = 0; i < pixels; ++i) {
                const uint32_t near = NN_load_word(patch + 2 * i);
                const uint32_t far = NN_load_word(patch + 2 * (pixels + i));
                sums[2 * i] = NN_smlad(NN_sxtb16(first), near, sums[2 * i]);
                sums[2 * i + 1] = NN_smlad(NN_sxtb16_odd(first), near, sums[2 * i + 1]);
                sums[2 * i] = NN_smlad(NN_sxtb16(second), far, sums[2 * i]);
                sums[2 * i + 1] = NN_smlad(NN_sxtb16_odd(second), far, sums[2 * i + 1]);
            }
        } else {
            for (int32_t i = 0; i < pixels; ++i) {
                sums[i] = NN_smlad(NN_sxtb16(first), NN_load_word(patch + 2 * i), sums[i]);
                sums[i] = NN_smlad(NN_sxtb16_odd(first), NN_load_word(patch + 2 * (pixels + i)), sums[i]);
            }
        }
        weights += 4 * channels;
        patch += 4 * pixels;
    }
}

#else

#define NN_PAIR(number, cell)                               \
    do {                                                    \
        const int32_t value = (cell);                       \
        s[2 * i] += value * weights[2 * (number)];          \
        s[2 * i + 1] += value * weights[2 * (number) + 1];  \
        NN_IN_ORDER(s[2 * i], s[2 * i + 1]);                \
    } while (0)

NN_INLINE void NN_dot_pixels(int32_t *sums, const int16_t *patch, const int8_t *weights, int32_t depth, int32_t pixels, int32_t channels)
{
    int32_t s[6];
    for (int32_t i = 0; i < pixels * channels; ++i) {
        s[i] = sums[i];
    }
    for (; depth > 0; depth -= 4) {
        for (int32_t i = 0; i < pixels; ++i) {
            const int16_t *const near = patch + 2 * i;
            const int16_t *const far = near + 2 * pixels;
            if (channels == 2) {
                NN_PAIR(0, near[0]);
                NN_PAIR(1, near[1]);
                NN_PAIR(2, far[0]);
                NN_PAIR(3, far[1]);
            } else {
                s[i] += near[0] * weights[0];
                s[i] += far[0] * weights[1];
                s[i] += near[1] * weights[2];
                s[i] += far[1] * weights[3];
            }
        }
        weights += 4 * channels;
        patch += 4 * pixels;
    }
    for (int32_t i = 0; i < pixels * channels; ++i) {
        sums[i] = s[i];
    }
}

NN_MICRO void NN_dot_3x2(int32_t *sums, const int16_t *patch, const int8_t *weights, int32_t depth)
{
    NN_dot_pixels(sums, patch, weights, depth, 3, 2);
}

NN_SHARED void NN_dot_2x2(int32_t *sums, const int16_t *patch, const int8_t *weights, int32_t depth)
{
    NN_dot_pixels(sums, patch, weights, depth, 2, 2);
}

#endif

NN_SHARED void NN_dot_1x2(int32_t *sums, const int16_t *patch, const int8_t *weights, int32_t depth)
{
    NN_dot_pixels(sums, patch, weights, depth, 1, 2);
}

NN_SHARED void NN_dot_3x1(int32_t *sums, const int16_t *patch, const int8_t *weights, int32_t depth)
{
    NN_dot_pixels(sums, patch, weights, depth, 3, 1);
}

NN_SHARED void NN_dot_2x1(int32_t *sums, const int16_t *patch, const int8_t *weights, int32_t depth)
{
    NN_dot_pixels(sums, patch, weights, depth, 2, 1);
}

NN_SHARED void NN_dot_1x1(int32_t *sums, const int16_t *patch, const int8_t *weights, int32_t depth)
{
    NN_dot_pixels(sums, patch, weights, depth, 1, 1);
}

#endif
